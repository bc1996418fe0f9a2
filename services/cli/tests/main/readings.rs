use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use jiff::{SignedDuration, Timestamp};
use proto::{Data, Event, FileId, User};
use store::readings::Reading;
use store::{Journal, Readings, sqlite};
use tempfile::TempDir;

use crate::landfall::{arrived, landfall, run, stderr, stdout};

const HEADER: &str = "sensor_id,metric,timestamp,value,file";

const FILE: &str = "000102030405060708090a0b0c0d0e0f";

fn id_of(data: &Data) -> FileId {
    match data {
        Data::Arrived(arrived) => arrived.file.id,
        other => panic!("{other:?}"),
    }
}

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
    let first = "2026-11-01T00:00:00.000Z";
    for (arguments, said) in [
        (
            &["readings", "plant"][..],
            "no readings of sensor `plant`\n".to_owned(),
        ),
        (
            &["readings", "s22"],
            "no readings of sensor `s22`; there is `s2`\n".to_owned(),
        ),
        (
            &["readings", "s2", "--metric", "P7"],
            "no readings of metric `P7` of sensor `s2`; there are some of P1\n".to_owned(),
        ),
        (
            &[
                "readings",
                "s2",
                "--from",
                "2026-12-01",
                "--until",
                "2027-01-01T00:30+00:30",
            ],
            format!(
                "no readings of sensor `s2` from 2026-12-01T00:00:00.000Z until \
                 2027-01-01T00:00:00.000Z; there are some from {first} to {first}\n"
            ),
        ),
        (
            &[
                "readings",
                "s2",
                "--until",
                "2026-11-01",
                "--timezone",
                "Asia/Kolkata",
            ],
            "no readings of sensor `s2` until 2026-11-01T00:00:00.000+05:30; there are some from \
             2026-11-01T05:30:00.000+05:30 to 2026-11-01T05:30:00.000+05:30\n"
                .to_owned(),
        ),
    ] {
        let output = run(folder.path(), arguments).await;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout(&output), "");
        assert_eq!(stderr(&output), said);
    }
}

#[tokio::test]
async fn times_are_read_and_shown_in_the_zone_that_is_asked_for() {
    let folder = database(100).await;
    let from_to = |from, until| {
        let arguments = [
            "readings",
            "s1",
            "--timezone",
            "Europe/Berlin",
            "--format",
            "csv",
        ];
        let bounds = ["--from", from, "--until", until];
        arguments.into_iter().chain(bounds).collect::<Vec<_>>()
    };
    // The same two seconds, an hour ahead of UTC.
    for (from, until) in [
        ("2026-11-01T01:00:07", "2026-11-01T01:00:09"),
        ("2026-11-01T00:00:07Z", "2026-10-31T20:00:09-04:00"),
    ] {
        let output = run(folder.path(), &from_to(from, until)).await;
        let expected = [("P1", 8, "2"), ("P2", 7, "1.75")].map(|(metric, second, value)| {
            format!("s1,{metric},2026-11-01T01:00:0{second}.000+01:00,{value},{FILE}\n")
        });
        let expected = format!("{HEADER}\n{}", expected.concat());
        assert_eq!(stdout(&output), expected, "{from}: {}", stderr(&output));
    }
    let output = run(
        folder.path(),
        &["readings", "s2", "--timezone", "Europe/Berlin"],
    )
    .await;
    let table = stdout(&output);
    assert!(table.contains("time (Europe/Berlin)"), "{table}");
    assert!(table.contains("2026-11-01T01:00:00.000+01:00"), "{table}");
    let output = run(folder.path(), &["readings", "s2"]).await;
    assert!(
        stdout(&output).contains("time (UTC)"),
        "{}",
        stdout(&output)
    );
}

#[tokio::test]
async fn what_a_reading_was_uploaded_as_is_said_where_it_is_known() {
    let folder = database(1).await;
    let data = folder.path().join("data");
    let known = arrived("incoming/lab/a b.csv");
    let (id, event) = (id_of(&known), Event::new(User::Watcher, known, start()));
    let store = sqlite::Readings::open(&data.join("readings.db"))
        .await
        .unwrap();
    let later = Reading {
        sensor: "s2".into(),
        metric: "P1".into(),
        time: start() + SignedDuration::from_secs(60),
        value: -0.0,
        write_timestamp: 1,
    };
    store.write(id, vec![later]).await.unwrap();
    let arguments = ["readings", "s2", "--with-file", "--format", "csv"];
    let rows = |bucket_and_key: &str| {
        format!(
            "{HEADER},bucket,key\n\
             s2,P1,2026-11-01T00:01:00.000Z,-0,{id},{bucket_and_key}\n\
             s2,P1,2026-11-01T00:00:00.000Z,0,{FILE},,\n"
        )
    };
    // Nobody has watched here yet, and asking makes no journal.
    let output = run(folder.path(), &arguments).await;
    assert_eq!(stdout(&output), rows(","), "{}", stderr(&output));
    assert!(!data.join("watcher.db").exists());

    let journal = sqlite::Journal::open(&data.join("watcher.db"))
        .await
        .unwrap();
    journal.settle(&event).await.unwrap();
    let output = run(folder.path(), &arguments).await;
    assert_eq!(stdout(&output), rows("sensors,incoming/lab/a b.csv"));
    let output = run(folder.path(), &["readings", "s2", "--with-file"]).await;
    let table = stdout(&output);
    assert!(
        table.contains(&format!("{id}  sensors  incoming/lab/a b.csv")),
        "{table}"
    );
    let short = stdout(&run(folder.path(), &["readings", "s2"]).await);
    assert!(
        short.contains(&id.short().to_string()) && !short.contains("lab"),
        "{short}"
    );
}

/// What the command takes of memory when it has printed nearly all of so many readings.
async fn peak(count: i64) -> u64 {
    let folder = database(count).await;
    let mut command = landfall(folder.path(), &["readings", "s1", "--format", "json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let last = 2_000;
    let count = usize::try_from(count).unwrap() - last;
    assert_eq!(lines.by_ref().take(count).count(), count);
    // It waits for the rest to be read.
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    assert_eq!(lines.count(), last);
    assert!(child.wait().unwrap().success());
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().trim_end_matches(" kB");
    peak.parse().unwrap()
}

#[tokio::test]
async fn memory_does_not_grow_with_the_readings() {
    let (few, many) = (peak(5_000).await, peak(300_000).await);
    assert!(many < few + 8_192, "{many} KiB, and {few} KiB for few");
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
