//! How files look.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::wrong::Wrong;
use super::{forms, glob, mover};

/// The name of the built-in profile.
pub(super) const DEFAULT: &str = "default";

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
    /// Where its files go when they are done with, before `[mover]`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mover: mover::Own,
}

impl Profile {
    /// The built-in profile: `sensor_id,timestamp,value`, with or without a header, in every
    /// bucket. It reads what no configured one matches.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Profile> = LazyLock::new(|| Profile {
            name: DEFAULT.to_owned(),
            bucket: everything(),
            key: everywhere(),
            delimiter: comma(),
            header: Header::default(),
            sensor: Sensor::default(),
            time: timestamp(),
            time_format: TimeFormat::default(),
            values: vec![],
            metric: None,
            budget: Budget::default(),
            mover: mover::Own::default(),
        });
        &BUILT_IN
    }

    /// Whether it is for this file.
    pub fn matches(&self, bucket: &str, key: &str) -> bool {
        glob::matches(&self.bucket, bucket) && glob::matches(&self.key, key)
    }

    /// Whether it surely is for every file that `other` is for. Only the plain cases are seen.
    fn covers(&self, other: &Self) -> bool {
        let bucket = self.bucket == other.bucket || ["*", "**"].contains(&&*self.bucket);
        bucket && (self.key == other.key || self.key == "**")
    }

    /// Hex SHA-256 of [`Profile::canonical`]: two profiles with the same hash read a file alike.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.canonical().as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What decides how a file is read, as JSON that is the same for the same content: names in
    /// alphabetical order, no spaces. Name, globs and the mover's settings are not in it.
    pub fn canonical(&self) -> String {
        #[derive(Serialize)]
        struct Canonical<'a> {
            budget: Budget,
            delimiter: char,
            header: Header,
            metric: &'a Option<Column>,
            sensor: &'a Sensor,
            time: &'a Column,
            time_format: TimeFormat,
            values: &'a [Value],
        }
        let canonical = Canonical {
            budget: self.budget,
            delimiter: self.delimiter,
            header: self.header,
            metric: &self.metric,
            sensor: &self.sensor,
            time: &self.time,
            time_format: self.time_format,
            values: &self.values,
        };
        // Strings, numbers and lists of them: nothing that JSON cannot hold.
        serde_json::to_string(&canonical).unwrap_or_default()
    }

    /// Every column that it names, by the setting that names it.
    fn columns(&self) -> Vec<(String, &Column)> {
        let mut columns = vec![("time".to_owned(), &self.time)];
        if let Sensor::Column(column) = &self.sensor {
            columns.push(("sensor.column".to_owned(), column));
        }
        if let Some(column) = &self.metric {
            columns.push(("metric".to_owned(), column));
        }
        for (index, value) in self.values.iter().enumerate() {
            let (Value::Column(column) | Value::Named { column, .. }) = value;
            columns.push((format!("values[{index}]"), column));
        }
        columns
    }
}

/// What the types cannot say of profiles.
pub(super) fn check(profiles: &[Profile]) -> Result<(), Wrong> {
    names(profiles)?;
    for (index, profile) in profiles.iter().enumerate() {
        check_one(profile)
            .map_err(|(setting, what)| Wrong::new(format!("profiles[{index}].{setting}"), what))?;
        if let Some(first) = profiles[..index].iter().find(|first| first.covers(profile)) {
            return Err(Wrong::new(
                format!("profiles[{index}].key"),
                format!(
                    "no file ever comes to the profile `{}`: `{}` stands before it and takes them \
                     all",
                    profile.name, first.name
                ),
            ));
        }
    }
    Ok(())
}

/// Names of profiles are subject tokens, and each is one profile's.
fn names(profiles: &[Profile]) -> Result<(), Wrong> {
    let mut names = HashSet::new();
    for (index, profile) in profiles.iter().enumerate() {
        let setting = format!("profiles[{index}].name");
        let name = &profile.name;
        if !proto::subject::is_profile_name(name) {
            return Err(Wrong::new(
                setting,
                format!("expected 1 to 64 of a-z, 0-9 and -, found {name:?}"),
            ));
        }
        if name == DEFAULT {
            return Err(Wrong::new(
                setting,
                "is the built-in profile's name; take another",
            ));
        }
        if !names.insert(name) {
            return Err(Wrong::new(
                setting,
                format!("there are two profiles `{name}`"),
            ));
        }
    }
    Ok(())
}

fn check_one(profile: &Profile) -> Result<(), (String, String)> {
    let wrong = |setting: &str, what: &str| Err((setting.to_owned(), what.to_owned()));
    for (setting, pattern) in [("bucket", &profile.bucket), ("key", &profile.key)] {
        if let Err(error) = forms::readable_glob(setting, pattern) {
            return wrong(setting, &error.what);
        }
    }
    if !profile.delimiter.is_ascii() || matches!(profile.delimiter, '"' | '\r' | '\n' | '\0') {
        return wrong(
            "delimiter",
            "expected one ASCII character that is no quote or line break",
        );
    }
    if matches!(&profile.sensor, Sensor::Fixed(name) if name.is_empty()) {
        return wrong("sensor.fixed", "must not be empty");
    }
    for (setting, column) in profile.columns() {
        match column {
            Column::Position(0) => return wrong(&setting, "positions count from 1"),
            Column::Name(name) if name.is_empty() => {
                return wrong(&setting, "a column's name must not be empty");
            }
            Column::Name(name) if profile.header == Header::No => {
                let what = format!(
                    "without a header columns have no names: give the position of `{name}`"
                );
                return wrong(&setting, &what);
            }
            _ => {}
        }
    }
    check_values(profile)
}

fn check_values(profile: &Profile) -> Result<(), (String, String)> {
    let wrong = |setting: &str, what: String| Err((setting.to_owned(), what));
    if profile.metric.is_some() && profile.values.len() > 1 {
        let what = "a file that names the metric of each row has one column of values".to_owned();
        return wrong("metric", what);
    }
    let mut metrics = HashSet::new();
    for (index, value) in profile.values.iter().enumerate() {
        let setting = format!("values[{index}]");
        let metric = match value {
            Value::Named { metric, .. } if metric.is_empty() => {
                return wrong(&setting, "a metric's name must not be empty".to_owned());
            }
            Value::Named { metric, .. } => metric.clone(),
            Value::Column(Column::Name(name)) => name.clone(),
            Value::Column(Column::Position(position))
                if profile.header == Header::No && profile.values.len() > 1 =>
            {
                let what = format!("name its metric: {{ column = {position}, metric = \"…\" }}");
                return wrong(&setting, what);
            }
            Value::Column(Column::Position(position)) => format!("column {position}"),
        };
        if !metrics.insert(metric.clone()) {
            return wrong(&setting, format!("metric `{metric}` is there twice"));
        }
    }
    Ok(())
}

/// A column, by its name in the header or its position from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a column's name, or its position from 1"
)]
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
#[serde(
    untagged,
    expecting = "expected a column, or { column = …, metric = \"…\" }"
)]
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
#[serde(
    untagged,
    expecting = "expected a number of lines, or a share like \"1%\""
)]
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

fn is_default(own: &mover::Own) -> bool {
    *own == mover::Own::default()
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
