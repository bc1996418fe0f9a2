//! Tests of the contract: what is checked in is what the code says, and keeps its promises.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod asyncapi;
mod event;
mod file;
mod generated;
mod permissions;
mod schema;
mod subject;
