//! CQL: `ScyllaDB`, or Cassandra. For any number of machines.
//!
//! Readings and journals are in a keyspace each: lightweight transactions, on which the journals
//! rest, are refused where an older `ScyllaDB` keeps a keyspace in tablets. Each store's `set_up` creates its
//! tables; `open` only looks whether they are what they should be.

mod agenda;
mod batches;
mod buckets;
mod cluster;
mod durability;
mod fault;
mod fingerprint;
mod gather;
mod inserts;
mod journal;
mod known;
mod outcomes;
mod page;
mod pipeline;
mod reader;
mod readings;
mod registers;
mod retraction;
pub mod rights;
mod schema;
mod series;
mod shard;
mod tables;
mod together;
mod worth;
mod written;

pub use cluster::Access;
pub use journal::Journal;
pub use readings::Readings;
pub use schema::{Plan, Unfit};
