//! A part of a file: its consecutive readings up to as many distinct cells as fit in memory.
//!
//! Within a part, the later line wins in memory. Between parts it wins in the database, because
//! each part has a write timestamp of its own.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap};
use jiff::Timestamp;
use store::readings::Reading;

use super::cells::Cells;
use super::names::Names;

/// How many series are followed from part to part.
const SERIES: usize = 65_536;

/// A part that is being read, or is complete.
#[derive(Debug)]
pub struct Part {
    /// Which of the file's parts, from 0.
    pub number: u32,
    /// Its readings.
    pub cells: Cells,
    /// Their sensors and metrics.
    pub names: Names,
}

impl Part {
    /// Its readings in batches of at most `size`, each cell once, sorted by sensor, metric and
    /// time.
    pub fn batches(
        &mut self,
        size: usize,
        write_timestamp: i64,
    ) -> impl Iterator<Item = Vec<Reading>> {
        let names = &self.names;
        let cells = self.cells.sorted();
        cells.chunks(size).map(move |cells| {
            let reading = |cell: &super::cells::Cell| Reading {
                sensor: Arc::clone(names.name(cell.sensor)),
                metric: Arc::clone(names.name(cell.metric)),
                time: Timestamp::from_millisecond(cell.time).unwrap_or(Timestamp::MAX),
                value: cell.value,
                write_timestamp,
            };
            cells.iter().map(reading).collect()
        })
    }
}

/// Whether parts can hold the same cells. They cannot where each series goes on after it ended in
/// the parts before, which is how nearly every large file is sorted.
#[derive(Debug, Default)]
pub struct Overlap {
    last: HashMap<u64, i64>,
    hasher: DefaultHashBuilder,
    found: bool,
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
        let mut spans = HashMap::<(u32, u32), (i64, i64)>::new();
        for cell in part.cells.iter() {
            let span = spans
                .entry((cell.sensor, cell.metric))
                .or_insert((cell.time, cell.time));
            *span = (span.0.min(cell.time), span.1.max(cell.time));
        }
        for ((sensor, metric), (first, last)) in spans {
            // Two series with one hash look like one that goes back: at worst, `at least` is said
            // needlessly.
            let names = (part.names.name(sensor), part.names.name(metric));
            let before = self.last.insert(self.hasher.hash_one(names), last);
            self.found |= before.is_some_and(|before| first <= before);
        }
        self.found |= self.last.len() > SERIES;
    }
}
