//! Readings, and what tells two sets of them apart.

use std::collections::BTreeMap;

/// Sensor, metric, milliseconds since 1970.
pub type Key = (String, String, i64);

/// Readings by what tells them apart.
pub type Rows = BTreeMap<Key, f64>;

/// The name of a reading.
pub fn key(sensor: &str, metric: &str, ms: i64) -> Key {
    (sensor.to_owned(), metric.to_owned(), ms)
}

/// What tells two sets of readings apart, in a few lines; empty if they are the same, to the bit.
pub fn difference(found: &Rows, expected: &Rows) -> String {
    let mut lines = Vec::new();
    for (key, value) in expected {
        match found.get(key) {
            None => lines.push(format!("missing: {key:?} = {value:?}")),
            Some(other) if other.to_bits() != value.to_bits() => {
                lines.push(format!("{key:?} is {other:?}, not {value:?}"));
            }
            Some(_) => {}
        }
    }
    for (key, value) in found {
        if !expected.contains_key(key) {
            lines.push(format!("nobody's: {key:?} = {value:?}"));
        }
    }
    let more = lines.len().saturating_sub(10);
    lines.truncate(10);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}
