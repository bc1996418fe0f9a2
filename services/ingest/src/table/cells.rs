//! The readings of a part, each cell once: within a part, the later line wins.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

/// How many series are followed one by one, as many as a hash table with 2^17 places takes; where
/// there are more, every cell is looked up.
pub(super) const SERIES: usize = 114_688;

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
    Last(Last),
    /// Every cell by its key.
    Each(HashTable<u32>, DefaultHashBuilder),
    /// Not any more: they were sorted, and are to be cleared.
    Sorted,
}

/// The last cell of each series. Nearly every sensor has one metric, and is then found by its
/// number, without a search.
#[derive(Debug, Default)]
struct Last {
    /// By sensor: of the metric that it had first.
    first: Vec<End>,
    /// Of its other metrics.
    further: HashMap<(u32, u32), End>,
    series: usize,
}

/// Where a series ends for now: its last cell, whose time is here too, so that nothing else has to
/// be fetched to compare it.
#[derive(Clone, Copy, Debug)]
struct End {
    metric: u32,
    at: u32,
    time: i64,
}

impl End {
    /// Of a sensor that has no series: no cell is there, and no metric has this number.
    const NONE: Self = Self {
        metric: u32::MAX,
        at: u32::MAX,
        time: 0,
    };
}

impl Last {
    /// Where a series ends; none if it has not begun.
    fn of(&mut self, cell: &Cell) -> Option<&mut End> {
        match self.first.get_mut(cell.sensor as usize)? {
            first if first.metric == cell.metric => Some(first),
            _ => self.further.get_mut(&(cell.sensor, cell.metric)),
        }
    }

    /// Begins a series.
    fn begin(&mut self, cell: &Cell, at: u32) {
        self.series += 1;
        let end = End {
            metric: cell.metric,
            at,
            time: cell.time,
        };
        let sensor = cell.sensor as usize;
        if self.first.len() <= sensor {
            self.first.resize(sensor + 1, End::NONE);
        }
        match &mut self.first[sensor] {
            first if first.at == End::NONE.at => *first = end,
            _ => {
                self.further.insert((cell.sensor, cell.metric), end);
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        let first = self.first.iter().filter(|end| end.at != End::NONE.at);
        first.chain(self.further.values()).map(|end| end.at)
    }
}

impl Cells {
    /// Takes up to `room` cells.
    pub fn new(room: u32) -> Self {
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        Self {
            // At once, so that it need not be copied to grow.
            cells: Vec::with_capacity(room),
            room,
            known: Known::Last(Last::default()),
        }
    }

    /// Puts a cell in, over an earlier one with its key.
    pub fn put(&mut self, cell: Cell) -> Put {
        if let Known::Last(known) = &mut self.known {
            let end = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
            let room = self.cells.len() < self.room;
            // Metrics have numbers too, where a column names them.
            let more = known.series < SERIES && (cell.sensor as usize) < 2 * SERIES;
            match known.of(&cell) {
                Some(last) if last.time == cell.time => {
                    self.cells[last.at as usize] = cell;
                    return Put::Overrode;
                }
                Some(last) if last.time < cell.time => {
                    if !room {
                        return Put::Full;
                    }
                    last.at = end;
                    last.time = cell.time;
                    self.cells.push(cell);
                    return Put::New;
                }
                None if !room => return Put::Full,
                None if more => {
                    known.begin(&cell, end);
                    self.cells.push(cell);
                    return Put::New;
                }
                _ => {}
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

    /// Sorts them by key, which is how databases keep them. No more can be put in.
    pub fn sort(&mut self) {
        self.known = Known::Sorted;
        self.cells.sort_unstable_by_key(Cell::key);
    }

    /// Every cell.
    pub fn as_slice(&self) -> &[Cell] {
        &self.cells
    }

    /// The last cell of each series, where each goes on in time.
    pub fn last_of_each(&self) -> Option<impl Iterator<Item = &Cell>> {
        match &self.known {
            Known::Last(last) => Some(last.all().map(|at| &self.cells[at as usize])),
            _ => None,
        }
    }

    /// Takes everything out, and leaves as much room.
    pub fn take(&mut self) -> Self {
        let empty = Self {
            cells: Vec::with_capacity(self.room),
            room: self.room,
            known: Known::Last(Last::default()),
        };
        std::mem::replace(self, empty)
    }

    /// Makes room again.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.known = Known::Last(Last::default());
    }
}
