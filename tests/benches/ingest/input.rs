//! The readings that every loader gets: those of so many sensors in turn, a minute apart.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::Timestamp;

/// 2026-01-01T07:20:00Z: the readings of 1,000 sensors are of two days alike.
const FIRST: i64 = 1_767_252_000;
const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * 60;

/// The metric of all readings.
pub(crate) const METRIC: &str = "value";
/// The file in the rows of those loaders that know none.
const FILE: &str = "8f14e45f-ceea-467f-a9d5-2d3e1b0c1d2e";

/// What is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Input {
    pub(crate) rows: u64,
    pub(crate) sensors: u64,
    pub(crate) files: u64,
}

/// How it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// As sensors write it: sensor, time, value.
    Readings,
    /// With every column of the table, and Unix times in milliseconds: for loaders that have no
    /// more to do than to send it.
    Table,
}

impl Input {
    /// Writes the files into a folder, unless they are there; answers their paths.
    pub(crate) fn write(self, folder: &Path, form: Form) -> Result<Vec<PathBuf>> {
        let folder = folder.join(format!("{form:?}-{self}").replace([' ', ','], ""));
        let paths = (0..self.files).map(|number| folder.join(format!("{number:03}.csv")));
        let paths: Vec<PathBuf> = paths.collect();
        if folder.exists() {
            return Ok(paths);
        }
        std::fs::create_dir_all(&folder)?;
        for (number, path) in (0..).zip(&paths) {
            let rows = self.rows * number / self.files..self.rows * (number + 1) / self.files;
            let mut file = BufWriter::new(File::create(path)?);
            write_rows(&mut file, form, self.sensors, rows)?;
            file.flush()?;
        }
        Ok(paths)
    }

    /// Some partitions of the table, at most `most` and spread over all, and how many rows each
    /// has: sensor, bucket, rows.
    pub(crate) fn partitions(self, most: u64) -> Vec<(String, Timestamp, i64)> {
        let step = self.sensors.div_ceil(most).max(1);
        let mut partitions = vec![];
        for sensor in (0..self.sensors).step_by(usize::try_from(step).unwrap_or(1)) {
            let readings = self.rows / self.sensors + u64::from(sensor < self.rows % self.sensors);
            let mut bucket = FIRST - FIRST.rem_euclid(DAY);
            let mut counted = 0;
            while counted < readings {
                let until = (bucket + DAY - FIRST).div_euclid(MINUTE);
                let until = u64::try_from(until).unwrap_or_default().min(readings);
                let rows = i64::try_from(until - counted).unwrap_or_default();
                partitions.push((name(sensor), second(bucket), rows));
                (counted, bucket) = (until, bucket + DAY);
            }
        }
        partitions
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            rows,
            sensors,
            files,
        } = self;
        let files = match files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        write!(f, "{rows} rows, {sensors} sensors, {files}")
    }
}

fn write_rows(
    file: &mut impl Write,
    form: Form,
    sensors: u64,
    rows: std::ops::Range<u64>,
) -> Result<()> {
    match form {
        Form::Readings => writeln!(file, "sensor_id,timestamp,value")?,
        Form::Table => writeln!(file, "sensor_id,metric,bucket,ts,value,file")?,
    }
    for row in rows {
        let sensor = name(row % sensors);
        let time = FIRST + MINUTE * i64::try_from(row / sensors)?;
        // Five digits, as a thermometer may have.
        let value = f64::from(u32::try_from(((row * 2_654_435_761) >> 12) % 100_000)?) / 1_000.0;
        match form {
            Form::Readings => writeln!(file, "{sensor},{},{value}", second(time))?,
            Form::Table => {
                let (bucket, time) = ((time - time.rem_euclid(DAY)) * 1_000, time * 1_000);
                writeln!(file, "{sensor},{METRIC},{bucket},{time},{value},{FILE}")?;
            }
        }
    }
    Ok(())
}

fn name(sensor: u64) -> String {
    format!("sensor-{sensor:06}")
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}
