//! The runtime on a real NATS server, with the contract's users and permissions, and a duplicate
//! window of 100 ms: nothing may lean on it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

mod advisories;
mod bed;
mod events;
mod outages;
mod outcomes;
mod processes;
mod rights;
mod setup;
mod tls;
mod tries;
