//! One row: from the cells of a record to readings, or to what is wrong with it. A row is taken
//! as a whole or not at all.

use super::cells::Cell;
use super::layout::{At, Layout};
use super::names::Names;
use super::number;
use super::record::Record;
use super::refusal::{Reason, Refusal};
use super::time::{Time, Times};

/// What a row says. Used again for every row, so that none allocates.
#[derive(Debug, Default)]
pub struct Row {
    /// When.
    pub time: Time,
    times: Times,
    /// Values, each with the number of its metric among the layout's.
    pub values: Vec<(u32, f64)>,
}

impl Row {
    /// Reads time and values. Times after `latest` are refused.
    pub fn read(
        &mut self,
        record: &Record<'_>,
        layout: &Layout,
        latest: i64,
    ) -> Result<(), Refusal> {
        self.values.clear();
        if record.open_quote {
            return Err(whole(Reason::OpenQuote));
        }
        if record.width() != layout.width {
            return Err(whole(Reason::Width {
                found: record.width(),
                expected: layout.width,
            }));
        }
        self.time = self
            .times
            .parse(record.cell(layout.time), layout.time_format)
            .map_err(|reason| in_column(layout.time, reason))?;
        if self.time.milliseconds > latest {
            return Err(in_column(layout.time, Reason::Future));
        }
        let wide = layout.values.len() > 1;
        for (metric, (at, _)) in (0..).zip(&layout.values) {
            let cell = record.cell(*at);
            // In a wide file, an empty cell is no reading.
            if wide && cell.is_empty() {
                continue;
            }
            let value = number::parse(cell).map_err(|reason| in_column(*at, reason))?;
            self.values.push((metric, value));
        }
        Ok(())
    }

    /// One of its readings. The layout's metrics have the first numbers of each part.
    pub fn cell(&self, at: usize, numbers: Numbers) -> Cell {
        let (metric, value) = self.values[at];
        Cell {
            sensor: numbers.sensor,
            metric: numbers.metric.unwrap_or(metric),
            time: self.time.milliseconds,
            value,
        }
    }
}

/// The numbers of the names in a row.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// Its sensor's.
    pub sensor: u32,
    /// Its metric's, where a column names it.
    pub metric: Option<u32>,
}

impl Numbers {
    /// Looks the names of a row up. Only rows that are good otherwise get here, so that refused
    /// ones take no room.
    pub fn of(record: &Record<'_>, layout: &Layout, names: &mut Names) -> Result<Self, Refusal> {
        let (column, name) = match &layout.sensor {
            At::Column(at) => (Some(*at), record.cell(*at)),
            At::Fixed(name) => (None, name.as_bytes()),
        };
        let sensor = names
            .number(name)
            .map_err(|reason| Refusal { column, reason })?;
        let metric = layout.metric.map(|at| {
            names
                .number(record.cell(at))
                .map_err(|reason| in_column(at, reason))
        });
        Ok(Self {
            sensor,
            metric: metric.transpose()?,
        })
    }
}

/// How many readings a refused row stands for: its values that are there, and at least one for
/// each line.
pub fn readings_in(record: &Record<'_>, layout: &Layout) -> u64 {
    let values = layout.values.iter();
    let there = values
        .filter(|(at, _)| !record.cell(*at).is_empty())
        .count();
    (there as u64).max(record.lines)
}

fn whole(reason: Reason) -> Refusal {
    Refusal {
        column: None,
        reason,
    }
}

fn in_column(at: usize, reason: Reason) -> Refusal {
    Refusal {
        column: Some(at),
        reason,
    }
}
