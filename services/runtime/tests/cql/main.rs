//! The configured CQL database, on a cluster of two nodes that asks who connects, speaks TLS alone,
//! and knows what each role may do.
#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod away;
mod nodes;
mod rights;
