//! The steps against a world in memory whose clock, order and faults a test decides, against a mail
//! server that does as it is told, and against the real NATS and mail servers.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

mod breaks;
mod interleavings;
mod phases;
mod service;
mod single;
mod stage;
mod traces;
mod world;
