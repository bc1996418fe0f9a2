//! `SQLite`: one file for the readings, one for each journal. For one machine.
//!
//! Each open file has one writer thread, which commits the requests of many tasks
//! together, and a few reading connections, which the writer does not block. Several
//! processes may have the same file open. Write-ahead log, `synchronous=FULL`: what was
//! acknowledged survives a power cut.

mod database;
mod journal;
mod log;
mod page;
mod readers;
mod readings;
mod retraction;
mod series;
mod writer;

pub use journal::Journal;
pub use readings::Readings;
