//! Sensors' files, real ones where they are: every value as Python reads it, in the database and read
//! back from it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use jiff::civil::date;
use proto::User;
use serde_json::Value;
use tests::python::{self, Csv, Found, Sensor};
use tests::rows::{Rows, difference, key};
use tests::{Installation, Upload, run, sample};

/// Columns of wide files.
const SENSOR: usize = 0;
const TIME: usize = 5;
const P1: usize = 6;
const P2: usize = 9;

/// Has the profiles, as an example.
const README: &str = include_str!("../../README.md");

/// A file, and what Python finds in it.
struct File {
    key: String,
    content: Vec<u8>,
    found: Found,
}

impl File {
    fn read(key: String, content: Vec<u8>, csv: &Csv) -> Result<Self> {
        let found = python::read(&content, csv)?;
        Ok(Self {
            key,
            content,
            found,
        })
    }

    /// `timestamp,value`: the sensor is the file's name.
    fn of_one_sensor(name: &str, content: Vec<u8>) -> Result<Self> {
        let csv = Csv {
            sensor: Sensor::Fixed(name.to_owned()),
            ..Csv::default()
        };
        Self::read(format!("incoming/nab/{name}.csv"), content, &csv)
    }

    /// Twelve columns, of which two are values.
    fn wide(name: &str, content: Vec<u8>) -> Result<Self> {
        let csv = Csv {
            delimiter: ';',
            values: vec![("P1".into(), "P1"), ("P2".into(), "P2")],
            ..Csv::default()
        };
        Self::read(format!("incoming/luftdaten/{name}.csv"), content, &csv)
    }
}

#[test]
fn every_value_of_sensors_files_is_as_python_reads_it() {
    run(async {
        let files = match folder()? {
            Some(folder) => real_files(&folder)?,
            None => files_like_them()?,
        };
        let files = with_damaged(files)?;
        ensure!(files.len() == 15, "{} files", files.len());
        let refused: Vec<u64> = files.iter().map(|file| file.found.rejected).collect();
        ensure!(refused[13..] == [56, 5], "Python refuses {refused:?}");
        ensure!(refused[..13].iter().all(|count| *count == 0), "{refused:?}");

        let profiles = README.split("```toml\n").nth(1);
        let profiles = profiles.and_then(|rest| rest.split("```").next());
        let profiles = profiles.context("the README has an example")?;
        let landfall = Installation::builder().config(profiles).start().await?;
        let mut uploads = vec![];
        for file in &files {
            uploads.push(landfall.put(&file.key, &file.content).await?);
        }
        let mut expected = Rows::new();
        for (file, upload) in files.iter().zip(&uploads) {
            ended_as_found(&landfall, upload, &file.found).await?;
            expected.extend(file.found.rows.clone());
        }
        let in_the_database = difference(&landfall.rows()?, &expected);
        ensure!(in_the_database.is_empty(), "{in_the_database}");
        sensors_are_listed(&landfall, &expected).await?;
        gaps_are_found(&landfall, &expected).await?;
        readings_are_read_back(&landfall, &files, &expected).await?;
        landfall.finish().await
    });
}

/// The event about a file counts what Python counts.
async fn ended_as_found(landfall: &Installation, upload: &Upload, found: &Found) -> Result<()> {
    landfall.ended(upload).await?;
    let report = landfall.moved(upload).await?.report;
    let counted = [
        (report.read, found.read),
        (report.stored, found.rows.len() as u64),
        (report.rejected, found.rejected),
        (report.rejected_lines, found.rejected_lines),
        (report.duplicated, found.duplicated),
    ];
    let same = counted.iter().all(|(ours, pythons)| ours == pythons);
    ensure!(same, "{}: {report:?}, and Python: {counted:?}", upload.key);
    Ok(())
}

/// `landfall sensors`: each sensor and metric, its first and latest time, its latest value.
async fn sensors_are_listed(landfall: &Installation, expected: &Rows) -> Result<()> {
    let mut series = BTreeMap::<(&str, &str), (i64, i64, f64)>::new();
    // In the order of their times.
    for ((sensor, metric, time), value) in expected {
        let entry = series.entry((sensor, metric));
        let entry = entry.or_insert((*time, *time, *value));
        (entry.1, entry.2) = (*time, *value);
    }
    let times = |of: fn(&(i64, i64, f64)) -> (i64, f64)| -> Rows {
        let rows = series.iter().map(|((sensor, metric), ends)| {
            let (time, value) = of(ends);
            ((sensor.to_string(), metric.to_string(), time), value)
        });
        rows.collect()
    };
    let listed = output(landfall, &["sensors", "--format", "csv"]).await?;
    let latest = difference(
        &python::readings(&listed, &shown("latest"))?,
        &times(|(_, latest, value)| (*latest, *value)),
    );
    ensure!(latest.is_empty(), "{latest}");
    let first = difference(
        &python::readings(&listed, &shown("first"))?,
        &times(|(first, _, value)| (*first, *value)),
    );
    ensure!(first.is_empty(), "{first}");
    Ok(())
}

/// `landfall sensors --gaps` of a sensor with two metrics and two days months apart.
async fn gaps_are_found(landfall: &Installation, expected: &Rows) -> Result<()> {
    const OF: &str = "8733";
    const FIVE_MINUTES: i64 = 5 * 60 * 1_000;
    let (mut from, mut until) = (Rows::new(), Rows::new());
    let mut last = BTreeMap::<&str, i64>::new();
    // In the order of their times.
    for (sensor, metric, time) in expected.keys().filter(|(sensor, ..)| sensor == OF) {
        let Some(before) = last.insert(metric, *time) else {
            continue;
        };
        if time - before > FIVE_MINUTES {
            // The sensor's clock has whole seconds.
            let seconds = f64::from(u32::try_from((time - before) / 1_000)?);
            from.insert(key(sensor, metric, before), seconds);
            until.insert(key(sensor, metric, *time), seconds);
        }
    }
    ensure!(last.len() == 2 && from.len() > 2, "{from:?}");
    let arguments = ["sensors", OF, "--gaps=5m", "--format", "csv"];
    let found = output(landfall, &arguments).await?;
    for (bound, expected) in [("from", from), ("until", until)] {
        let csv = Csv {
            values: vec![("seconds".into(), "seconds")],
            ..shown(bound)
        };
        let difference = difference(&python::readings(&found, &csv)?, &expected);
        ensure!(difference.is_empty(), "{bound}: {difference}");
    }
    Ok(())
}

/// `landfall readings` of each sensor: its values, and of each that it is in the file that is said
/// to have written it.
async fn readings_are_read_back(
    landfall: &Installation,
    files: &[File],
    expected: &Rows,
) -> Result<()> {
    let sensors: BTreeSet<&str> = expected.keys().map(|(sensor, ..)| &**sensor).collect();
    let mut read_back = Rows::new();
    for (number, sensor) in sensors.into_iter().enumerate() {
        let zone = ["UTC", "America/New_York"][number % 2];
        let read = [
            "readings",
            sensor,
            "--with-file",
            "--timezone",
            zone,
            "--format",
        ];
        let csv = output(landfall, &[&read[..], &["csv"]].concat()).await?;
        read_back.extend(python::readings(&csv, &shown("timestamp"))?);
        let json = output(landfall, &[&read[..], &["json"]].concat()).await?;
        for line in String::from_utf8(json)?.lines() {
            let row: Value = serde_json::from_str(line)?;
            let text = |name: &str| row[name].as_str().context("text").map(str::to_owned);
            let time: jiff::Timestamp = text("timestamp")?.parse()?;
            let cell = (text("sensor_id")?, text("metric")?, time.as_millisecond());
            let key = text("key")?;
            let file = files.iter().find(|file| file.key == key);
            let file = file.with_context(|| format!("nobody uploaded {key}"))?;
            ensure!(
                file.found.rows.contains_key(&cell),
                "{line}: it is not in it"
            );
        }
    }
    let difference = difference(&read_back, expected);
    ensure!(difference.is_empty(), "{difference}");
    Ok(())
}

/// How Python reads what the command prints.
fn shown(time: &str) -> Csv {
    Csv {
        time: time.into(),
        metric: Some("metric"),
        ..Csv::default()
    }
}

async fn output(landfall: &Installation, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = landfall.landfall(User::Operator, arguments).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {said}");
    Ok(output.stdout)
}

/// Those that there are: of one sensor each, and wide ones.
fn real_files(folder: &Path) -> Result<Vec<File>> {
    let mut files = vec![];
    for path in paths(&folder.join("nab"))? {
        files.push(File::of_one_sensor(&name(&path)?, std::fs::read(path)?)?);
    }
    for path in paths(&folder.join("luftdaten"))? {
        files.push(File::wide(&name(&path)?, std::fs::read(path)?)?);
    }
    Ok(files)
}

/// As many, as they are written, of as many lines.
fn files_like_them() -> Result<Vec<File>> {
    let mut files = vec![];
    for (seed, lines) in [(1, 7_267), (2, 22_695), (3, 2_380)] {
        let content = sample::of_one_sensor(date(2013, 7, 4).at(0, 0, 0, 0), lines, seed);
        files.push(File::of_one_sensor(
            &format!("plant-{seed}"),
            content.into(),
        )?);
    }
    // Two days of one of them, months apart.
    for (seed, sensor) in (0_i8..).zip([8733, 8733, 1, 2, 3, 4, 5, 6, 7, 8]) {
        let day = date(2018, 3 + seed % 9, 25).at(0, 1, 14, 0);
        let content = sample::of_a_day(sensor, day, 550, seed.unsigned_abs().into());
        files.push(File::wide(&format!("{sensor}-{seed}"), content.into())?);
    }
    Ok(files)
}

/// At the end one of each kind again with lines that cannot be read, in another sensor's name.
fn with_damaged(mut files: Vec<File>) -> Result<Vec<File>> {
    let text = |starts: &str| {
        let file = files.iter().find(|file| file.key.starts_with(starts));
        let file = file.with_context(|| format!("there is no {starts}"))?;
        Ok::<_, anyhow::Error>(String::from_utf8(file.content.clone())?)
    };
    let (one_sensor, wide) = (text("incoming/nab/")?, text("incoming/luftdaten/")?);
    files.push(File::of_one_sensor("damaged", damaged(&one_sensor).into())?);
    files.push(File::wide("damaged", damaged_wide(&wide).into())?);
    Ok(files)
}

/// In every 128th line something is wrong, and the last one overrides the first.
fn damaged(content: &str) -> String {
    let mut lines: Vec<String> = content.lines().map(str::to_owned).collect();
    for number in (128..lines.len()).step_by(128) {
        let (time, value) = lines[number].split_once(',').unwrap_or_default();
        lines[number] = match number / 128 % 4 {
            0 => format!("{time},n/a"),
            1 => format!("{time},"),
            2 => time.to_owned(),
            _ => format!("{},{value}", time.replace(':', ".")),
        };
    }
    let (time, _) = lines[1].split_once(',').unwrap_or_default();
    lines.push(format!("{time},-1e-3"));
    lines.join("\n")
}

/// Three lines cannot be read, of one a single value; one has only one value, and one has none.
/// The last one overrides the first.
fn damaged_wide(content: &str) -> String {
    let lines = content.lines().map(|line| line.split(';').collect());
    let mut lines: Vec<Vec<&str>> = lines.collect();
    for line in lines.iter_mut().skip(1) {
        line[SENSOR] = "damaged";
    }
    lines[100][P1] = "1,5";
    lines[200][TIME] = "2018-03-25T24:61:00";
    (lines[300][P1], lines[300][P2]) = ("", "1.5e");
    lines[400][P1] = "";
    (lines[500][P1], lines[500][P2]) = ("", "");
    let mut again = lines[1].clone();
    again[P1] = "-0";
    lines.push(again);
    let lines = lines.iter().map(|line| line.join(";"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The folder of real sensor files, which `LANDFALL_TEST_DATA` names; none, and says so, where there
/// is none and it names none.
fn folder() -> Result<Option<PathBuf>> {
    let named = std::env::var_os("LANDFALL_TEST_DATA").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = named.as_ref().unwrap_or(&usual);
    if folder.join("nab").is_dir() && folder.join("luftdaten").is_dir() {
        return Ok(Some(folder.clone()));
    }
    ensure!(
        named.is_none(),
        "LANDFALL_TEST_DATA: there are no nab/ and luftdaten/ in {}",
        folder.display()
    );
    // Past the capture of what a test prints.
    let message = "\nNOT TESTED: real sensor files. LANDFALL_TEST_DATA names none, and files are \
                   made up that look like them\n\n";
    std::io::stderr().write_all(message.as_bytes())?;
    Ok(None)
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "csv"));
    files.sort();
    Ok(files)
}

/// Without its ending.
fn name(path: &Path) -> Result<String> {
    let name = path.file_stem().context("it is a file")?;
    Ok(name.to_string_lossy().into_owned())
}
