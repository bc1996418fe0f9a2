//! What Python makes of the same bytes: an opinion that shares no code with Landfall.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::rows::{Rows, key};

/// How Python is to read a CSV file. Columns are named as in the header, or by position from 0.
#[derive(Clone, Debug)]
pub struct Csv {
    /// Between columns.
    pub delimiter: char,
    /// Whether the first line names the columns.
    pub header: bool,
    /// The column of the sensor, or its name if it is the same in all lines.
    pub sensor: Sensor,
    /// The column of the time.
    pub time: Value,
    /// Columns of values, and the metric that each stands for.
    pub values: Vec<(Value, &'static str)>,
    /// The column that names the metric instead, where there is one.
    pub metric: Option<&'static str>,
}

/// What Python found in a file.
#[derive(Debug)]
pub struct Found {
    /// A later line overrides an earlier one.
    pub rows: Rows,
    /// How many readings it holds; of a line that cannot be read, its values that are there, and
    /// at least one.
    pub read: u64,
    /// How many of them stand in lines that cannot be read.
    pub rejected: u64,
    /// How many such lines there are.
    pub rejected_lines: u64,
    /// How many readings a later line overrides.
    pub duplicated: u64,
}

/// Where the sensor's name is.
#[derive(Clone, Debug)]
pub enum Sensor {
    /// In a column.
    Column(Value),
    /// The same in all lines.
    Fixed(String),
}

impl Default for Csv {
    /// The plain case: `sensor_id,timestamp,value`.
    fn default() -> Self {
        Self {
            delimiter: ',',
            header: true,
            sensor: Sensor::Column(json!("sensor_id")),
            time: json!("timestamp"),
            values: vec![(json!("value"), "value")],
            metric: None,
        }
    }
}

/// The readings in a file, as [`read`] finds them.
pub fn readings(content: &[u8], csv: &Csv) -> Result<Rows> {
    Ok(read(content, csv)?.rows)
}

/// What is in a file, as Python's `csv`, `datetime` and `float` read it.
pub fn read(content: &[u8], csv: &Csv) -> Result<Found> {
    let (column, fixed) = match &csv.sensor {
        Sensor::Column(column) => (column.clone(), Value::Null),
        Sensor::Fixed(name) => (Value::Null, json!(name)),
    };
    let how = json!({
        "delimiter": csv.delimiter,
        "header": csv.header,
        "sensor": column,
        "fixed": fixed,
        "time": csv.time,
        "values": csv.values,
        "metric": csv.metric,
    });
    let found: Written = run(
        include_str!("python/readings.py"),
        &how.to_string(),
        content,
    )?;
    let rows = found.readings.into_iter();
    let rows =
        rows.map(|(sensor, metric, ms, bits)| (key(&sensor, &metric, ms), f64::from_bits(bits)));
    Ok(Found {
        rows: rows.collect(),
        read: found.read,
        rejected: found.rejected,
        rejected_lines: found.rejected_lines,
        duplicated: found.duplicated,
    })
}

/// What the script writes.
#[derive(Deserialize)]
struct Written {
    readings: Vec<(String, String, i64, u64)>,
    read: u64,
    rejected: u64,
    rejected_lines: u64,
    duplicated: u64,
}

/// Runs a command on a terminal; answers what came to its screen, on standard output. Somebody
/// presses `keys` at once.
pub fn on_a_terminal(command: &Command, keys: &str) -> Result<Output> {
    let mut python = Command::new("python3");
    python.args(["-c", include_str!("python/terminal.py")]);
    python.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        python.env(name, value.unwrap_or_default());
    }
    let python = python.env("TERM", "xterm").stdin(Stdio::piped());
    let mut python = python
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = python.stdin.take().context("no stdin")?;
    stdin.write_all(keys.as_bytes())?;
    let output = python.wait_with_output()?;
    drop(stdin);
    Ok(output)
}

fn run<T: DeserializeOwned>(script: &str, argument: &str, input: &[u8]) -> Result<T> {
    let mut python = Command::new("python3")
        .args(["-c", script, argument])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("python3 is needed to compare with")?;
    let mut stdin = python.stdin.take().context("no stdin")?;
    // The script reads everything before it writes anything.
    stdin.write_all(input)?;
    drop(stdin);
    let output = python.wait_with_output()?;
    ensure!(output.status.success(), "python3 failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
