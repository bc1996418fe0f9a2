//! The steps against a world in memory whose clock, order and faults a test decides, and against
//! the real NATS and mail servers.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

mod interleavings;
mod service;
mod stage;
mod traces;
mod world;
