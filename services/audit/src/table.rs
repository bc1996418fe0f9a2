//! A second, simple reading of a sensor file by its profile: line by line with the `csv` crate,
//! as the documentation says it, and by no code of ingest's. Only files that were ingested are read
//! so, which is why nothing here explains what is wrong with a file.

use std::io::{Cursor, Read};

use anyhow::{Context, ensure};
use csv::ByteRecord;
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The longest name of a sensor or a metric, in bytes.
const LONGEST_NAME: usize = 1024;

/// Added behind the file, so that an open quote at its end is seen: it swallows this line.
const END: &[u8] = b"\n\x01the end\x01\n";

/// A profile, as ingest's journal keeps it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Profile {
    delimiter: char,
    header: Header,
    sensor: Sensor,
    time: Column,
    time_format: TimeFormat,
    values: Vec<Value>,
    metric: Option<Column>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Header {
    Auto,
    Yes,
    No,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sensor {
    Column(Column),
    FileName,
    Fixed(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Column {
    Position(usize),
    Name(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TimeFormat {
    Auto,
    Iso,
    Unix,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Column(Column),
    Named { column: Column, metric: String },
}

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading<'a> {
    /// Sensor.
    pub(crate) sensor: &'a str,
    /// Metric.
    pub(crate) metric: &'a str,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    /// Value.
    pub(crate) value: f64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Readings that are good.
    pub(crate) accepted: u64,
    /// Readings in refused rows; a row counts at least as many as it has lines.
    pub(crate) rejected: u64,
}

/// Reads `bytes` (plain, or gzip) and hands over every good reading, in the file's order. Holds one
/// row at a time.
pub(crate) fn read(
    bytes: impl Read,
    profile: &Profile,
    key: &str,
    latest: Timestamp,
    mut each: impl FnMut(Reading<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Tally> {
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(u8::try_from(profile.delimiter).context("its delimiter is no ASCII")?)
        .from_reader(text(bytes)?.chain(END));
    let mut tally = Tally::default();
    let mut layout: Option<Layout> = None;
    let mut row = ByteRecord::new();
    while rows.read_byte_record(&mut row)? && !is_end(&row) {
        let open_quote = open_quote(&row);
        let row = open_quote.as_ref().unwrap_or(&row);
        if row.iter().all(|cell| cell.trim_ascii().is_empty()) {
            continue;
        }
        if layout.is_none() {
            let first = Layout::new(profile, key, row)?;
            let header = first.header;
            layout = Some(first);
            if header {
                continue;
            }
        }
        let Some(layout) = &layout else { continue };
        match layout.readings(row, latest) {
            Some(readings) if open_quote.is_none() => {
                for reading in readings {
                    tally.accepted += 1;
                    each(reading)?;
                }
            }
            _ => tally.rejected += layout.refused(row),
        }
    }
    Ok(tally)
}

/// Text out of plain bytes or gzip, which is known by its first two bytes; without a byte order
/// mark.
fn text<'a>(bytes: impl Read + 'a) -> anyhow::Result<impl Read + 'a> {
    let (head, bytes) = begin::<2>(bytes)?;
    let whole = Cursor::new(head.clone()).chain(bytes);
    let plain: Box<dyn Read + 'a> = if head == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    };
    let (mut head, plain) = begin::<3>(plain)?;
    if head == [0xef, 0xbb, 0xbf] {
        head.clear();
    }
    // The `csv` crate takes a mark off as well, if its first bytes are one: they are a line break.
    Ok(Cursor::new(b"\n").chain(Cursor::new(head)).chain(plain))
}

/// The first bytes, and what follows them.
fn begin<const COUNT: u64>(mut bytes: impl Read) -> anyhow::Result<(Vec<u8>, impl Read)> {
    let mut head = Vec::new();
    (&mut bytes).take(COUNT).read_to_end(&mut head)?;
    Ok((head, bytes))
}

fn is_end(row: &ByteRecord) -> bool {
    row.len() == 1 && row.get(0) == Some(END.trim_ascii())
}

/// The last row, where an open quote has swallowed the end mark, without it.
fn open_quote(row: &ByteRecord) -> Option<ByteRecord> {
    let last = row.get(row.len().checked_sub(1)?)?.strip_suffix(END)?;
    let mut cells: Vec<&[u8]> = row.iter().collect();
    *cells.last_mut()? = last;
    Some(ByteRecord::from(cells))
}

/// Which column holds what.
struct Layout {
    header: bool,
    width: usize,
    /// A column, or a name.
    sensor: Result<usize, String>,
    time: usize,
    time_format: TimeFormat,
    values: Vec<(usize, String)>,
    metric: Option<usize>,
}

impl Layout {
    /// Lays the profile over the first row.
    fn new(profile: &Profile, key: &str, first: &ByteRecord) -> anyhow::Result<Self> {
        let named = profile
            .columns()
            .any(|column| matches!(column, Column::Name(_)));
        let header = Self::build(profile, key, first, true);
        match profile.header {
            Header::Yes => header,
            Header::No => Self::build(profile, key, first, false),
            // A header holds the names; without names, it is what is no data.
            Header::Auto if named => header.or_else(|_| Self::build(profile, key, first, false)),
            Header::Auto => match &header {
                Ok(layout) if layout.is_data(first) => Self::build(profile, key, first, false),
                _ => header,
            },
        }
    }

    fn build(
        profile: &Profile,
        key: &str,
        first: &ByteRecord,
        header: bool,
    ) -> anyhow::Result<Self> {
        let at = |column: &Column| match column {
            Column::Position(position) => Ok(position.saturating_sub(1)),
            Column::Name(name) if header => named(name, first),
            Column::Name(name) => profile.standard(name),
        };
        let sensor = match &profile.sensor {
            Sensor::Column(column) => Ok(at(column)?),
            Sensor::Fixed(name) => Err(name.clone()),
            Sensor::FileName => Err(file_name(key).to_owned()),
        };
        let values = profile.values();
        let alone = values.len() == 1;
        let values = values.iter().map(|(column, metric)| {
            let at = at(column)?;
            let metric = match (metric, column) {
                (Some(metric), _) => metric.clone(),
                (None, Column::Name(name)) => name.clone(),
                (None, Column::Position(_)) if alone => "value".to_owned(),
                (None, Column::Position(_)) => {
                    let cell = first.get(at).unwrap_or_default().trim_ascii();
                    String::from_utf8(cell.to_vec())?
                }
            };
            Ok((at, metric))
        });
        let layout = Self {
            header,
            width: first.len(),
            sensor,
            time: at(&profile.time)?,
            time_format: profile.time_format,
            values: values.collect::<anyhow::Result<_>>()?,
            metric: profile.metric.as_ref().map(at).transpose()?,
        };
        Ok(layout)
    }

    fn is_data(&self, row: &ByteRecord) -> bool {
        let mut values = self.values.iter();
        time(cell(row, self.time), self.time_format).is_some()
            || values.any(|(at, _)| number(cell(row, *at)).is_some())
    }

    /// The readings of a good row; none of a row that is to be refused.
    fn readings<'a>(&'a self, row: &'a ByteRecord, latest: Timestamp) -> Option<Vec<Reading<'a>>> {
        if row.len() != self.width {
            return None;
        }
        let time = time(cell(row, self.time), self.time_format)?;
        if time > latest.as_millisecond() {
            return None;
        }
        let sensor = match &self.sensor {
            Ok(at) => name(cell(row, *at))?,
            Err(fixed) => fixed,
        };
        let metric = match self.metric {
            Some(at) => Some(name(cell(row, at))?),
            None => None,
        };
        let wide = self.values.len() > 1;
        let there = self.values.iter();
        let there = there.filter(|(at, _)| !(wide && cell(row, *at).is_empty()));
        let readings = there.map(|(at, own)| {
            Some(Reading {
                sensor,
                metric: metric.unwrap_or(own),
                time,
                value: number(cell(row, *at))?,
            })
        });
        readings.collect()
    }

    /// How many readings a refused row stands for: its values, and at least one a line.
    fn refused(&self, row: &ByteRecord) -> u64 {
        let values = self.values.iter();
        let there = values.filter(|(at, _)| !cell(row, *at).is_empty()).count();
        let breaks: usize = row.iter().map(line_breaks).sum();
        there.max(1 + breaks) as u64
    }
}

impl Profile {
    fn values(&self) -> Vec<(Column, Option<String>)> {
        if self.values.is_empty() {
            return vec![(Column::Name("value".to_owned()), None)];
        }
        let values = self.values.iter().map(|value| match value {
            Value::Column(column) => (column.clone(), None),
            Value::Named { column, metric } => (column.clone(), Some(metric.clone())),
        });
        values.collect()
    }

    /// Every column that it uses.
    fn columns(&self) -> impl Iterator<Item = Column> {
        let sensor = match &self.sensor {
            Sensor::Column(column) => Some(column.clone()),
            Sensor::FileName | Sensor::Fixed(_) => None,
        };
        let values = self.values().into_iter().map(|(column, _)| column);
        let others = [self.time.clone()].into_iter().chain(self.metric.clone());
        sensor.into_iter().chain(others).chain(values)
    }

    /// Where a standard name stands in a file without a header: those in use have the first
    /// columns, in this order.
    fn standard(&self, name: &str) -> anyhow::Result<usize> {
        let used = |standard: &&str| {
            let named = |column: Column| column == Column::Name((*standard).to_owned());
            self.columns().any(named)
        };
        let mut standard = ["sensor_id", "timestamp", "value", "metric"]
            .into_iter()
            .filter(used);
        standard
            .position(|standard| standard == name)
            .with_context(|| format!("the file has no column `{}`", name.escape_debug()))
    }
}

/// A column by its name: as it stands there, or else in other case.
fn named(name: &str, first: &ByteRecord) -> anyhow::Result<usize> {
    let name = name.trim().as_bytes();
    let places = |same: &dyn Fn(&[u8]) -> bool| -> Vec<usize> {
        let cells = first.iter().enumerate();
        let cells = cells.filter(|(_, cell)| same(cell.trim_ascii()));
        cells.map(|(at, _)| at).collect()
    };
    let mut found = places(&|cell| cell == name);
    if found.is_empty() {
        found = places(&|cell| cell.eq_ignore_ascii_case(name));
    }
    ensure!(found.len() == 1, "a column is there {} times", found.len());
    Ok(found[0])
}

fn cell(row: &ByteRecord, at: usize) -> &[u8] {
    row.get(at).unwrap_or_default().trim_ascii()
}

fn name(cell: &[u8]) -> Option<&str> {
    let fits = (1..=LONGEST_NAME).contains(&cell.len()) && !cell.contains(&0);
    std::str::from_utf8(cell).ok().filter(|_| fits)
}

fn number(cell: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(cell).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Milliseconds since 1970; what is finer is cut off towards the past.
fn time(cell: &[u8], format: TimeFormat) -> Option<i64> {
    let text = std::str::from_utf8(cell).ok()?;
    let unix = || unix(text);
    match format {
        TimeFormat::Iso => iso(text),
        TimeFormat::Unix => unix(),
        TimeFormat::Auto if is_unix(text) => unix().filter(|_| !is_compact_date(text)),
        TimeFormat::Auto => iso(text),
    }
}

fn iso(text: &str) -> Option<i64> {
    if !text.is_ascii() || text.contains('[') {
        return None;
    }
    let time = text.parse::<Timestamp>().or_else(|error| {
        // A date and time that names no zone is UTC's; one with a zone was wrong.
        let of_day = text.find(['T', 't', ' ']).map_or("", |at| &text[at..]);
        if of_day.contains(['Z', 'z', '+', '-']) {
            return Err(error);
        }
        let civil: DateTime = text.parse()?;
        Ok(civil.to_zoned(TimeZone::UTC)?.timestamp())
    });
    let nanoseconds = time.ok()?.as_nanosecond();
    i64::try_from(nanoseconds.div_euclid(1_000_000)).ok()
}

fn is_unix(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !whole.is_empty() && plain(whole) && plain(fraction)
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, by their magnitude.
fn unix(text: &str) -> Option<i64> {
    if !is_unix(text) {
        return None;
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number: i128 = whole.parse::<u64>().ok()?.into();
    // As a whole number of its unit's millionths; what is finer counts as one more of them.
    let (kept, finer) = fraction.split_at(fraction.len().min(6));
    let millionths: i128 = format!("{kept:0<6}").parse().ok()?;
    let size = number * 1_000_000 + millionths;
    let a_millisecond = match number {
        0..100_000_000_000 => 1_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000_000_000,
        _ => 1_000_000_000_000,
    };
    let sticky = i128::from(finer.bytes().any(|digit| digit != b'0'));
    let milliseconds = if text.starts_with('-') {
        (-size - sticky).div_euclid(a_millisecond)
    } else {
        size.div_euclid(a_millisecond)
    };
    let milliseconds = i64::try_from(milliseconds).ok()?;
    Timestamp::from_millisecond(milliseconds).ok()?;
    Some(milliseconds)
}

/// `20240131` and `202401312359`: likelier dates than Unix times, and so refused.
fn is_compact_date(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse().ok());
    let is = || {
        let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
        let of_day = text.len() == 8 || (number(8..10)? < 24 && number(10..12)? < 60);
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        let date = jiff::civil::Date::new(year, month, day).is_ok();
        Some((1900..2100).contains(&year) && date && of_day)
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && matches!(text.len(), 8 | 12) && is().unwrap_or(false)
}

/// The sensor that a key names: its last part without `.gz`, `.csv` and the mark of refused rows.
fn file_name(key: &str) -> &str {
    let name = key.rsplit('/').next().unwrap_or(key);
    let name = match name.rsplit_once('~') {
        Some((before, mark))
            if mark.len() == 16 && mark.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            before
        }
        _ => name,
    };
    let without = |name: &'_ str, end: &str| -> usize {
        let at = name.len().saturating_sub(end.len());
        let ends = name
            .get(at..)
            .is_some_and(|last| last.eq_ignore_ascii_case(end));
        if ends { at } else { name.len() }
    };
    let name = &name[..without(name, ".gz")];
    &name[..without(name, ".csv")]
}

/// Line breaks, as an editor counts them.
fn line_breaks(cell: &[u8]) -> usize {
    let at = |position: usize| cell.get(position);
    let breaks = (0..cell.len()).filter(|&position| match cell[position] {
        b'\r' => true,
        b'\n' => position == 0 || at(position - 1) != Some(&b'\r'),
        _ => false,
    });
    breaks.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"delimiter":",","header":"auto","sensor":{"column":"sensor_id"},
        "time":"timestamp","time_format":"auto","values":[],"metric":null,"budget":"1%"}"#;
    const WIDE: &str = r#"{"delimiter":";","header":"yes","sensor":"file_name","time":2,
        "time_format":"iso","values":["P1",{"column":"P2","metric":"fine"}],"metric":null}"#;

    /// Sensor, metric, milliseconds and value of each reading, and how many were refused.
    fn readings(profile: &str, bytes: &[u8]) -> (Vec<(String, String, i64, f64)>, u64) {
        let profile: Profile = serde_json::from_str(profile).unwrap();
        let latest = "2030-01-01T00:00:00Z".parse().unwrap();
        let mut all = Vec::new();
        let tally = read(bytes, &profile, "in/hall.csv.gz", latest, |reading| {
            let (sensor, metric) = (reading.sensor.to_owned(), reading.metric.to_owned());
            all.push((sensor, metric, reading.time, reading.value));
            Ok(())
        });
        let tally = tally.unwrap();
        assert_eq!(tally.accepted, all.len() as u64);
        (all, tally.rejected)
    }

    fn reading(sensor: &str, metric: &str, time: i64, value: f64) -> (String, String, i64, f64) {
        (sensor.to_owned(), metric.to_owned(), time, value)
    }

    #[test]
    fn a_plain_file_is_read_with_and_without_a_header_and_a_mark() {
        let rows = "a,1970-01-01T00:00:01Z,1.5\r\n\r\n , \n\"b\"\"c\", 2000000000 ,-0\n";
        let expected = [
            reading("a", "value", 1_000, 1.5),
            reading("b\"c", "value", 2_000_000_000_000, 0.0),
        ];
        for head in [
            "",
            "Sensor_ID,timestamp,value\n",
            "\u{feff}sensor_id,timestamp,value\n",
        ] {
            // The second is after 2030: refused.
            let (found, refused) = readings(PLAIN, format!("{head}{rows}").as_bytes());
            assert_eq!((&found[..], refused), (&expected[..1], 1), "{head}");
        }
        let earlier = rows.replace("2000000000", "1500000000");
        let (found, refused) = readings(PLAIN, earlier.as_bytes());
        assert_eq!((found.len(), refused), (2, 0));
        assert_eq!(found[1].3.to_bits(), (-0.0_f64).to_bits());
    }

    #[test]
    fn refused_rows_count_their_values_and_lines() {
        let text = "sensor_id,timestamp,value\na,yesterday,1\na,1,2,3\na,1,inf\n,1,1\n\"x\ny\",no,\na,1,\"open\n";
        assert_eq!(
            readings(PLAIN, text.as_bytes()),
            (vec![], 1 + 1 + 1 + 1 + 2 + 2)
        );
    }

    #[test]
    fn a_wide_file_has_a_reading_for_each_cell_that_is_not_empty() {
        let text = "x;when;P2;P1\n;1970-01-01 00:00:00.0019;2;1\n;1970-01-01;;4\n";
        let expected = vec![
            reading("hall", "P1", 1, 1.0),
            reading("hall", "fine", 1, 2.0),
            reading("hall", "P1", 0, 4.0),
        ];
        assert_eq!(readings(WIDE, text.as_bytes()), (expected, 0));
    }

    #[test]
    fn unix_times_tell_their_unit_by_magnitude_and_are_cut_off_towards_the_past() {
        for (text, expected) in [
            ("99999999999", Some(99_999_999_999_000)),
            ("100000000000", Some(100_000_000_000)),
            ("1.0019", Some(1_001)),
            ("-1.0019", Some(-1_002)),
            ("1500000000000000", Some(1_500_000_000_000)),
            ("1500000000000000001", Some(1_500_000_000_000)),
            ("20240131", None),
            ("1e9", None),
            ("", None),
        ] {
            assert_eq!(time(text.as_bytes(), TimeFormat::Auto), expected, "{text}");
        }
    }
}
