//! The harness of the whole-system tests: whole installations of Landfall on real servers, every
//! service a process of its own.
//!
//! SeaweedFS is shared by all tests of a process, and each test has a bucket of its own in it; so is
//! Cassandra where `LANDFALL_TEST_STORE=cql`, with keyspaces. NATS, the mail server, `SQLite`
//! databases and the services are each installation's own, and so is a store that publishes to NATS
//! itself.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

pub mod bucket;
mod cassandra;
pub mod chaos;
pub mod collector;
mod damage;
pub(crate) mod database;
pub mod development;
mod disk;
pub mod events;
pub mod http;
mod installation;
mod lock;
mod program;
pub mod python;
mod relay;
pub mod rows;
pub mod sample;
mod service;
mod settings;
mod shared;
mod usage;
mod wait;
mod wire;

pub use bucket::{Bucket, Upload};
pub use cassandra::datacenter;
pub use damage::Damage;
pub use database::{Keyspaces, Kind};
pub use disk::{Small, must_have_room, run_apart};
pub use events::Seen;
pub use installation::armed::{Armed, is_killed};
pub use installation::outages::Server;
pub use installation::{Audit, Builder, Installation, Violation};
pub use lock::Lock;
pub use relay::Fate;
pub use servers::mail::Mail;
pub use servers::publishing::Kind as Publishing;
pub use shared::run;
pub use usage::Usage;
pub use wait::{PATIENCE, until};
