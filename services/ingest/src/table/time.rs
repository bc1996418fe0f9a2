//! Times.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use runtime::config::profile::TimeFormat;

use super::refusal::Reason;

static PARSER: DateTimeParser = DateTimeParser::new();

/// A point in time, to the millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Milliseconds since 1970, UTC.
    pub milliseconds: i64,
    /// Whether it was written finer than that. What is finer is cut off towards the past, before
    /// 1970 too.
    pub truncated: bool,
}

/// Reads times of one column. Remembers the last: many sensors' rows have the same one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    cell: [u8; 32],
    length: usize,
    time: Time,
}

impl Times {
    /// The same as [`parse`].
    pub fn parse(&mut self, cell: &[u8], format: TimeFormat) -> Result<Time, Reason> {
        if cell == &self.cell[..self.length] && self.length > 0 {
            return Ok(self.time);
        }
        let time = parse(cell, format)?;
        if let Some(room) = self.cell.get_mut(..cell.len()) {
            room.copy_from_slice(cell);
            (self.length, self.time) = (cell.len(), time);
        }
        Ok(time)
    }
}

/// Reads a cell as a time.
///
/// ISO 8601: a date, `T` or a blank, a time of day with or without seconds and their fraction,
/// `Z`, an offset or nothing, which is UTC; or a date alone, which is its first instant. Unix
/// time: digits with or without sign and fraction, whose unit is told by their magnitude: seconds
/// below 10^11 (the year 5138), milliseconds below 10^14, microseconds below 10^17, and from there
/// on nanoseconds.
pub fn parse(cell: &[u8], format: TimeFormat) -> Result<Time, Reason> {
    if cell.is_empty() {
        return Err(Reason::Empty);
    }
    match format {
        TimeFormat::Iso => iso(cell).unwrap_or(Err(Reason::NotIso)),
        TimeFormat::Unix => unix(cell).unwrap_or(Err(exponent(cell).unwrap_or(Reason::NotUnix))),
        TimeFormat::Auto => match fixed(cell) {
            Some(time) => Ok(time),
            None => match unix(cell) {
                Some(_) if date_or_unix(cell) => Err(Reason::DateOrUnix),
                Some(time) => time,
                None => iso(cell).unwrap_or(Err(exponent(cell).unwrap_or(Reason::NotATime))),
            },
        },
    }
}

/// A time of ISO 8601; none if it does not look like one.
fn iso(cell: &[u8]) -> Option<Result<Time, Reason>> {
    if let Some(time) = fixed(cell) {
        return Some(Ok(time));
    }
    let time = general(cell)?;
    // jiff takes it for the second before, where another reading may be.
    Some(if is_leap_second(cell) {
        Err(Reason::LeapSecond)
    } else {
        Ok(time)
    })
}

/// Whether the time of day of what is a time of ISO 8601 has the second 60.
fn is_leap_second(cell: &[u8]) -> bool {
    let mut parts = cell.split(|byte| matches!(byte, b'T' | b't' | b' '));
    let of_day = parts.nth(1).unwrap_or_default();
    let digits = of_day
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b':')
        .filter(|byte| **byte != b':');
    digits.skip(4).eq(b"60")
}

/// The form nearly every file has, `2024-01-31T23:59:59`, with a blank for the `T`, a fraction,
/// `Z` or an offset in hours and minutes. Answers none where anything is unusual, also if it is
/// wrong: then [`general`] decides.
fn fixed(cell: &[u8]) -> Option<Time> {
    let (head, mut rest) = cell.split_first_chunk::<19>()?;
    let marks = [head[4], head[7], head[13], head[16]] == *b"--::";
    if !marks || !matches!(head[10], b'T' | b' ') {
        return None;
    }
    let two = |at: usize| digits(&[head[at], head[at + 1]]);
    let year = two(0)? * 100 + two(2)?;
    let (month, day) = (two(5)?, two(8)?);
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    // The last year is not wholly within a timestamp's range.
    if year == 9999 || hour > 23 || minute > 59 || second > 59 || !is_date(year, month, day) {
        return None;
    }
    let (mut fraction, mut truncated) = (0, false);
    if let [b'.', after @ ..] = rest {
        let length = after
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (digits, after) = after.split_at_checked(length)?;
        if digits.is_empty() || digits.len() > 9 {
            return None;
        }
        (fraction, truncated) = thousandths(digits);
        rest = after;
    }
    let offset = match *rest {
        [] | [b'Z'] => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let (hours, minutes) = (digits(&[a, b])?, digits(&[c, d])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::from(hours * 3600 + minutes * 60);
            if sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let seconds =
        days(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - offset;
    Some(Time {
        milliseconds: seconds * 1000 + i64::from(fraction),
        truncated,
    })
}

/// A number of a few digits.
fn digits(text: &[u8]) -> Option<u32> {
    let mut number = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u32::from(digit);
    }
    Some(number)
}

/// The first three digits of a fraction as a number, and whether more than zeros follow.
fn thousandths(fraction: &[u8]) -> (u32, bool) {
    let mut number = 0;
    for at in 0..3 {
        let digit = fraction.get(at).map_or(0, |byte| u32::from(byte - b'0'));
        number = number * 10 + digit;
    }
    let finer = fraction.iter().skip(3).any(|byte| *byte != b'0');
    (number, finer)
}

fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return false,
    };
    (1..=length).contains(&day)
}

/// Days from 1970-01-01 to a date of the years 0 to 9999, by counting years from March on, so
/// that a leap day is a year's last: <https://howardhinnant.github.io/date_algorithms.html>.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Everything else that is ISO 8601.
fn general(cell: &[u8]) -> Option<Time> {
    // A zone's name needs a database of zones, and could contradict the offset.
    if !cell.is_ascii() || cell.contains(&b'[') {
        return None;
    }
    let of_day = cell
        .iter()
        .position(|byte| matches!(byte, b'T' | b't' | b' '))
        .map_or(&[][..], |at| &cell[at..]);
    let zoned = of_day
        .iter()
        .any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    let timestamp = if zoned {
        PARSER.parse_timestamp(cell).ok()?
    } else {
        let civil = PARSER.parse_datetime(cell).ok()?;
        civil.to_zoned(TimeZone::UTC).ok()?.timestamp()
    };
    let nanoseconds = timestamp.as_nanosecond();
    Some(Time {
        milliseconds: i64::try_from(nanoseconds.div_euclid(1_000_000)).ok()?,
        truncated: nanoseconds.rem_euclid(1_000_000) != 0,
    })
}

/// Unix time; none if it does not look like one.
fn unix(cell: &[u8]) -> Option<Result<Time, Reason>> {
    let (negative, unsigned) = match cell {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, cell),
    };
    let point = unsigned.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&unsigned[..at], &unsigned[at + 1..]),
        None => (unsigned, &[][..]),
    };
    let digits = whole.iter().chain(fraction);
    if whole.is_empty() || !digits.clone().all(u8::is_ascii_digit) {
        return None;
    }
    let number = whole.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    let Some(number) = number else {
        return Some(Err(Reason::OutOfRange));
    };
    let finer = fraction.iter().any(|digit| *digit != b'0');
    let (size, truncated) = match number {
        0..100_000_000_000 => {
            let (thousandths, finer) = thousandths(fraction);
            (number * 1000 + u64::from(thousandths), finer)
        }
        100_000_000_000..100_000_000_000_000 => (number, finer),
        100_000_000_000_000..100_000_000_000_000_000 => {
            (number / 1000, finer || number % 1000 != 0)
        }
        _ => (number / 1_000_000, finer || number % 1_000_000 != 0),
    };
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let milliseconds = if negative {
        -size - i64::from(truncated)
    } else {
        size
    };
    Some(match Timestamp::from_millisecond(milliseconds) {
        Ok(_) => Ok(Time {
            milliseconds,
            truncated,
        }),
        Err(_) => Err(Reason::OutOfRange),
    })
}

/// `20240131` and `202401312359` are Unix times of 1970 and 1976, and much likelier dates.
fn date_or_unix(cell: &[u8]) -> bool {
    let two = |at: usize| cell.get(at..at + 2).and_then(digits);
    let date = || {
        let year = two(0)? * 100 + two(2)?;
        let of_day = cell.len() == 8 || (two(8)? < 24 && two(10)? < 60);
        Some((1900..2100).contains(&year) && is_date(year, two(4)?, two(6)?) && of_day)
    };
    matches!(cell.len(), 8 | 12) && date().unwrap_or(false)
}

fn exponent(cell: &[u8]) -> Option<Reason> {
    let number: f64 = fast_float2::parse(cell).ok()?;
    let exponent = cell.contains(&b'e') || cell.contains(&b'E');
    (number.is_finite() && exponent).then_some(Reason::Exponent)
}
