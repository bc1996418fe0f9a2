use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use jiff::{SignedDuration, Timestamp};
use proto::FileId;
use store::Readings;
use store::readings::Reading;
use store::sqlite;
use tempfile::TempDir;

use crate::landfall::{landfall, run, stderr, stdout};

const FILE: &str = "000102030405060708090a0b0c0d0e0f";

fn start() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

/// A database with `count` readings of `s1`, a second apart and in turn of two metrics, and one of
/// `s2`.
async fn database(count: i64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let text = format!("[store]\nfolder = \"{}\"\n", data.display());
    std::fs::write(folder.path().join("landfall.toml"), text).unwrap();
    let readings = sqlite::Readings::open(&data.join("readings.db"))
        .await
        .unwrap();
    let reading = |sensor: &str, number: i64| Reading {
        sensor: sensor.into(),
        metric: ["P1", "P2"][usize::from(number % 2 == 1)].into(),
        time: start() + SignedDuration::from_secs(number),
        value: f64::from(i32::try_from(number).unwrap()) / 4.0,
        write_timestamp: 1,
    };
    let mut all: Vec<Reading> = (0..count).map(|number| reading("s1", number)).collect();
    all.push(reading("s2", 0));
    let file: FileId = FILE.parse().unwrap();
    readings.write(file, all).await.unwrap();
    folder
}

#[tokio::test]
async fn every_reading_of_the_sensor_comes_once_newest_first_over_many_pages() {
    let folder = database(2_500).await;
    let output = run(folder.path(), &["readings", "s1", "--format", "csv"]).await;
    let text = stdout(&output);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let header = ["sensor_id", "metric", "timestamp", "value", "file"];
    assert_eq!(rows.headers().unwrap(), header.as_slice());
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2_500);
    for (row, number) in rows.iter().zip((0..2_500i64).rev()) {
        let time: Timestamp = row[2].parse().unwrap();
        assert_eq!(time, start() + SignedDuration::from_secs(number));
        assert_eq!(
            row[3].parse::<f64>().unwrap() * 4.0,
            f64::from(i32::try_from(number).unwrap())
        );
        assert_eq!((&row[0], &row[4]), ("s1", FILE));
    }
}

#[tokio::test]
async fn a_metric_and_a_span_of_time_can_be_asked_for() {
    let folder = database(100).await;
    let arguments = [
        "readings",
        "s1",
        "--metric",
        "P2",
        "--format",
        "json",
        "--from",
        "2026-11-01T00:00:11Z",
        "--until",
        "2026-11-01T00:00:15Z",
    ];
    let output = run(folder.path(), &arguments).await;
    let expected = [(13, 3.25), (11, 2.75)].map(|(second, value)| {
        format!(
            r#"{{"sensor_id":"s1","metric":"P2","timestamp":"2026-11-01T00:00:{second}.000Z","value":{value},"file":"{FILE}"}}"#
        ) + "\n"
    });
    assert_eq!(stdout(&output), expected.concat());
}

#[tokio::test]
async fn a_sensor_without_readings_is_said_to_have_none() {
    let folder = database(1).await;
    for (arguments, said) in [
        (&["readings", "s3"][..], "no readings of sensor `s3`\n"),
        (
            &["readings", "s2", "--metric", "P7"],
            "no such readings of sensor `s2`\n",
        ),
    ] {
        let output = run(folder.path(), arguments).await;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout(&output), "");
        assert_eq!(stderr(&output), said);
    }
}

#[tokio::test]
async fn who_stops_reading_ends_it_in_peace() {
    let folder = database(5_000).await;
    let mut command = landfall(folder.path(), &["readings", "s1"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    assert!(child.wait().unwrap().success());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(said, "");
}
