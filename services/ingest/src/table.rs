//! From the bytes of an object to readings: everything that needs no I/O.
//!
//! Bytes come in pieces of any size and go through in one direction: [`unpack`] (gzip), [`text`]
//! (what they look like, byte order mark), [`record`] (CSV), [`row`] (a row's readings, or why it
//! is refused), [`rows`] (the whole file), put together by [`pass`]. However the bytes are cut, the
//! result is the same, and memory is bounded by what is reserved before.

pub mod cells;
pub mod counts;
pub mod layout;
pub mod names;
pub mod number;
pub mod part;
pub mod pass;
pub mod record;
pub mod refusal;
pub mod rejects;
pub mod row;
pub mod rows;
pub mod sniff;
pub mod text;
pub mod time;
pub mod unpack;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use counts::Counts;
pub use layout::Rules;
pub use part::Part;
pub use pass::{Pass, Seen};

/// What a pass depends on beside the profile and the file. It is kept with the decision, so that
/// every later pass sees what the first one saw, whatever is configured and whenever it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Later times are refused.
    pub latest: Timestamp,
    /// The longest line, in bytes.
    pub longest_line: usize,
    /// The most bytes that gzip may unpack to.
    pub unpacked: u64,
    /// How many bytes of refused rows, and of the list of them, are kept.
    pub refused_rows: usize,
    /// Distinct readings that make a part.
    pub part: u32,
}

/// For how much memory was reserved. A pass that needs more ends with [`Stop::Outgrown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Distinct readings.
    pub readings: u32,
    /// Bytes of refused rows and of the list of them.
    pub refused: usize,
}

impl Room {
    /// For as much as a file may have under these terms.
    pub fn most(terms: &Terms) -> Self {
        Self {
            readings: terms.part,
            refused: terms.refused_rows,
        }
    }
}

/// Why a pass ends before the file does.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The file as a whole cannot be read: one line for a person.
    Unreadable(String),
    /// It has more readings or refused rows than memory was reserved for: reserve more, and begin
    /// again.
    Outgrown,
    /// Whoever takes the parts wants no more.
    Aborted,
}
