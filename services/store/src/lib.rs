//! Where readings and journals are kept: one trait each, with a database behind it.
//!
//! `SQLite` is for one machine, CQL (`ScyllaDB`, Cassandra) for any number of them. What every
//! implementation must do is in the crate `conformance`, which each of them passes.

pub mod cql;
mod error;
pub mod journal;
mod range;
pub mod readings;
pub mod sqlite;
pub mod write_timestamp;

pub use error::{Error, Result};
pub use journal::Journal;
pub use readings::Readings;
