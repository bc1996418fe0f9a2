use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use proto::FileId;
use rusqlite::Connection;
use store::readings::{Query, Reading};
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

async fn open(path: &Path) -> Arc<sqlite::Readings> {
    Arc::new(sqlite::Readings::open(path).await.unwrap())
}

fn log_size(path: &Path) -> u64 {
    let log = path.with_extension("db-wal");
    std::fs::metadata(log).unwrap().len()
}

/// Writes 24 files, from the `first` on, by each writer in turn: enough for the log to begin anew
/// several times if it is kept short. Answers how long it has become.
async fn load(path: &Path, writers: &[Arc<sqlite::Readings>], first: i64) -> u64 {
    for number in first..first + 24 {
        let file = FileId::from_bytes([7; 16]);
        let writer = &writers[usize::try_from(number).unwrap() % writers.len()];
        writer.write(file, scattered(number)).await.unwrap();
    }
    log_size(path)
}

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_under_steady_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.db");
    let size = load(&path, &[open(&path).await], 0).await;
    assert!(size < 32 * MIB, "{size}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_while_two_write_and_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.db");
    let writers = [open(&path).await, open(&path).await];
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|number: u32| {
            let (stop, store) = (Arc::clone(&stop), Arc::clone(&writers[0]));
            tokio::spawn(async move {
                let mut reads = 0;
                while !stop.load(Ordering::Relaxed) {
                    let query = Query {
                        sensor: number.to_string(),
                        ..Query::default()
                    };
                    store.page(&query, None, 1_000).await.unwrap();
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    let size = load(&path, &writers, 0).await;
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 10, "readers went on");
    }
    assert!(size < 128 * MIB, "{size}");
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
    reader.execute_batch("BEGIN").unwrap();
    let rows = |_: &rusqlite::Row<'_>| Ok(());
    reader
        .query_row("SELECT count(*) FROM reading", [], rows)
        .unwrap();
    let grown = load(&path, &[Arc::clone(&store)], 0).await;
    assert!(grown > 64 * MIB, "a reader keeps the log: {grown}");
    reader.execute_batch("COMMIT").unwrap();
    let size = load(&path, &[store], 24).await;
    assert!(size <= 64 * MIB, "{size}");
}
