use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use futures::future::join_all;
use jiff::Timestamp;
use proto::FileId;
use store::journal::Register;
use store::readings::Reading;
use store::{Journal, Readings, sqlite};

use crate::child;

/// What a child does until it is killed: writes registers and readings in many tasks, and prints
/// the number of each that was acknowledged.
pub(crate) async fn write(folder: &Path) {
    let journal = sqlite::Journal::open(&folder.join("journal.db"))
        .await
        .unwrap();
    let readings = sqlite::Readings::open(&folder.join("readings.db"))
        .await
        .unwrap();
    let mine = u64::from(std::process::id()) << 32;
    let tasks = (0..16).map(|task| {
        let (journal, readings) = (&journal, &readings);
        async move {
            for number in (mine + task..).step_by(16) {
                let register = Register::new("number", number.to_string());
                journal
                    .create(&register, &number.to_be_bytes())
                    .await
                    .unwrap();
                readings.write(file(number), content(number)).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "number {number}").unwrap();
                out.flush().unwrap();
            }
        }
    });
    join_all(tasks).await;
}

fn file(number: u64) -> FileId {
    FileId::from_bytes(u128::from(number).to_be_bytes())
}

fn content(number: u64) -> Vec<Reading> {
    let reading = |second| Reading {
        sensor: format!("{number}").into(),
        metric: "value".into(),
        time: Timestamp::from_second(second).unwrap(),
        value: 1.0,
        write_timestamp: 1,
    };
    (0..20).map(reading).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_the_writer_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<u64> = vec![];
    // Again and again on the same files, each time with what the killed one left.
    for lines in [1, 50, 200, 333] {
        let mut child = child::command("write", folder.path()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let number = |line: &str| line.strip_prefix("number ")?.parse().ok();
        let mut seen = 0;
        let mut line = String::new();
        while seen < lines && out.read_line(&mut line).unwrap() > 0 {
            if let Some(number) = number(line.trim_end()) {
                acknowledged.push(number);
                seen += 1;
            }
            line.clear();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        // A line that the kill cut off has no end.
        let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
        acknowledged.extend(whole.lines().filter_map(number));
    }
    assert!(acknowledged.len() >= 584);

    let journal = sqlite::Journal::open(&folder.path().join("journal.db"))
        .await
        .unwrap();
    let readings = sqlite::Readings::open(&folder.path().join("readings.db"))
        .await
        .unwrap();
    for number in acknowledged {
        let register = Register::new("number", number.to_string());
        let entry = journal.read(&register).await.unwrap().unwrap();
        assert_eq!(entry.value, number.to_be_bytes());
        let sensor = store::readings::Query {
            sensor: number.to_string(),
            ..Default::default()
        };
        let stored = readings.page(&sensor, None, 100).await.unwrap();
        assert_eq!(stored.len(), 20, "{number}");
    }
}
