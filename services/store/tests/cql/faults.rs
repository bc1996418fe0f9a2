use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use conformance::journal::event;
use faulty_cql::Proxy;
use jiff::Timestamp;
use proto::FileId;
use servers::Cassandra;
use servers::cassandra::Options;
use store::journal::Cell;
use store::readings::Reading;
use store::{Error, Journal, Readings};

use crate::keyspaces::Keyspaces;
use crate::server;

/// Of one file.
const READINGS: i64 = 2_000;

/// Writes files and settles their outcomes, one after the other, each until it is acknowledged.
struct Writer {
    journal: Arc<dyn Journal>,
    readings: Arc<dyn Readings>,
    acknowledged: AtomicU64,
    outages: AtomicU64,
    ends: AtomicBool,
}

impl Writer {
    async fn write(&self) {
        let mut number = 0;
        while !self.ends.load(Ordering::Relaxed) {
            let written = async {
                self.readings.write(file(number), content(number)).await?;
                self.journal.settle(&event(number, 0, "")).await?;
                let cell = Cell::of(&event(number, 0, ""));
                self.journal.mark_published(cell, number + 1).await
            };
            match written.await {
                Ok(()) => {
                    number += 1;
                    self.acknowledged.store(number, Ordering::Relaxed);
                }
                Err(Error::Away { .. }) => {
                    self.outages.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(120), waiting).await;
        waited.unwrap();
    }
}

fn file(number: u64) -> FileId {
    Cell::of(&event(number, 0, "")).file
}

fn content(number: u64) -> Vec<Reading> {
    let reading = |second: i64| Reading {
        sensor: format!("{number}-{}", second % 7).into(),
        metric: "value".into(),
        time: Timestamp::from_second(second).unwrap(),
        value: 1.0,
        write_timestamp: 1,
    };
    (0..READINGS).map(reading).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_the_server_is_killed_is_there_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let started = Cassandra::start(folder.path(), Options::default()).await;
    let mut cassandra = started.unwrap();
    let access = server::access_to(&cassandra.address());
    let keyspaces = Keyspaces::new();
    let writer = Arc::new(Writer {
        journal: keyspaces.journal(&access).await,
        readings: keyspaces.readings(&access).await,
        acknowledged: AtomicU64::new(0),
        outages: AtomicU64::new(0),
        ends: AtomicBool::new(false),
    });
    let acknowledged = |writer: &Writer| writer.acknowledged.load(Ordering::Relaxed);
    let of_task = Arc::clone(&writer);
    let writing = tokio::spawn(async move { of_task.write().await });
    writer.until(|writer| acknowledged(writer) > 20).await;

    cassandra.kill().await;
    let outage = |writer: &Writer| writer.outages.load(Ordering::Relaxed) > 0;
    writer.until(outage).await;
    let before = acknowledged(&writer);
    cassandra.restart().await.unwrap();
    writer
        .until(|writer| acknowledged(writer) > before + 20)
        .await;
    writer.ends.store(true, Ordering::Relaxed);
    writing.await.unwrap();

    for number in 0..acknowledged(&writer) {
        let count = writer.readings.count(file(number)).await.unwrap();
        assert_eq!(count, READINGS.unsigned_abs(), "{number}");
        let cell = Cell::of(&event(number, 0, ""));
        let settled = writer.journal.settled(cell).await.unwrap().unwrap();
        assert_eq!(settled.published, Some(number + 1));
    }
}

/// A node that is stopped, or a wire that passes nothing on: the driver would wait for minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_connections_and_says_nothing_is_away_before_long() {
    let silent = Proxy::silent().await.unwrap();
    let plan = Keyspaces::new().plan;
    let access = server::access_to(&silent.address.to_string());
    let opening = store::cql::Readings::open(&access, &plan);
    let opened = tokio::time::timeout(Duration::from_secs(45), opening).await;
    let opened = opened.expect("it gives up").err();
    assert!(matches!(opened, Some(Error::Away { .. })), "{opened:?}");
}
