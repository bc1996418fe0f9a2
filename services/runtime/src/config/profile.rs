//! How files look.

use serde::{Deserialize, Serialize};

/// `[[profiles]]`: which files it is for, and how to read them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name: `[a-z0-9-]`, at most 64.
    pub name: String,
    /// Buckets it is for, as a glob; all unless set.
    #[serde(default = "everything")]
    pub bucket: String,
    /// Keys it is for, as a glob; `*` does not cross `/`, `**` does. All unless set.
    #[serde(default = "everywhere")]
    pub key: String,
    /// One ASCII character between columns.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Whether the first line names the columns.
    #[serde(default)]
    pub header: Header,
    /// Where a reading's sensor stands.
    #[serde(default)]
    pub sensor: Sensor,
    /// The column of the time.
    #[serde(default = "timestamp")]
    pub time: Column,
    /// How times are written; ISO 8601 and Unix are told apart by themselves.
    #[serde(default)]
    pub time_format: TimeFormat,
    /// The columns that hold values. Several make a wide file: an empty cell is no reading.
    #[serde(default)]
    pub values: Vec<Value>,
    /// The column that names the metric, in files with one value a row; `value` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Column>,
    /// How many rows may be refused before the whole file is: a count (`100`) or a share of its
    /// lines (`"1%"`).
    #[serde(default)]
    pub budget: Budget,
    /// Bucket for the files that are done with, before `[mover] target_bucket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_bucket: Option<String>,
}

/// A column, by its name in the header or its position from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a column's name, or its position from 1")]
pub enum Column {
    /// Position, from 1.
    Position(usize),
    /// Name in the header.
    Name(String),
}

/// Where the name of the sensor is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensor {
    /// In a column.
    Column(Column),
    /// The file's name: the key's last part, without `.csv` and `.gz`.
    FileName,
    /// The same for every file.
    Fixed(String),
}

/// A column of values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a column, or { column = …, metric = \"…\" }")]
pub enum Value {
    /// The column; its name is the metric's.
    Column(Column),
    /// A column whose metric has another name.
    Named {
        /// The column.
        column: Column,
        /// The metric.
        metric: String,
    },
}

/// Whether the first line names the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Header {
    /// If it holds the names that the profile uses.
    #[default]
    Auto,
    /// It does.
    Yes,
    /// It does not: columns are given by position.
    No,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// ISO 8601 or Unix, by what stands there.
    #[default]
    Auto,
    /// ISO 8601 (`T` or a space between); without a zone it is UTC.
    Iso,
    /// Unix time; its unit (s, ms, µs, ns) by its magnitude.
    Unix,
}

/// How many rows may be refused.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Budget {
    /// So many lines.
    Lines(u64),
    /// So many of a hundred lines.
    Percent(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of lines, or a share like \"1%\"")]
enum Written {
    Lines(u64),
    Percent(String),
}

impl TryFrom<Written> for Budget {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let text = match written {
            Written::Lines(lines) => return Ok(Self::Lines(lines)),
            Written::Percent(text) => text,
        };
        text.strip_suffix('%')
            .and_then(|share| share.trim().parse::<f64>().ok())
            .filter(|share| (0.0..=100.0).contains(share))
            .map(Self::Percent)
            .ok_or_else(|| format!("`{text}` is no share; write one from \"0%\" to \"100%\""))
    }
}

impl From<Budget> for Written {
    fn from(budget: Budget) -> Self {
        match budget {
            Budget::Lines(lines) => Self::Lines(lines),
            Budget::Percent(share) => Self::Percent(format!("{share}%")),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::Percent(1.0)
    }
}

impl Default for Sensor {
    fn default() -> Self {
        Self::Column(Column::Name("sensor_id".to_owned()))
    }
}

fn everything() -> String {
    "*".to_owned()
}

fn everywhere() -> String {
    "**".to_owned()
}

fn comma() -> char {
    ','
}

fn timestamp() -> Column {
    Column::Name("timestamp".to_owned())
}
