//! Which column holds what: a profile laid over the first line of a file.

use runtime::config::Profile;
use runtime::config::profile::{Column, Header, Sensor, TimeFormat, Value};

use super::record::Record;
use super::refusal::shown;
use super::{names, number, time};

/// The metric of files that name none.
const METRIC: &str = "value";

/// The standard names. In a file without a header, those that the profile uses stand for the
/// first columns, in this order.
const STANDARD: [&str; 4] = ["sensor_id", "timestamp", "value", "metric"];

/// A profile, made ready to read one file.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Between columns.
    pub delimiter: u8,
    header: Header,
    sensor: From,
    time: Column,
    time_format: TimeFormat,
    values: Vec<(Column, String)>,
    metric: Option<Column>,
}

/// Where a name comes from.
#[derive(Clone, Debug)]
enum From {
    Column(Column),
    Fixed(String),
}

impl Rules {
    /// For the file with this key. Answers one line if the profile cannot read it.
    pub fn new(profile: &Profile, key: &str) -> Result<Self, String> {
        let sensor = match &profile.sensor {
            Sensor::Column(column) => From::Column(column.clone()),
            Sensor::Fixed(name) => From::Fixed(name.clone()),
            Sensor::FileName => From::Fixed(file_name(key).to_owned()),
        };
        if let From::Fixed(name) = &sensor {
            names::check(name.as_bytes())
                .map_err(|reason| format!("the sensor `{}` {reason}", shown(name.as_bytes())))?;
        }
        let value = Value::Column(Column::Name(METRIC.to_owned()));
        let values = if profile.values.is_empty() {
            std::slice::from_ref(&value)
        } else {
            &profile.values
        };
        let values: Vec<_> = values.iter().map(metric_of).collect();
        for (at, (_, metric)) in values.iter().enumerate() {
            names::check(metric.as_bytes())
                .map_err(|reason| format!("the metric `{}` {reason}", shown(metric.as_bytes())))?;
            if values[..at].iter().any(|(_, other)| other == metric) {
                return Err(format!("two columns have the metric `{metric}`"));
            }
        }
        Ok(Self {
            delimiter: u8::try_from(profile.delimiter).map_err(|_| {
                format!("the delimiter `{}` is not an ASCII character", profile.delimiter)
            })?,
            header: profile.header,
            sensor,
            time: profile.time.clone(),
            time_format: profile.time_format,
            values,
            metric: profile.metric.clone(),
        })
    }

    /// Every column that the profile uses, in the order of the standard names.
    fn columns(&self) -> impl Iterator<Item = &Column> {
        let sensor = match &self.sensor {
            From::Column(column) => Some(column),
            From::Fixed(_) => None,
        };
        let values = self.values.iter().map(|(column, _)| column);
        sensor
            .into_iter()
            .chain([&self.time])
            .chain(values)
            .chain(&self.metric)
    }
}

fn metric_of(value: &Value) -> (Column, String) {
    match value {
        Value::Named { column, metric } => (column.clone(), metric.clone()),
        Value::Column(column @ Column::Name(name)) => (column.clone(), name.clone()),
        Value::Column(column @ Column::Position(_)) => (column.clone(), METRIC.to_owned()),
    }
}

/// The sensor that a key names: its last part without `.csv` and `.gz`, and without the mark that
/// keeps a file of refused rows apart from another of the same name.
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
    let name = without_end(name, ".gz");
    without_end(name, ".csv")
}

fn without_end<'a>(name: &'a str, end: &str) -> &'a str {
    let at = name.len().saturating_sub(end.len());
    match name.get(at..) {
        Some(last) if last.eq_ignore_ascii_case(end) => &name[..at],
        _ => name,
    }
}

/// Where a file has what.
#[derive(Clone, Debug)]
pub struct Layout {
    /// How many columns every row has.
    pub width: usize,
    /// The sensor's column, or its name.
    pub sensor: At,
    /// The time's column.
    pub time: usize,
    /// How times are written.
    pub time_format: TimeFormat,
    /// The values' columns, and their metrics.
    pub values: Vec<(usize, String)>,
    /// The metric's column, if it has one.
    pub metric: Option<usize>,
    /// Whether the first line was a header.
    pub has_header: bool,
    /// What the columns are called, where there is a header.
    names: Vec<String>,
}

/// Where the sensor is.
#[derive(Clone, Debug)]
pub enum At {
    /// In a column.
    Column(usize),
    /// The same in every row.
    Fixed(String),
}

impl Layout {
    /// What a column is called: by name, or by its position from 1.
    pub fn column(&self, at: usize) -> String {
        match self.names.get(at) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => (at + 1).to_string(),
        }
    }

    /// Lays `rules` over the first line. Answers one line if they do not fit.
    pub fn new(rules: &Rules, first: &Record<'_>) -> Result<Self, String> {
        match rules.header {
            Header::Yes => by_header(rules, first),
            Header::No => by_position(rules, first),
            Header::Auto => {
                let named = rules.columns().any(|column| matches!(column, Column::Name(_)));
                let header = by_header(rules, first);
                if named && header.is_ok() {
                    return header;
                }
                let data = by_position(rules, first);
                match &data {
                    Ok(layout) if layout.is_data(first) => data,
                    _ if named => header.map_err(|problem| {
                        format!("{problem} (it is no row of data either)")
                    }),
                    _ => header,
                }
            }
        }
    }

    /// Whether a line could be a row: its time is a time, or a value is a number.
    fn is_data(&self, line: &Record<'_>) -> bool {
        let time = time::parse(line.cell(self.time), self.time_format);
        let value = |(at, _): &(usize, String)| number::parse(line.cell(*at)).is_ok();
        time.is_ok() || self.values.iter().any(value)
    }

    fn build(
        rules: &Rules,
        first: &Record<'_>,
        at: impl Fn(&Column) -> Result<usize, String>,
    ) -> Result<Self, String> {
        let values = rules.values.iter();
        Ok(Self {
            width: first.width(),
            sensor: match &rules.sensor {
                From::Column(column) => At::Column(at(column)?),
                From::Fixed(name) => At::Fixed(name.clone()),
            },
            time: at(&rules.time)?,
            time_format: rules.time_format,
            values: values
                .map(|(column, metric)| Ok((at(column)?, metric.clone())))
                .collect::<Result<_, String>>()?,
            metric: rules.metric.as_ref().map(&at).transpose()?,
            has_header: false,
            names: vec![],
        })
    }
}

/// Reads the first line as a header.
fn by_header(rules: &Rules, first: &Record<'_>) -> Result<Layout, String> {
    let cells = || (0..first.width()).map(|at| first.cell(at));
    let mut layout = Layout::build(rules, first, |column| {
        let name = match column {
            Column::Position(position) => return position_of(*position, first),
            Column::Name(name) => name.trim().as_bytes(),
        };
        let exact: Vec<_> = places(cells(), |cell| cell == name);
        let places = if exact.is_empty() {
            places(cells(), |cell| cell.eq_ignore_ascii_case(name))
        } else {
            exact
        };
        match places[..] {
            [place] => Ok(place),
            [] => Err(missing(name, first)),
            _ => Err(format!(
                "line {} names the column `{}` {} times",
                first.line,
                shown(name),
                places.len()
            )),
        }
    })?;
    layout.has_header = true;
    layout.names = cells().map(shown).collect();
    Ok(layout)
}

fn places<'a>(
    cells: impl Iterator<Item = &'a [u8]>,
    is: impl Fn(&[u8]) -> bool,
) -> Vec<usize> {
    let cells = cells.enumerate();
    cells.filter(|(_, cell)| is(cell)).map(|(at, _)| at).collect()
}

fn missing(name: &[u8], first: &Record<'_>) -> String {
    const MANY: usize = 12;
    let cells = (0..first.width().min(MANY)).map(|at| shown(first.cell(at)));
    let more = if first.width() > MANY { ", …" } else { "" };
    format!(
        "line {} names no column `{}`, which the profile uses; it has: {}{more}",
        first.line,
        shown(name),
        cells.collect::<Vec<_>>().join(", ")
    )
}

/// Reads the first line as data: columns by position, and the standard names by theirs.
fn by_position(rules: &Rules, first: &Record<'_>) -> Result<Layout, String> {
    Layout::build(rules, first, |column| match column {
        Column::Position(position) => position_of(*position, first),
        Column::Name(name) => {
            let used = |standard: &&&str| {
                let is = |column: &Column| matches!(column, Column::Name(name) if name == **standard);
                rules.columns().any(is)
            };
            let mut standard = STANDARD.iter().filter(used);
            match standard.position(|standard| standard == name) {
                Some(at) => position_of(at + 1, first),
                None => Err(format!(
                    "the profile gives the column `{name}` by name, and the file has no header"
                )),
            }
        }
    })
}

fn position_of(position: usize, first: &Record<'_>) -> Result<usize, String> {
    match position.checked_sub(1) {
        Some(at) if at < first.width() => Ok(at),
        _ => Err(format!(
            "line {} has {} columns, and the profile uses column {position}",
            first.line,
            first.width()
        )),
    }
}
