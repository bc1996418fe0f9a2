//! Journals and readings as they lie in the databases, by plain SQL and CQL and without writing
//! anything. Nothing here goes through the code by which services read and write them.

mod cql;
mod scratch;
mod sqlite;

use std::collections::HashMap;

use proto::FileId;
use runtime::config::store::{Config, Kind};

use crate::event::Step;
use crate::facts::Rows;
use crate::recount::Row;

pub(crate) use scratch::Scratch;

/// A row of a journal's outcomes.
pub(crate) struct Entry {
    pub(crate) file: FileId,
    pub(crate) replay: u32,
    pub(crate) event: String,
    pub(crate) published: Option<u64>,
}

/// A reading's sensor, metric and milliseconds since 1970.
pub(crate) type Key<'a> = (&'a str, &'a str, i64);

/// What is known of a reading that was retracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retracted {
    /// None was there.
    No,
    /// One with this write timestamp was.
    At(i64),
    /// The database keeps that to itself.
    Perhaps,
}

/// Where the databases are. Everything blocks its thread.
pub(crate) trait Books: Send {
    /// Hands every row of a step's journal over.
    fn journal(
        &self,
        step: Step,
        outcome: &mut dyn FnMut(Entry),
        register: &mut dyn FnMut(&str, &str, &[u8]),
    ) -> anyhow::Result<()>;

    /// The readings as they are from now on.
    fn readings(&self) -> anyhow::Result<Box<dyn Readings>>;
}

/// The readings.
pub(crate) trait Readings: Send {
    /// How many each file wrote, of those that matter.
    fn by_file(&self) -> anyhow::Result<HashMap<FileId, Rows>>;

    /// The reading with this sensor, metric and time.
    fn at(&self, key: Key<'_>) -> anyhow::Result<Option<Row>>;

    /// What is known of a reading that was retracted there.
    fn retracted(&self, key: Key<'_>) -> anyhow::Result<Retracted>;

    /// Every reading that a file wrote.
    fn of(
        &self,
        file: FileId,
        each: &mut dyn FnMut(Key<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()>;
}

/// Opens what is configured. Must be called, and used, where blocking is allowed.
pub(crate) fn open(config: &Config) -> anyhow::Result<Box<dyn Books>> {
    Ok(match config.kind {
        Kind::Sqlite => Box::new(sqlite::Books::new(config.folder.clone())),
        Kind::Cql => Box::new(cql::Books::open(&config.cql)?),
    })
}
