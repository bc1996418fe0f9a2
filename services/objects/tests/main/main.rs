//! The client against a real store, and against connections that break.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod blame;
mod canned;
mod keys;
mod parts;
mod probe;
mod read;
mod relay;
mod sent;
mod store;
mod tls;
mod write;
