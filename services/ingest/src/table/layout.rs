//! Which column holds what: a profile laid over the first line of a file.

use runtime::config::Profile;
use runtime::config::profile::{Column, Header, Sensor, TimeFormat, Value};
use runtime::text::counted;

use super::record::Record;
use super::refusal::shown;
use super::{names, number, time};

/// The metric of files that name none.
const METRIC: &str = "value";

/// The standard names. In a file without a header, those that the profile uses stand for the
/// first columns, in this order.
const STANDARD: [&str; 4] = ["sensor_id", "timestamp", "value", "metric"];

/// What stands between columns in files that are met, the profile's own apart.
const DELIMITERS: [u8; 4] = [b';', b'\t', b'|', b','];

/// A profile, made ready to read one file.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Between columns.
    pub delimiter: u8,
    /// The profile's name.
    name: String,
    header: Header,
    sensor: From,
    time: Column,
    time_format: TimeFormat,
    /// Each with its metric; none where the header names it.
    values: Vec<(Column, Option<String>)>,
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
        let alone = values.len() == 1;
        let values = values.iter().map(|value| metric_of(value, alone)).collect();
        Ok(Self {
            delimiter: u8::try_from(profile.delimiter).map_err(|_| {
                format!(
                    "the delimiter `{}` is not an ASCII character",
                    profile.delimiter
                )
            })?,
            name: profile.name.clone(),
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

fn metric_of(value: &Value, alone: bool) -> (Column, Option<String>) {
    match value {
        Value::Named { column, metric } => (column.clone(), Some(metric.clone())),
        Value::Column(column @ Column::Name(name)) => (column.clone(), Some(name.clone())),
        Value::Column(column) if alone => (column.clone(), Some(METRIC.to_owned())),
        Value::Column(column) => (column.clone(), None),
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
        let layout = Self::lay(rules, first);
        if layout.as_ref().is_ok_and(|layout| layout.begins(first)) {
            return layout;
        }
        match other_delimiter(rules, first) {
            Some(problem) => Err(problem),
            None => layout,
        }
    }

    fn lay(rules: &Rules, first: &Record<'_>) -> Result<Self, String> {
        match rules.header {
            Header::Yes => by_header(rules, first),
            Header::No => by_position(rules, first),
            Header::Auto => Self::told_by(rules, first),
        }
    }

    /// Tells by the first line whether it is a header: it holds the names that the profile uses,
    /// or, where columns are given by position alone, it cannot be a row.
    fn told_by(rules: &Rules, first: &Record<'_>) -> Result<Self, String> {
        let named = rules
            .columns()
            .any(|column| matches!(column, Column::Name(_)));
        let header = by_header(rules, first);
        let positions = by_position(rules, first);
        let is_data = |layout: &Result<Self, String>| {
            layout.as_ref().is_ok_and(|layout| layout.is_data(first))
        };
        if named {
            match header {
                Err(_) if is_data(&positions) => positions,
                Err(problem) => Err(format!("{problem} (it is no row of data either)")),
                header => header,
            }
        } else if is_data(&header) {
            positions
        } else {
            header
        }
    }

    /// Whether a line could be a row: its time is a time, or a value is a number.
    fn is_data(&self, line: &Record<'_>) -> bool {
        let value = |(at, _): &(usize, String)| number::parse(line.cell(*at)).is_ok();
        self.has_time(line) || self.values.iter().any(value)
    }

    /// Whether a line is surely the first of a file: its header, or a row with its time.
    fn begins(&self, line: &Record<'_>) -> bool {
        self.has_header || self.has_time(line)
    }

    fn has_time(&self, line: &Record<'_>) -> bool {
        time::parse(line.cell(self.time), self.time_format).is_ok()
    }

    fn build(
        rules: &Rules,
        first: &Record<'_>,
        names: Vec<String>,
        at: impl Fn(&Column) -> Result<usize, String>,
    ) -> Result<Self, String> {
        let sensor = match &rules.sensor {
            From::Column(column) => At::Column(at(column)?),
            From::Fixed(name) => At::Fixed(name.clone()),
        };
        let time = at(&rules.time)?;
        let mut values: Vec<(usize, String)> = vec![];
        for (column, metric) in &rules.values {
            let at = at(column)?;
            let metric = match metric {
                Some(metric) => metric.clone(),
                None => metric_by_header(first, !names.is_empty(), at)?,
            };
            names::check(metric.as_bytes())
                .map_err(|reason| format!("the metric `{}` {reason}", shown(metric.as_bytes())))?;
            if values.iter().any(|(_, other)| *other == metric) {
                let metric = shown(metric.as_bytes());
                return Err(format!("two columns have the metric `{metric}`"));
            }
            values.push((at, metric));
        }
        Ok(Self {
            width: first.width(),
            sensor,
            time,
            time_format: rules.time_format,
            values,
            metric: rules.metric.as_ref().map(&at).transpose()?,
            has_header: !names.is_empty(),
            names,
        })
    }
}

fn metric_by_header(first: &Record<'_>, header: bool, at: usize) -> Result<String, String> {
    let column = at + 1;
    if !header {
        return Err(format!(
            "the profile gives column {column} no metric, and the file has no header"
        ));
    }
    let name = names::check(first.cell(at));
    name.map(str::to_owned)
        .map_err(|reason| format!("the name of column {column} in the header {reason}"))
}

/// What to say of a first line that another delimiter cuts into the profile's columns; or, where
/// its own does not cut it at all, into as many as the profile uses.
fn other_delimiter(rules: &Rules, first: &Record<'_>) -> Option<String> {
    let cuts = DELIMITERS.iter().filter_map(|delimiter| {
        first.cut_at(*delimiter, |cut| {
            let layout = Layout::lay(rules, cut);
            // Where columns have no names, any line may be a header.
            let named = rules
                .columns()
                .any(|column| matches!(column, Column::Name(_)));
            let begins = |layout: &Layout| (named && layout.has_header) || layout.has_time(cut);
            let fits = layout.as_ref().is_ok_and(begins);
            (*delimiter, cut.width(), fits, layout.err())
        })
    });
    let cuts: Vec<_> = cuts.collect();
    if let Some((delimiter, ..)) = cuts.iter().find(|(.., fits, _)| *fits) {
        return Some(separated(*delimiter, &rules.name));
    }
    let used = rules.columns().count().max(2);
    let widest = cuts.into_iter().max_by_key(|(_, width, ..)| *width);
    let (delimiter, _, _, problem) =
        widest.filter(|(_, width, ..)| first.width() == 1 && *width >= used)?;
    let separated = separated(delimiter, &rules.name);
    Some(match problem {
        Some(problem) => format!("{separated}; cut there, {problem}"),
        None => separated,
    })
}

fn separated(delimiter: u8, profile: &str) -> String {
    let (looks, written) = match delimiter {
        b'\t' => ("tab".to_owned(), "\\t".to_owned()),
        other => {
            let other = char::from(other);
            (format!("`{other}`"), other.to_string())
        }
    };
    let setting = format!("`delimiter = \"{written}\"`");
    if profile == Profile::built_in().name {
        format!("it looks {looks}-separated; give such files a profile with {setting}")
    } else {
        format!("it looks {looks}-separated; set {setting} in the profile `{profile}`")
    }
}

/// Reads the first line as a header.
fn by_header(rules: &Rules, first: &Record<'_>) -> Result<Layout, String> {
    let cells = || (0..first.width()).map(|at| first.cell(at));
    let names = cells().map(shown).collect();
    Layout::build(rules, first, names, |column| {
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
    })
}

fn places<'a>(cells: impl Iterator<Item = &'a [u8]>, is: impl Fn(&[u8]) -> bool) -> Vec<usize> {
    let cells = cells.enumerate();
    cells
        .filter(|(_, cell)| is(cell))
        .map(|(at, _)| at)
        .collect()
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
    Layout::build(rules, first, vec![], |column| match column {
        Column::Position(position) => position_of(*position, first),
        Column::Name(name) => {
            let used = |standard: &&&str| {
                let is =
                    |column: &Column| matches!(column, Column::Name(name) if name == **standard);
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
            "line {} has {}, and the profile uses column {position}",
            first.line,
            counted(first.width() as u64, "column")
        )),
    }
}
