//! What Python makes of the same bytes: an opinion that shares no code with Landfall.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
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
        }
    }
}

/// The readings in a file, as Python's `csv`, `datetime` and `float` read them; a later line
/// overrides an earlier one. Lines that Python cannot read are left out.
pub fn readings(content: &[u8], csv: &Csv) -> Result<Rows> {
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
    });
    let found: Vec<(String, String, i64, u64)> = run(
        include_str!("python/readings.py"),
        &how.to_string(),
        content,
    )?;
    let rows = found
        .into_iter()
        .map(|(sensor, metric, ms, bits)| (key(&sensor, &metric, ms), f64::from_bits(bits)));
    Ok(rows.collect())
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
