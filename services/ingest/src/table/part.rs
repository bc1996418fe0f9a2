//! A part of a file: its consecutive readings up to as many distinct cells as fit in memory.
//!
//! Within a part, the later line wins in memory. Between parts it wins in the database, because
//! each part has a write timestamp of its own.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap};
use jiff::Timestamp;
use store::readings::Reading;

use super::cells::{Cell, Cells, SERIES};
use super::names::Names;

/// A part that is being read, or is complete.
#[derive(Debug)]
pub struct Part {
    /// Which of the file's parts, from 0.
    pub number: u32,
    /// Its readings.
    pub cells: Cells,
    /// Their sensors and metrics, and those of the parts before while there is room.
    pub names: Names,
}

impl Part {
    /// Takes its readings out, and leaves as much room.
    pub(crate) fn take(&mut self) -> Self {
        Self {
            number: self.number,
            cells: self.cells.take(),
            names: self.names.copy(),
        }
    }

    /// Some of its readings, in the order of the cells.
    pub fn readings(&self, cells: Range<usize>, write_timestamp: i64) -> Vec<Reading> {
        let names = &self.names;
        let reading = |cell: &Cell| Reading {
            sensor: Arc::clone(names.name(cell.sensor)),
            metric: Arc::clone(names.name(cell.metric)),
            time: Timestamp::from_millisecond(cell.time).unwrap_or(Timestamp::MAX),
            value: cell.value,
            write_timestamp,
        };
        let cells = &self.cells.as_slice()[cells];
        cells.iter().map(reading).collect()
    }
}

/// Whether parts can hold the same cells. They cannot where each series goes on after it ended in
/// the parts before, which is how nearly every large file is sorted.
#[derive(Debug)]
pub struct Overlap {
    /// The last time of each series, by its hash: two series with one hash look like one that goes
    /// back, and at worst `at least` is said needlessly.
    last: HashMap<u64, i64>,
    /// The last of them all.
    latest: i64,
    hasher: DefaultHashBuilder,
    found: bool,
}

impl Default for Overlap {
    fn default() -> Self {
        Self {
            last: HashMap::new(),
            latest: i64::MIN,
            hasher: DefaultHashBuilder::default(),
            found: false,
        }
    }
}

impl Overlap {
    /// Whether any two parts may hold the same cell.
    pub fn found(&self) -> bool {
        self.found
    }

    /// Looks at the next part, before it is given away.
    pub fn look_at(&mut self, part: &Part) {
        if self.found {
            return;
        }
        let cells = part.cells.as_slice();
        // Nearly none of a file that goes on in time.
        let mut early = cells.iter().filter(|cell| cell.time <= self.latest);
        self.found = early.any(|cell| {
            let before = self.last.get(&self.hash(part, cell));
            before.is_some_and(|before| cell.time <= *before)
        });
        match part.cells.last_of_each() {
            Some(last) => last.for_each(|cell| self.note(part, cell)),
            None => cells.iter().for_each(|cell| self.note(part, cell)),
        }
        self.found |= self.last.len() > SERIES;
    }

    fn note(&mut self, part: &Part, cell: &Cell) {
        let last = self.last.entry(self.hash(part, cell)).or_insert(cell.time);
        *last = cell.time.max(*last);
        self.latest = self.latest.max(cell.time);
    }

    fn hash(&self, part: &Part, cell: &Cell) -> u64 {
        let names = (part.names.name(cell.sensor), part.names.name(cell.metric));
        self.hasher.hash_one(names)
    }
}
