use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use proto::FileId;
use rusqlite::Connection;
use store::readings::Reading;
use store::{Readings, sqlite};

/// 10,000 readings, one of each sensor in turn: nearly every page of the file.
fn scattered(number: i64) -> Vec<Reading> {
    let reading = |row: i64| Reading {
        sensor: format!("{}", row % 1_000).into(),
        metric: "value".into(),
        time: Timestamp::from_second(number * 10_000 + row).unwrap(),
        value: 1.0,
        write_timestamp: 1,
    };
    (0..10_000).map(reading).collect()
}

async fn open(path: &Path) -> sqlite::Readings {
    sqlite::Readings::open(path).await.unwrap()
}

fn log_size(path: &Path) -> u64 {
    let log = path.with_extension("db-wal");
    std::fs::metadata(log).unwrap().len()
}

/// Writes 24 files, from the `first` on: enough for the log to begin anew several times if it is
/// kept short. Answers how long it has become.
async fn load(path: &Path, writer: &sqlite::Readings, first: i64) -> u64 {
    let file = FileId::from_bytes([7; 16]);
    for number in first..first + 24 {
        // SQLite gives its lock to whoever happens to ask: of two who write all the time one may
        // get none for seconds, which is an outage to it, and over by itself.
        while let Err(error) = writer.write(file, scattered(number)).await {
            assert!(matches!(error, store::Error::Away { .. }), "{error:?}");
        }
    }
    log_size(path)
}

fn begin_to_read(reader: &Connection) {
    let begin = "BEGIN; SELECT max(id) FROM series";
    reader.execute_batch(begin).unwrap();
}

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_under_steady_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.db");
    let size = load(&path, &open(&path).await, 0).await;
    assert!(size < 32 * MIB, "{size}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_while_two_write_and_somebody_always_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.db");
    let (a, b) = (open(&path).await, open(&path).await);
    let readers = [
        Connection::open(&path).unwrap(),
        Connection::open(&path).unwrap(),
    ];
    let reading = tokio::spawn(async move {
        // Each begins before the other one ends.
        begin_to_read(&readers[0]);
        loop {
            for turn in [1, 0] {
                begin_to_read(&readers[turn]);
                // The reading.
                tokio::time::sleep(Duration::from_millis(10)).await;
                readers[1 - turn].execute_batch("COMMIT").unwrap();
            }
        }
    });
    let (a, b) = tokio::join!(load(&path, &a, 0), load(&path, &b, 24));
    assert!(!reading.is_finished(), "readers go on");
    reading.abort();
    let size = a.max(b);
    assert!(size < 256 * MIB, "{size}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_short_again_after_a_long_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.db");
    let store = open(&path).await;
    store
        .write(FileId::from_bytes([7; 16]), scattered(-1))
        .await
        .unwrap();
    let reader = Connection::open(&path).unwrap();
    begin_to_read(&reader);
    let grown = load(&path, &store, 0).await;
    assert!(grown > 64 * MIB, "a reader keeps the log: {grown}");
    reader.execute_batch("COMMIT").unwrap();
    let size = load(&path, &store, 24).await;
    assert!(size <= 64 * MIB, "{size}");
}
