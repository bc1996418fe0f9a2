//! Tests of the CQL stores on a real server: Cassandra, or what `LANDFALL_TEST_CQL=host:port` names.
#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod buckets;
mod busy;
mod conformance;
mod expiry;
mod faults;
mod keyspaces;
mod lost;
mod schema;
mod server;
