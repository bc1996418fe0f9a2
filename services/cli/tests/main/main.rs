//! The command as people run it, on real servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

mod credentials;
mod doctor;
mod follow;
mod landfall;
mod put;
mod readings;
mod sensors;
mod setup;
mod usage;
