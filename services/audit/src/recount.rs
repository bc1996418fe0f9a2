//! Counting a file's readings again, and holding each against the database.

use jiff::Timestamp;
use proto::FileId;

use crate::event::Counts;

/// What counting a file again came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Recount {
    /// What the event says.
    pub said: Counts,
    /// What was counted, or why it could not be.
    pub counted: Result<Counted, String>,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Bytes of the copy.
    pub bytes: u64,
    /// SHA-256 of the copy, as hex.
    pub sha256: String,
    /// Readings that are good.
    pub accepted: u64,
    /// Readings in refused rows.
    pub rejected: u64,
    /// Good readings, each with a sensor, metric and time of its own.
    pub distinct: u64,
    /// Readings that the database does not have.
    pub missing: Sample,
    /// Readings that it has from this file with another value.
    pub differing: Sample,
    /// Readings in whose place one of an older file stands.
    pub older: Sample,
    /// Readings with a write timestamp that is not their file's.
    pub misdated: Sample,
    /// Readings that name this file and are not in it.
    pub strays: Sample,
}

/// Some readings: how many, and the first of them in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many.
    pub count: u64,
    /// The first.
    pub first: String,
}

impl Sample {
    /// Takes one more.
    pub fn add(&mut self, what: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = what();
        }
        self.count += 1;
    }
}

/// The write timestamps that a file's readings have: whole seconds of the order time, then one
/// digit of replay, then five for what tells files and parts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// The least.
    pub first: i64,
    /// The greatest.
    pub last: i64,
    /// Those of later ways, up to the one that is the last: they may have been given up on when they
    /// had overridden some of it. From the first one until before the second.
    pub later: (i64, i64),
}

impl Stamps {
    /// Of one replay of a file that was written in `parts` parts.
    pub fn new(order: Timestamp, file: FileId, replay: u32, parts: u32) -> Self {
        let parts = i64::from(parts.max(1));
        let slots = u128::from(100_000 / parts.unsigned_abs()).max(1);
        let slot = i64::try_from(u128::from_be_bytes(file.bytes()) % slots).unwrap_or_default();
        let first = order.as_second() * 1_000_000 + i64::from(replay) * 100_000 + slot * parts;
        Self {
            first,
            last: first + parts - 1,
            later: (0, 0),
        }
    }

    /// The same, where the ways after `replay`, until that one, may have overridden some of it.
    pub fn and_later(self, order: Timestamp, replay: u32, until: u32) -> Self {
        let end = |replay: u32| order.as_second() * 1_000_000 + (i64::from(replay) + 1) * 100_000;
        Self {
            later: (end(replay), end(until)),
            ..self
        }
    }
}

/// A reading in the database.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The value's bits.
    pub value: u64,
    /// Who wrote it.
    pub file: FileId,
    /// When, in the order of files, µs.
    pub write_timestamp: i64,
}

/// How a reading of a file stands in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As the file says it.
    Own,
    /// A later file overrode it.
    Later,
    /// Nothing is there.
    Missing,
    /// This file wrote another value.
    Differing,
    /// An older file's is there.
    Older,
    /// Its write timestamp is not the one that its file has.
    Misdated,
}

/// How a reading with these bits, of a file with these stamps, stands in the database. `order`
/// tells a file's order time.
pub fn standing(
    file: FileId,
    stamps: Stamps,
    value: u64,
    row: Option<&Row>,
    order: impl Fn(FileId) -> Option<Timestamp>,
) -> Standing {
    let Some(row) = row else {
        return Standing::Missing;
    };
    let written = row.write_timestamp;
    if row.file == file {
        return if (stamps.later.0..stamps.later.1).contains(&written) {
            Standing::Later
        } else if !(stamps.first..=stamps.last).contains(&written) {
            Standing::Misdated
        } else if row.value != value {
            Standing::Differing
        } else {
            Standing::Own
        };
    }
    let second = written.div_euclid(1_000_000);
    if order(row.file).is_some_and(|order| order.as_second() != second) {
        Standing::Misdated
    } else if written < stamps.first {
        Standing::Older
    } else {
        Standing::Later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_where_the_architecture_says() {
        let order = Timestamp::from_second(1_700_000_000).unwrap();
        let file = FileId::from_bytes(123_456_u128.to_be_bytes());
        // 123,456 mod 100,000 slots
        let plain = Stamps::new(order, file, 0, 1);
        assert_eq!(plain.first, 1_700_000_000_023_456);
        assert_eq!(plain.last, plain.first);
        // 123,456 mod 33,333 slots = 23,457; times 3 parts = 70,371
        let parts = Stamps::new(order, file, 9, 3);
        assert_eq!(
            (parts.first, parts.last),
            (1_700_000_000_970_371, 1_700_000_000_970_373)
        );
    }

    #[test]
    fn a_reading_stands_as_its_row_says() {
        let (own, other) = (FileId::from_bytes([1; 16]), FileId::from_bytes([2; 16]));
        let stamps = Stamps {
            first: 5_000_000,
            last: 5_000_001,
            later: (5_100_000, 5_200_000),
        };
        let order = |_| Timestamp::from_second(6).ok();
        let stands = |row: Option<(u64, FileId, i64)>,
                      order: &dyn Fn(FileId) -> Option<Timestamp>| {
            let row = row.map(|(value, file, write_timestamp)| Row {
                value,
                file,
                write_timestamp,
            });
            standing(own, stamps, 7, row.as_ref(), order)
        };
        assert_eq!(stands(None, &order), Standing::Missing);
        assert_eq!(stands(Some((7, own, 5_000_001)), &order), Standing::Own);
        assert_eq!(
            stands(Some((8, own, 5_000_000)), &order),
            Standing::Differing
        );
        assert_eq!(
            stands(Some((7, own, 5_000_002)), &order),
            Standing::Misdated
        );
        assert_eq!(stands(Some((8, own, 5_100_001)), &order), Standing::Later);
        assert_eq!(
            stands(Some((7, own, 5_200_000)), &order),
            Standing::Misdated
        );
        assert_eq!(stands(Some((7, other, 6_000_000)), &order), Standing::Later);
        assert_eq!(
            stands(Some((7, other, 7_000_000)), &order),
            Standing::Misdated
        );
        let older = |_| Timestamp::from_second(4).ok();
        assert_eq!(stands(Some((7, other, 4_999_999)), &older), Standing::Older);
        assert_eq!(
            stands(Some((7, other, 9_000_000)), &|_| None),
            Standing::Later
        );
    }
}
