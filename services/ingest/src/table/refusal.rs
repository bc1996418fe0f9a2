//! Why a row is refused, and how what stood there is shown.

use std::fmt::{self, Write as _};

use runtime::text::{counted, hides_or_steers};

/// How many characters of a cell are shown.
const SHOWN: usize = 60;

/// A row that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Column, from 0; none where the row as a whole is wrong.
    pub column: Option<usize>,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a row or a cell. Reads after "the cell …" or "the row …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another number of columns than the file has.
    Width {
        /// In this row.
        found: usize,
        /// In the file.
        expected: usize,
    },
    /// The file ends inside of a quote.
    OpenQuote,
    /// Nothing stands where something must.
    Empty,
    /// A name that is not UTF-8.
    NotUtf8,
    /// A name with a NUL character.
    Nul,
    /// A name longer than the given number of bytes.
    LongName(usize),
    /// Neither ISO 8601 nor Unix time.
    NotATime,
    /// Not ISO 8601, where the profile asks for it.
    NotIso,
    /// Not Unix time, where the profile asks for it.
    NotUnix,
    /// Digits that are a date as well as a Unix time.
    DateOrUnix,
    /// A Unix time with an exponent.
    Exponent,
    /// A second 60, which neither Unix time nor timestamps have.
    LeapSecond,
    /// A time that timestamps do not reach.
    OutOfRange,
    /// A time that has not come yet.
    Future,
    /// No number.
    NotANumber,
    /// A number, but for its decimal comma.
    DecimalComma,
    /// NaN or infinity.
    NotFinite,
    /// A number that 64 bits do not hold.
    TooLarge,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Width { found, expected } => {
                let found = counted(*found as u64, "column");
                return write!(f, "has {found} where the file has {expected}");
            }
            Self::LongName(most) => return write!(f, "is longer than {most} bytes"),
            Self::OpenQuote => {
                "opens a quote that is never closed, and so takes the rest of the file along"
            }
            Self::Empty => "is empty",
            Self::NotUtf8 => "is not UTF-8",
            Self::Nul => "holds a NUL character",
            Self::NotATime => "is neither an ISO 8601 nor a Unix time",
            Self::NotIso => "is not an ISO 8601 time",
            Self::NotUnix => "is not a Unix time",
            Self::DateOrUnix => {
                "is a date as well as a Unix time; time_format in the profile says which"
            }
            Self::Exponent => "is a Unix time with an exponent, which has lost digits",
            Self::LeapSecond => {
                "is a leap second, which timestamps do not have; write second 59, or 00 of the \
                 next minute"
            }
            Self::OutOfRange => "is a time beyond the years -9999 to 9999",
            Self::Future => "lies too far in the future",
            Self::NotANumber => "is not a number",
            Self::DecimalComma => "has a decimal comma; write a point",
            Self::NotFinite => "is not a finite number",
            Self::TooLarge => "is too large for a 64-bit number",
        };
        f.write_str(text)
    }
}

/// The one cause of whatever is wrong behind a quote that nobody closes.
pub fn open_quote(line: u64) -> String {
    format!("a quote opened in line {line} is never closed")
}

/// A cell as a person may see it: shortened, on one line, with nothing in it that steers a
/// terminal or hides what follows.
pub fn shown(cell: &[u8]) -> String {
    let mut text = String::new();
    let mut room = SHOWN;
    for chunk in cell.utf8_chunks() {
        for character in chunk.valid().chars() {
            if room == 0 {
                break;
            }
            room -= 1;
            if hides_or_steers(character) {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            if room == 0 {
                break;
            }
            room -= 1;
            let _ = write!(text, "\\x{byte:02x}");
        }
        if room == 0 {
            break;
        }
    }
    if room == 0 && cell.len() > SHOWN {
        text.push('…');
    }
    text
}
