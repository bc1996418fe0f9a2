//! Sensor files as a data logger writes them: the same for the same arguments.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

/// `sensor_id,timestamp,value` with a header: `lines` readings of `sensor`, a minute apart, whose
/// values begin at `first`.
pub fn csv(sensor: &str, lines: u32, first: f64) -> String {
    let mut time: Timestamp = "2026-11-01T00:00:00Z".parse().expect("a time");
    let mut text = String::from("sensor_id,timestamp,value\n");
    for line in 0..lines {
        // A tenth is no binary fraction, so sums of it show how carefully numbers are read.
        let value = first + f64::from(line) * 0.1;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{sensor},{time},{value}");
        time += SignedDuration::from_mins(1);
    }
    text
}

/// [`csv`], each line with so many bytes more in a column that no profile reads: large, and soon
/// read.
pub fn wide_csv(sensor: &str, lines: u32, bytes: usize) -> String {
    let narrow = csv(sensor, lines, 0.0);
    let filling = "x".repeat(bytes);
    let more = std::iter::once("remark").chain(std::iter::repeat(&*filling));
    narrow
        .lines()
        .zip(more)
        .map(|(line, more)| format!("{line},{more}\n"))
        .collect()
}
