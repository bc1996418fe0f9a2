//! One pass over a file: bytes in, however they are cut, counts and readings out.

use super::layout::Rules;
use super::part::Part;
use super::record::Records;
use super::rejects::Rejects;
use super::rows::{Rows, Taker};
use super::text::Text;
use super::unpack::Unpack;
use super::{Counts, Room, Stop, Terms};

/// A pass that is under way. Needs memory for the readings it has room for, for the refused rows
/// that are kept, and for the longest line; never for more of the file.
#[derive(Debug)]
pub struct Pass {
    unpack: Unpack,
    text: Text,
    records: Records,
    rows: Rows,
    problem: Option<String>,
}

/// What a pass saw.
#[derive(Debug)]
pub struct Seen {
    /// What was counted.
    pub counts: Counts,
    /// Whether duplicates between parts may have gone unseen.
    pub at_least: bool,
    /// How many parts the file has.
    pub parts: u32,
    /// The last of them, or the only one: it has not been given to anyone.
    pub last: Part,
    /// The refused rows.
    pub rejects: Rejects,
    /// Whether the file was packed with gzip.
    pub gzip: bool,
    /// Why the file as a whole cannot be read: one line for a person.
    pub problem: Option<String>,
}

impl Pass {
    /// Over the file with this key. `room` is for how much memory was reserved.
    pub fn new(rules: Rules, terms: &Terms, room: Room, key: &str) -> Self {
        Self {
            unpack: Unpack::new(terms.unpacked),
            text: Text::default(),
            records: Records::new(rules.delimiter, terms.longest_line),
            rows: Rows::new(rules, terms, room, key),
            problem: None,
        }
    }

    /// Takes the next bytes; gives every part that they complete to `taker`. Answers whether more
    /// bytes can change anything.
    pub fn push(&mut self, bytes: &[u8], taker: &mut Taker<'_>) -> Result<bool, Stop> {
        if self.problem.is_some() {
            return Ok(false);
        }
        let Self {
            unpack,
            text,
            records,
            rows,
            ..
        } = self;
        let result = unpack.push(bytes, &mut |plain| {
            text.push(plain, &mut |text| {
                records.push(text, &mut |record| rows.take(record, taker))
            })
        });
        self.note(result)
    }

    /// Ends the file.
    pub fn finish(mut self, taker: &mut Taker<'_>) -> Result<Seen, Stop> {
        if self.problem.is_none() {
            let result = self.flush(taker);
            self.note(result)?;
        }
        let at_least = self.rows.overlaps();
        let Rows {
            mut counts,
            part,
            rejects,
            ..
        } = self.rows;
        counts.mix(part.names.bytes());
        Ok(Seen {
            counts,
            at_least,
            parts: part.number + 1,
            last: part,
            rejects,
            gzip: self.unpack.is_gzip(),
            problem: self.problem,
        })
    }

    fn flush(&mut self, taker: &mut Taker<'_>) -> Result<(), Stop> {
        let Self {
            unpack,
            text,
            records,
            rows,
            ..
        } = self;
        unpack.finish(&mut |plain| {
            text.push(plain, &mut |text| {
                records.push(text, &mut |record| rows.take(record, taker))
            })
        })?;
        text.finish(&mut |text| records.push(text, &mut |record| rows.take(record, taker)))?;
        records.finish(&mut |record| rows.take(record, taker))
    }

    fn note(&mut self, result: Result<(), Stop>) -> Result<bool, Stop> {
        match result {
            Ok(()) => Ok(true),
            Err(Stop::Unreadable(problem)) => {
                self.problem = Some(problem);
                Ok(false)
            }
            Err(stop) => Err(stop),
        }
    }
}
