//! Where readings and journals are kept: one trait each, with a database behind it.
//!
//! `SQLite` is for one machine. What every implementation must do is in the module `conformance`, which each
//! of them passes.

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
pub mod journal;
pub mod readings;
pub mod sqlite;
pub mod write_timestamp;

pub use error::{Error, Result};
pub use journal::Journal;
pub use readings::Readings;
