//! `landfall sample`: made-up sensor files in the shape of real ones. Pure, but for the writing.

use std::f64::consts::TAU;
use std::fs::File;
use std::io::{self, BufWriter, Write};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::failure::Failure;
use crate::options::{self, Shape};
use crate::output;

/// Sensors in a plain file.
const SENSORS: usize = 4;

/// About how often a sensor measures.
const INTERVAL: i64 = 148;

const DAY: f64 = 24.0 * 60.0 * 60.0;

/// Writes a file as asked.
pub(crate) fn run(options: &options::Sample) -> Result<(), Failure> {
    match &options.output {
        None => output::print(|out| write(out, options)),
        Some(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            write(&mut BufWriter::new(file), options)?;
            Ok(())
        }
    }
}

/// Writes the rows. The same options always make the same bytes.
pub(crate) fn write(out: &mut impl Write, options: &options::Sample) -> io::Result<()> {
    let mut random = Random(ChaCha8Rng::seed_from_u64(options.seed));
    let rows = options.rows;
    match options.shape {
        Shape::Plain => plain(out, &mut random, options.from, rows)?,
        Shape::Wide => wide(out, &mut random, options.from, rows)?,
        Shape::Single => single(out, &mut random, options.from, rows)?,
    }
    out.flush()
}

fn plain(out: &mut impl Write, random: &mut Random, from: Timestamp, rows: u64) -> io::Result<()> {
    writeln!(out, "sensor_id,timestamp,value")?;
    let mut sensors: Vec<Sensor> = (0..SENSORS).map(|_| Sensor::new(random, from)).collect();
    for row in 0..rows {
        // In turn, as a gateway collects them.
        let turn = usize::try_from(row).unwrap_or_default() % SENSORS;
        let sensor = &mut sensors[turn];
        let (time, value) = sensor.measure(random);
        writeln!(out, "sds011-{},{time},{value:.2}", sensor.number)?;
    }
    Ok(())
}

fn wide(out: &mut impl Write, random: &mut Random, from: Timestamp, rows: u64) -> io::Result<()> {
    writeln!(
        out,
        "sensor_id;sensor_type;location;lat;lon;timestamp;P1;durP1;ratioP1;P2;durP2;ratioP2"
    )?;
    let mut sensor = Sensor::new(random, from);
    let place = random.below(20_000);
    let (north, west) = (57.0 + random.unit() / 2.0, -2.0 - random.unit() / 2.0);
    for _ in 0..rows {
        let (time, coarse) = sensor.measure(random);
        // Fine dust is part of the coarse.
        let fine = coarse * (0.3 + random.unit() / 4.0);
        let time = time.strftime("%Y-%m-%dT%H:%M:%S");
        writeln!(
            out,
            "{};SDS011;{place};{north:.3};{west:.3};{time};{coarse:.2};;;{fine:.2};;",
            sensor.number
        )?;
    }
    Ok(())
}

fn single(out: &mut impl Write, random: &mut Random, from: Timestamp, rows: u64) -> io::Result<()> {
    writeln!(out, "timestamp,value")?;
    let mut sensor = Sensor::new(random, from);
    for _ in 0..rows {
        let (time, value) = sensor.measure(random);
        let time = time.strftime("%Y-%m-%d %H:%M:%S");
        writeln!(out, "{time},{value:.8}")?;
    }
    Ok(())
}

/// A sensor with a level of its own, a daily swing, and noise that lingers.
struct Sensor {
    number: u64,
    time: Timestamp,
    level: f64,
    swing: f64,
    noise: f64,
}

impl Sensor {
    fn new(random: &mut Random, from: Timestamp) -> Self {
        let offset = i64::try_from(random.below(INTERVAL.unsigned_abs())).unwrap_or_default();
        Self {
            number: 1_000 + random.below(30_000),
            time: whole_second(from) + SignedDuration::from_secs(offset),
            level: 4.0 + 12.0 * random.unit(),
            swing: 0.5 + 0.3 * random.unit(),
            noise: 0.0,
        }
    }

    /// The next measurement. Times never repeat.
    fn measure(&mut self, random: &mut Random) -> (Timestamp, f64) {
        let time = self.time;
        let jitter = i64::try_from(random.below(7)).unwrap_or_default();
        self.time = time + SignedDuration::from_secs(INTERVAL + jitter);
        self.noise = 0.9 * self.noise + 0.2 * (random.unit() - 0.5);
        let seconds = time.as_second().rem_euclid(24 * 60 * 60);
        let hour = f64::from(i32::try_from(seconds).unwrap_or_default()) / DAY;
        let daily = 1.0 + self.swing * (TAU * (hour - 0.3)).sin();
        (time, self.level * (daily + self.noise).max(0.02))
    }
}

/// As loggers write times: a mail need not say that finer ones were cut.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A generator whose numbers are the same everywhere and always.
struct Random(ChaCha8Rng);

impl Random {
    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }

    /// From 0 to below `end`; the bias is of no matter here.
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn sample(seed: u64, rows: u64, shape: Shape) -> String {
        let options = options::Sample {
            seed,
            rows,
            shape,
            from: "2026-01-01T00:00:00.123456Z".parse().unwrap(),
            output: None,
        };
        let mut text = Vec::new();
        write(&mut text, &options).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_seed_makes_one_file_and_another_seed_another() {
        for shape in [Shape::Plain, Shape::Wide, Shape::Single] {
            assert_eq!(sample(7, 50, shape), sample(7, 50, shape));
            assert_ne!(sample(7, 50, shape), sample(8, 50, shape));
        }
    }

    #[test]
    fn every_row_of_a_plain_file_is_a_reading_of_its_own() {
        let text = sample(1, 10_000, Shape::Plain);
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(
            rows.headers().unwrap(),
            ["sensor_id", "timestamp", "value"].as_slice()
        );
        let mut seen = HashSet::new();
        for row in rows.records() {
            let row = row.unwrap();
            let time: Timestamp = row[1].parse().unwrap();
            assert_eq!(time.subsec_nanosecond(), 0, "{row:?}");
            let value: f64 = row[2].parse().unwrap();
            assert!(value.is_finite() && value > 0.0, "{value}");
            assert!(seen.insert((row[0].to_owned(), time)), "{row:?}");
        }
        assert_eq!(seen.len(), 10_000);
    }

    #[test]
    fn a_wide_file_has_the_columns_of_a_real_one() {
        let text = sample(1, 3, Shape::Wide);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(';').collect()).collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.len() == 12), "{text}");
        assert!(lines[1][5].starts_with("2026-01-01T00:0"), "{text}");
        assert_eq!((lines[1][7], lines[1][11]), ("", ""));
    }
}
