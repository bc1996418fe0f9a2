//! The readings of a part, each cell once: within a part, the later line wins.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

/// A reading, with its names by number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Sensor.
    pub sensor: u32,
    /// Metric.
    pub metric: u32,
    /// Milliseconds since 1970.
    pub time: i64,
    /// Value.
    pub value: f64,
}

impl Cell {
    /// What is written once: later values of the same key override it.
    pub fn key(&self) -> (u32, u32, i64) {
        (self.sensor, self.metric, self.time)
    }
}

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is the first with its key.
    New,
    /// It took the place of an earlier one.
    Overrode,
    /// It would be the first with its key, and there is no room for it.
    Full,
}

/// Cells by key, in the order in which their keys came first.
#[derive(Debug)]
pub struct Cells {
    cells: Vec<Cell>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    room: usize,
    /// Whether the index does not know the cells any more: nothing goes in until they are cleared.
    sorted: bool,
}

impl Cells {
    /// Takes up to `room` cells, and that memory at once, so that it does not grow later.
    pub fn new(room: u32) -> Self {
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        Self {
            cells: Vec::with_capacity(room),
            index: HashTable::with_capacity(room),
            hasher: DefaultHashBuilder::default(),
            room,
            sorted: false,
        }
    }

    /// Puts a cell in, over an earlier one with its key.
    pub fn put(&mut self, cell: Cell) -> Put {
        let (cells, hasher) = (&self.cells, &self.hasher);
        let entry = self.index.entry(
            hasher.hash_one(cell.key()),
            |at| cells[*at as usize].key() == cell.key(),
            |at| hasher.hash_one(cells[*at as usize].key()),
        );
        match entry {
            Entry::Occupied(entry) => {
                self.cells[*entry.get() as usize] = cell;
                Put::Overrode
            }
            Entry::Vacant(_) if self.sorted || self.cells.len() == self.room => Put::Full,
            Entry::Vacant(entry) => match u32::try_from(self.cells.len()) {
                Ok(at) => {
                    entry.insert(at);
                    self.cells.push(cell);
                    Put::New
                }
                Err(_) => Put::Full,
            },
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Every cell, sorted by key: that is how databases keep them.
    pub fn sorted(&mut self) -> &[Cell] {
        self.sorted = true;
        self.index.clear();
        self.cells.sort_unstable_by_key(Cell::key);
        &self.cells
    }

    /// Every cell.
    pub fn iter(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter()
    }

    /// Makes room again.
    pub fn clear(&mut self) {
        self.sorted = false;
        self.cells.clear();
        self.index.clear();
    }
}
