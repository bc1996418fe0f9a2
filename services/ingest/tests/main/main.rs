//! Tests of ingest: of the table from outside, and of the service on real servers.
#![expect(clippy::unwrap_used, reason = "a test may end with a panic")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

mod bed;
mod reading;
mod step;
mod table;
