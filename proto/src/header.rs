//! Message headers of Landfall's own, all on dead letters: where the message came from and why it
//! lies here. The message's own headers are kept, without those that begin with `Nats-` (a copied
//! schedule header would be refused, or cancel a schedule).

/// One line: why it was given up on.
pub const REASON: &str = "Landfall-Reason";
/// The stream it was read from.
pub const STREAM: &str = "Landfall-Stream";
/// Its sequence there.
pub const SEQUENCE: &str = "Landfall-Sequence";
/// The subject it was published to.
pub const SUBJECT: &str = "Landfall-Subject";
/// How often it had been delivered.
pub const DELIVERED: &str = "Landfall-Delivered";
/// W3C Trace Context; the trace id is the file id.
pub const TRACEPARENT: &str = "traceparent";
