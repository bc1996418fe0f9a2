//! The real servers that Landfall runs against, as child processes on this machine: for
//! `landfall dev` and for tests.
//!
//! Each server lives in a folder that the caller gives, listens on free ports of 127.0.0.1, has
//! answered when `start` returns, and dies with this process however that ends.
#![expect(
    clippy::disallowed_methods,
    reason = "what starts a server asks it whether it is there"
)]

pub mod cassandra;
pub mod http;
pub mod installed;
pub mod jaeger;
pub mod mail;
pub mod nats;
pub mod port;
pub mod process;
pub mod publishing;
mod ready;
pub mod seaweedfs;
mod secret;

pub use cassandra::Cassandra;
pub use jaeger::Jaeger;
pub use mail::MailCatcher;
pub use nats::Nats;
pub use port::Port;
pub use process::Process;
pub use seaweedfs::SeaweedFs;
pub use secret::random as random_secret;
