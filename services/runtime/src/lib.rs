//! What every service does, and none writes itself: configuration, connections, the consume loop,
//! outcomes and their publication, dead letters, probes, metrics, logs, drain.
//!
//! A service is a function that takes a [`Context`], connects to what it needs and hands its
//! handlers over:
//!
//! ```text
//! fn main() -> ExitCode {
//!     runtime::main(User::Mover, |_| Ok(()), async |context| {
//!         let mover = Mover::start(context).await?;
//!         context.steps(consumer::mover(), mover);
//!         Ok(())
//!     })
//! }
//! ```

mod advisory;
mod allocator;
mod backoff;
pub mod config;
mod consume;
mod context;
mod databases;
mod dead_letter;
mod entry;
mod handler;
mod health;
pub mod inspection;
mod layout;
mod logs;
mod metering;
mod nats;
mod outage;
mod outbox;
mod service;
mod setup;
pub mod telemetry;
pub mod text;
pub mod tls;
mod tries;
mod trouble;
mod verify;

pub use config::Config;
pub use context::Context;
pub use databases::{access, journal, readings};
pub use entry::main;
pub use handler::{Handler, Message, Step};
pub use inspection::Inspection;
pub use nats::Publisher;
pub use outbox::Outbox;
pub use service::run;
pub use setup::setup;
pub use trouble::Trouble;
