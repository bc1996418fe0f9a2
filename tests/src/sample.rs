//! Sensor files as a data logger writes them: the same for the same arguments.

use std::fmt::Write;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, ToSpan};

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

/// As those of the Numenta Anomaly Benchmark: `timestamp,value`, so many lines, five minutes apart,
/// with as many digits as a program prints that does not round. `seed` decides the values.
pub fn of_one_sensor(from: DateTime, lines: usize, seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut time, mut value) = (from, 70.0);
    let mut text = String::from("timestamp,value\n");
    for _ in 0..lines {
        value += random.f64() - 0.5;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{value}", time.strftime("%Y-%m-%d %H:%M:%S"));
        time += 5.minutes();
    }
    text
}

/// As those of sensor.community: twelve columns, most of them empty, of which two are values of two
/// decimals; a line every two minutes and a half, but for some minutes now and then in which the
/// sensor is away. `seed` decides values and gaps.
pub fn of_a_day(sensor: u32, day: DateTime, lines: usize, seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut time = day;
    let mut text = String::from(
        "sensor_id;sensor_type;location;lat;lon;timestamp;P1;durP1;ratioP1;P2;durP2;ratioP2\n",
    );
    for line in 1..=lines {
        let [first, second] = [9_000, 3_000].map(|most| f64::from(random.u32(0..most)) / 100.0);
        let at = time.strftime("%Y-%m-%dT%H:%M:%S");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{sensor};SDS011;4403;57.136;-2.107;{at};{first:.2};;;{second:.2};;"
        );
        let silent = if line % 100 == 0 { 600 } else { 0 };
        time += (147 + random.i64(0..3) + silent).seconds();
    }
    text
}
