use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use proto::FileId;
use store::readings::Reading;
use store::{Readings, sqlite};
use tempfile::TempDir;

use crate::landfall::{run, stderr, stdout};

fn start() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

fn reading(sensor: &str, metric: &str, second: i64, value: f64) -> Reading {
    Reading {
        sensor: sensor.into(),
        metric: metric.into(),
        time: start() + SignedDuration::from_secs(second),
        value,
        write_timestamp: 1,
    }
}

async fn database(readings: Vec<Reading>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let text = format!("[store]\nfolder = \"{}\"\n", data.display());
    std::fs::write(folder.path().join("landfall.toml"), text).unwrap();
    let store = sqlite::Readings::open(&data.join("readings.db")).await;
    let file = FileId::from_bytes([7; 16]);
    store.unwrap().write(file, readings).await.unwrap();
    folder
}

/// What is printed, and what is said beside it.
async fn shown(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = run(folder, arguments).await;
    assert!(output.status.success(), "{}", stderr(&output));
    (stdout(&output), stderr(&output))
}

#[tokio::test]
async fn sensors_are_listed_by_name_with_what_they_have() {
    let folder = database(vec![
        reading("roof", "P2", 0, 1.0),
        reading("roof", "P1", 0, 2.0),
        reading("roof", "P1", 3_600, 3.5),
        reading("cellar\u{202e}\n", "value", -1_793_491_201, 1e300),
        reading("=roof", "value", 5, -0.5),
    ])
    .await;
    let (csv, _) = shown(folder.path(), &["sensors", "--format", "csv"]).await;
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let header = ["sensor_id", "metric", "first", "latest", "value"];
    assert_eq!(rows.headers().unwrap(), header.as_slice());
    let rows: Vec<Vec<String>> = rows
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect();
    let big = 1e300.to_string();
    let day = |time: &str| format!("2026-11-01T{time}.000Z");
    let [zero, five, one] = ["00:00:00", "00:00:05", "01:00:00"].map(day);
    let before = "1969-12-31T23:59:59.000Z";
    let expected = [
        ["'=roof", "value", &five, &five, "-0.5"],
        ["cellar\u{202e}\n", "value", before, before, &big],
        ["roof", "P1", &zero, &one, "3.5"],
        ["roof", "P2", &zero, &zero, "1"],
    ];
    assert_eq!(rows, expected);

    let arguments = [
        "sensors",
        "--prefix",
        "r",
        "--format",
        "json",
        "--timezone",
        "Asia/Tokyo",
    ];
    let (json, _) = shown(folder.path(), &arguments).await;
    let expected = r#"{"sensor_id":"roof","metric":"P1","first":"2026-11-01T09:00:00.000+09:00","latest":"2026-11-01T10:00:00.000+09:00","value":3.5}
{"sensor_id":"roof","metric":"P2","first":"2026-11-01T09:00:00.000+09:00","latest":"2026-11-01T09:00:00.000+09:00","value":1.0}
"#;
    assert_eq!(json, expected);

    let (table, _) = shown(folder.path(), &["sensors"]).await;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    assert!(lines[0].contains("first (UTC)"), "{table}");
    assert!(lines[2].starts_with("cellar\\u{202e}\\n"), "{table}");
    let (one, _) = shown(folder.path(), &["sensors", "roof", "--metric", "P2"]).await;
    assert_eq!(one.lines().count(), 2, "{one}");
}

#[tokio::test]
async fn more_sensors_than_are_asked_for_at_once_come_once_each() {
    let name = |number: i64| format!("plant-{number:05}");
    let readings = (0..12_345).map(|number| reading(&name(number), "value", number, 0.0));
    let folder = database(readings.collect()).await;
    let arguments = ["sensors", "--prefix", "plant-", "--format", "csv"];
    let (csv, _) = shown(folder.path(), &arguments).await;
    let names = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap());
    assert!(
        names.eq((0..12_345).map(name)),
        "{} lines",
        csv.lines().count()
    );
    let arguments = ["sensors", "--prefix", "plant-1234", "--format", "csv"];
    let (csv, _) = shown(folder.path(), &arguments).await;
    assert_eq!(csv.lines().count(), 6, "{csv}");
}

#[tokio::test]
async fn a_sensor_that_is_not_there_is_said_not_to_be() {
    let folder = database(vec![reading("cellar-1", "value", 0, 1.0)]).await;
    for (arguments, said) in [
        (
            &["sensors", "cellar-2"][..],
            "no readings of sensor `cellar-2`; there is `cellar-1`\n",
        ),
        (
            &["sensors", "roof", "--gaps"],
            "no readings of sensor `roof`\n",
        ),
        (
            &["sensors", "cellar-1", "--metric", "P1"],
            "no readings of metric `P1` of sensor `cellar-1`; there are some of value\n",
        ),
        (
            &["sensors", "--prefix", "roof"],
            "there are no such sensors\n",
        ),
    ] {
        let output = run(folder.path(), arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert_eq!(stderr(&output), said, "{arguments:?}");
    }
}

/// Of `a` every ten seconds, but for some; of `b` a few.
async fn with_gaps() -> TempDir {
    let silent = |second: &i64| !(10_000..10_100).contains(second) && !(500..530).contains(second);
    let a = (0..30_000).step_by(10).filter(silent);
    let a = a.map(|second| reading("s", "a", second, 0.0));
    let b = [0, 100, 20_000].map(|second| reading("s", "b", second, 0.0));
    database(a.chain(b).collect()).await
}

#[tokio::test]
async fn gaps_are_found_over_many_pages_and_what_is_usual_is_said() {
    let folder = with_gaps().await;
    let arguments = ["sensors", "s", "--gaps", "--format", "csv"];
    let (csv, said) = shown(folder.path(), &arguments).await;
    // Between 490 and 530 are 40 seconds: no more than five times ten.
    let expected = "sensor_id,metric,from,until,seconds\n\
        s,a,2026-11-01T02:46:30.000Z,2026-11-01T02:48:20.000Z,110\n";
    assert_eq!(csv, expected);
    let expected = "a: gaps longer than 50s, 5 times the usual 10s\n\
        b: gaps longer than 27h 38m 20s, 5 times the usual 5h 31m 40s\n\
        b: no gaps longer than 27h 38m 20s\n";
    assert_eq!(said, expected);

    let arguments = [
        "sensors",
        "s",
        "--gaps=39s",
        "--metric",
        "a",
        "--format",
        "json",
    ];
    let (json, said) = shown(folder.path(), &arguments).await;
    let expected = r#"{"sensor_id":"s","metric":"a","from":"2026-11-01T02:46:30.000Z","until":"2026-11-01T02:48:20.000Z","seconds":110.0}
{"sensor_id":"s","metric":"a","from":"2026-11-01T00:08:10.000Z","until":"2026-11-01T00:08:50.000Z","seconds":40.0}
"#;
    assert_eq!((json.as_str(), said.as_str()), (expected, ""));
    let (table, said) = shown(folder.path(), &["sensors", "s", "--gaps=10h"]).await;
    assert_eq!(table, "");
    assert_eq!(
        said,
        "a: no gaps longer than 10h\nb: no gaps longer than 10h\n"
    );
}

#[tokio::test]
async fn bounds_that_are_given_end_gaps() {
    let folder = with_gaps().await;
    let gaps = async |from, until| {
        let arguments = [
            "sensors",
            "s",
            "--gaps=1h",
            "--metric",
            "b",
            "--format",
            "csv",
        ];
        let bounds = ["--from", from, "--until", until];
        let arguments: Vec<&str> = arguments.into_iter().chain(bounds).collect();
        let (csv, _) = shown(folder.path(), &arguments).await;
        let times = csv.lines().skip(1);
        let times = times.map(|line| {
            line.split(',')
                .skip(2)
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        });
        times
            .map(|times| times.replace(".000Z", ""))
            .collect::<Vec<_>>()
    };
    let around = gaps("2026-10-31T22:00", "2026-11-01T06:00").await;
    let expected = [
        "2026-11-01T00:01:40 2026-11-01T05:33:20",
        "2026-10-31T22:00:00 2026-11-01T00:00:00",
    ];
    assert_eq!(around, expected);
    let within = gaps("2026-11-01T01:00", "2026-11-01T05:00").await;
    assert_eq!(within, ["2026-11-01T01:00:00 2026-11-01T05:00:00"]);
}
