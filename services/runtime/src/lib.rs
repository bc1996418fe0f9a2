//! What every service does, and none writes itself: configuration, connections, the consume loop,
//! outcomes and their publication, dead letters, probes, metrics, logs, drain.
//!
//! A service is a function that takes a [`Context`], connects to what it needs and hands its
//! handlers over:
//!
//! ```ignore
//! fn main() -> ExitCode {
//!     runtime::main(User::Mover, async |context| {
//!         let mover = Mover::start(context).await?;
//!         context.steps(consumer::mover(), mover);
//!         Ok(())
//!     })
//! }
//! ```

pub mod config;
mod context;
mod handler;
mod outbox;
mod trouble;

pub use config::Config;
pub use context::{Context, main};
pub use handler::{Handler, Message, Step};
pub use outbox::Outbox;
pub use trouble::Trouble;
