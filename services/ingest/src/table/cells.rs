//! The readings of a part, each cell once: within a part, the later line wins.

use std::hash::BuildHasher;

use hashbrown::hash_map;
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

/// How many series are followed one by one; where there are more, every cell is looked up.
const SERIES: usize = 65_536;

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

/// Cells by key.
#[derive(Debug)]
pub struct Cells {
    cells: Vec<Cell>,
    room: usize,
    known: Known,
}

/// How it is known which keys there are.
#[derive(Debug)]
enum Known {
    /// Every series goes on in time, as in nearly every file: its last cell says it all.
    Last(HashMap<(u32, u32), u32>),
    /// Every cell by its key.
    Each(HashTable<u32>, DefaultHashBuilder),
    /// Not any more: they were sorted, and are to be cleared.
    Sorted,
}

impl Cells {
    /// Takes up to `room` cells.
    pub fn new(room: u32) -> Self {
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        Self {
            // At once, so that it need not be copied to grow.
            cells: Vec::with_capacity(room),
            room,
            known: Known::Last(HashMap::new()),
        }
    }

    /// Puts a cell in, over an earlier one with its key.
    pub fn put(&mut self, cell: Cell) -> Put {
        if let Known::Last(last) = &mut self.known {
            let many = last.len() == SERIES;
            let end = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
            let room = self.cells.len() < self.room;
            match last.entry((cell.sensor, cell.metric)) {
                hash_map::Entry::Occupied(mut entry) => {
                    let before = &mut self.cells[*entry.get() as usize];
                    if before.time == cell.time {
                        *before = cell;
                        return Put::Overrode;
                    }
                    if before.time < cell.time {
                        if !room {
                            return Put::Full;
                        }
                        entry.insert(end);
                        self.cells.push(cell);
                        return Put::New;
                    }
                }
                hash_map::Entry::Vacant(_) if !room => return Put::Full,
                hash_map::Entry::Vacant(entry) if !many => {
                    entry.insert(end);
                    self.cells.push(cell);
                    return Put::New;
                }
                hash_map::Entry::Vacant(_) => {}
            }
            self.know_each();
        }
        self.look_up(cell)
    }

    /// Begins to know every cell by its key.
    fn know_each(&mut self) {
        let hasher = DefaultHashBuilder::default();
        let mut index = HashTable::with_capacity(self.room);
        for (at, cell) in (0..).zip(&self.cells) {
            index.insert_unique(hasher.hash_one(cell.key()), at, |_| 0);
        }
        self.known = Known::Each(index, hasher);
    }

    fn look_up(&mut self, cell: Cell) -> Put {
        let cells = &mut self.cells;
        let Known::Each(index, hasher) = &mut self.known else {
            return Put::Full;
        };
        let entry = index.entry(
            hasher.hash_one(cell.key()),
            |at| cells[*at as usize].key() == cell.key(),
            |at| hasher.hash_one(cells[*at as usize].key()),
        );
        match entry {
            Entry::Occupied(entry) => {
                cells[*entry.get() as usize] = cell;
                Put::Overrode
            }
            Entry::Vacant(entry) => match u32::try_from(cells.len()) {
                Ok(end) if cells.len() < self.room => {
                    entry.insert(end);
                    cells.push(cell);
                    Put::New
                }
                _ => Put::Full,
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
        self.known = Known::Sorted;
        self.cells.sort_unstable_by_key(Cell::key);
        &self.cells
    }

    /// Every cell.
    pub fn iter(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter()
    }

    /// Makes room again.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.known = Known::Last(HashMap::new());
    }
}
