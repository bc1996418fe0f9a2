//! The rows of one file: what the first line means, which readings there are, what is refused.

use runtime::config::ingest::NAMES;

use super::cells::{Cells, Put};
use super::layout::{Layout, Rules};
use super::names::Names;
use super::part::{Overlap, Part};
use super::record::Record;
use super::refusal::open_quote;
use super::rejects::Rejects;
use super::row::{Numbers, Row, readings_in};
use super::{Counts, Room, Stop, Terms};

/// Whoever takes the parts: called when one is complete, except for the last.
pub type Taker<'a> = dyn FnMut(&mut Part) -> Result<(), Stop> + 'a;

/// Everything that is known of a file's rows so far.
#[derive(Debug)]
pub struct Rows {
    rules: Rules,
    /// None before the first line.
    layout: Option<Layout>,
    latest: i64,
    /// Cells that are reserved, and how many make a part.
    room: u32,
    full: u32,
    row: Row,
    pub(super) part: Part,
    overlap: Overlap,
    pub(super) counts: Counts,
    pub(super) rejects: Rejects,
}

impl Rows {
    /// Of the file with this key, with so much room at once.
    pub fn new(rules: Rules, terms: &Terms, room: Room, key: &str) -> Self {
        let refused = room.refused;
        let room = room.readings.min(terms.part);
        Self {
            rules,
            layout: None,
            latest: terms.latest.as_millisecond(),
            room,
            full: terms.part,
            row: Row::default(),
            part: Part {
                number: 0,
                cells: Cells::new(room),
                names: Names::default(),
            },
            overlap: Overlap::default(),
            counts: Counts::default(),
            rejects: Rejects::new(key, terms.refused_rows, refused),
        }
    }

    /// Takes the next record.
    pub fn take(&mut self, record: &Record<'_>, taker: &mut Taker<'_>) -> Result<(), Stop> {
        // A file may name another sensor in every line.
        if self.names_are_full() {
            self.end_part(taker)?;
        }
        let Some(layout) = &self.layout else {
            return self.take_first(record, taker);
        };
        let numbers = self
            .row
            .read(record, layout, self.latest)
            .and_then(|()| Numbers::of(record, layout, &mut self.part.names));
        match numbers {
            Ok(numbers) => self.store(record, numbers, taker),
            // What spreadsheets leave below a table.
            Err(_) if record.is_blank() => Ok(()),
            Err(refusal) => {
                self.counts
                    .refuse(record.lines, readings_in(record, layout));
                self.rejects.put(record, refusal, layout)
            }
        }
    }

    /// The first line: a header, or the first row.
    fn take_first(&mut self, record: &Record<'_>, taker: &mut Taker<'_>) -> Result<(), Stop> {
        if record.is_blank() {
            return Ok(());
        }
        let layout = Layout::new(&self.rules, record).map_err(|problem| {
            Stop::Unreadable(match record.open_quote {
                true => open_quote(record.line),
                false => problem,
            })
        })?;
        let has_header = layout.has_header;
        self.layout = Some(layout);
        self.begin_part()?;
        if has_header {
            self.rejects.header(record);
            return Ok(());
        }
        self.take(record, taker)
    }

    /// Stores the row that was read.
    fn store(
        &mut self,
        record: &Record<'_>,
        mut numbers: Numbers,
        taker: &mut Taker<'_>,
    ) -> Result<(), Stop> {
        self.counts.lines += 1;
        for at in 0..self.row.values.len() {
            let mut cell = self.row.cell(at, numbers);
            let mut put = self.part.cells.put(cell);
            if put == Put::Full {
                self.end_part(taker)?;
                numbers = self.numbers_again(record)?;
                cell = self.row.cell(at, numbers);
                put = self.part.cells.put(cell);
            }
            self.counts.note(put, cell);
        }
        if !self.row.values.is_empty() {
            self.counts.note_time(self.row.time);
        }
        Ok(())
    }

    /// Ends the part and begins the next.
    fn end_part(&mut self, taker: &mut Taker<'_>) -> Result<(), Stop> {
        if self.room < self.full {
            return Err(Stop::Outgrown);
        }
        self.overlap.look_at(&self.part);
        self.counts.mix(self.part.names.bytes());
        taker(&mut self.part)?;
        self.part.number += 1;
        self.part.cells.clear();
        // The next part is likely to have the same.
        if self.names_are_full() {
            self.part.names = Names::default();
        }
        self.begin_part()
    }

    fn names_are_full(&self) -> bool {
        self.part.names.bytes() > NAMES
    }

    /// Gives the metrics of the layout the first numbers.
    fn begin_part(&mut self) -> Result<(), Stop> {
        let layout = self.layout.iter();
        for (_, metric) in layout.flat_map(|layout| &layout.values) {
            self.part
                .names
                .number(metric.as_bytes())
                .map_err(|reason| Stop::Unreadable(format!("the metric `{metric}` {reason}")))?;
        }
        Ok(())
    }

    fn numbers_again(&mut self, record: &Record<'_>) -> Result<Numbers, Stop> {
        let layout = self.layout.as_ref().ok_or(Stop::Aborted)?;
        Numbers::of(record, layout, &mut self.part.names).map_err(|_| Stop::Aborted)
    }

    /// Whether parts may hold the same cells, so that duplicates between them were not seen.
    pub(super) fn overlaps(&mut self) -> bool {
        if self.part.number > 0 {
            self.overlap.look_at(&self.part);
        }
        self.overlap.found()
    }
}
