//! The public files of `shared/data`, compared with what Python's `csv` and `float` read.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::reading::{Plain, profile, read_pieces, terms};

/// Reads a file with Python: every row's cells, and every value as the hexadecimal digits of its
/// bits.
const PYTHON: &str = r#"
import csv, json, struct, sys
from datetime import datetime, timezone
path, delimiter, sensor, time, *values = sys.argv[1:]
cells = {}
with open(path, newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file, delimiter=delimiter):
        at = datetime.fromisoformat(row[time]).replace(tzinfo=timezone.utc)
        for value in values:
            if row[value] != "" or len(values) == 1:
                name = row[sensor] if sensor else ""
                bits = struct.pack(">d", float(row[value])).hex()
                cells[(name, value, round(at.timestamp() * 1000))] = bits
print(json.dumps([[*key, bits] for key, bits in cells.items()]))
"#;

/// The folder that `LANDFALL_TEST_DATA` names; none, loudly, where it names none and none is there.
fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("LANDFALL_TEST_DATA").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = named.as_ref().unwrap_or(&usual);
    if folder.is_dir() {
        return Some(folder.clone());
    }
    assert!(
        named.is_none(),
        "LANDFALL_TEST_DATA: no {}",
        folder.display()
    );
    // Past the capture of what a test prints.
    let message = b"\nNOT TESTED: public sensor files. LANDFALL_TEST_DATA names none\n\n";
    std::io::stderr().write_all(message).unwrap();
    None
}

/// Values as bits, so that equal is equal.
fn bits(stored: Vec<Plain>) -> Vec<(String, String, i64, u64)> {
    stored
        .into_iter()
        .map(|(sensor, metric, time, value)| (sensor, metric, time, value.to_bits()))
        .collect()
}

fn by_python(path: &Path, arguments: &[&str], file_name: &str) -> Vec<(String, String, i64, u64)> {
    let output = Command::new("python3")
        .args(["-c", PYTHON])
        .arg(path)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let cells: Vec<(String, String, i64, String)> = serde_json::from_slice(&output.stdout).unwrap();
    let cells = cells.into_iter().map(|(sensor, metric, time, bits)| {
        let sensor = if sensor.is_empty() {
            file_name.to_owned()
        } else {
            sensor
        };
        (
            sensor,
            metric,
            time,
            u64::from_str_radix(&bits, 16).unwrap(),
        )
    });
    let mut cells: Vec<_> = cells.collect();
    cells.sort();
    cells
}

fn compare(group: &str, settings: &Value, arguments: &[&str], files: usize) {
    let Some(folder) = folder() else { return };
    let profile = profile(settings);
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.join(group)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let key = format!("incoming/{group}/{name}.csv");
        let outcome = read_pieces(bytes.chunks(4096), &profile, &terms(), &key);
        assert_eq!(outcome.seen.problem, None);
        assert_eq!(outcome.refusals(), Vec::<String>::new(), "{name}");
        let expected = by_python(&path, arguments, name);
        assert!(expected.len() > 500, "{name}");
        assert_eq!(outcome.seen.counts.stored, expected.len() as u64, "{name}");
        assert!(
            bits(outcome.stored()) == expected,
            "{name} differs from what Python reads"
        );
        seen += 1;
    }
    assert_eq!(seen, files);
}

#[test]
fn the_files_of_the_numenta_benchmark_are_read_as_python_reads_them() {
    let settings = json!({ "sensor": "file_name", "values": ["value"] });
    compare("nab", &settings, &[",", "", "timestamp", "value"], 3);
}

#[test]
fn the_files_of_air_quality_sensors_are_read_as_python_reads_them() {
    let settings = json!({ "delimiter": ";", "values": ["P1", "P2"] });
    compare(
        "luftdaten",
        &settings,
        &[";", "sensor_id", "timestamp", "P1", "P2"],
        10,
    );
}
