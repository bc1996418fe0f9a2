//! A node that does what it is asked without a word, or has no time for it: what is written is
//! right, and nothing is acknowledged that is not.

use std::process::Command;
use std::sync::Arc;

use conformance::journal::event;
use faulty_cql::{Proxy, Trouble};
use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use proto::FileId;
use store::journal::Cell;
use store::readings::{Query, Reading};
use store::{Error, Journal, Readings};

use crate::keyspaces::Keyspaces;
use crate::server;

const SENSORS: i64 = 40;
/// Seconds of a large file.
const MANY: i64 = 5_000;
/// MiB that writing it may take beside its readings: the buffer has 5.
const BOUND: u64 = 16;

async fn readings() -> (Proxy, Arc<dyn Readings>) {
    let server = server::access_for_wires().await;
    let proxy = Proxy::start(&server.nodes[0]).await.unwrap();
    let keyspaces = Keyspaces::new();
    keyspaces.readings(&server).await;
    let readings = keyspaces
        .readings(&server::access_to(&proxy.address.to_string()))
        .await;
    (proxy, readings)
}

/// A journal, behind the same wire.
async fn journal(proxy: &Proxy) -> Arc<dyn Journal> {
    let keyspaces = Keyspaces::new();
    keyspaces.journal(&server::access_for_wires().await).await;
    keyspaces
        .journal(&server::access_to(&proxy.address.to_string()))
        .await
}

fn file(number: i64) -> FileId {
    FileId::from_bytes(i128::from(number).to_be_bytes())
}

/// Readings of all sensors in turn, a second apart. Later files write later.
fn content(file: i64, seconds: std::ops::Range<i64>) -> Vec<Reading> {
    let rows = seconds.flat_map(|second| (0..SENSORS).map(move |sensor| (second, sensor)));
    let reading = |(second, sensor)| Reading {
        sensor: format!("{sensor}").into(),
        metric: "value".into(),
        time: Timestamp::from_second(second).unwrap(),
        value: value(file, second),
        write_timestamp: 1_000 + file,
    };
    rows.map(reading).collect()
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn value(file: i64, second: i64) -> f64 {
    (file * 1_000_000 + second) as f64
}

/// Each sensor has, newest first, exactly these (second, file).
async fn holds(readings: &Arc<dyn Readings>, expected: &[(i64, i64)]) {
    for sensor in 0..SENSORS {
        let query = Query {
            sensor: sensor.to_string(),
            ..Query::default()
        };
        let page = readings.page(&query, None, 100_000).await.unwrap();
        let page = page.iter();
        let found = page.map(|row| (row.time.as_second(), row.value, row.file));
        let expected = expected.iter();
        let expected = expected.map(|(second, of)| (*second, value(*of, *second), file(*of)));
        assert!(found.eq(expected), "sensor {sensor}");
    }
}

/// Files at once whose record is written while requests are in trouble, by two who have the message:
/// each has one outcome, that which both were told, with the mark that came first.
async fn have_one_outcome(proxy: &Proxy, trouble: Trouble) {
    let journal = journal(proxy).await;
    proxy.trouble_executions(8, trouble);
    let record = async |number: u64| {
        let outcomes = ["first", "second"].map(|reason| event(number, 0, reason));
        let cell = Cell::of(&outcomes[0]);
        let first = journal.settle(&outcomes[0]).await.unwrap();
        assert_eq!((&first.event, first.published), (&outcomes[0], None));
        journal.mark_published(cell, number + 1).await.unwrap();
        let second = journal.settle(&outcomes[1]).await.unwrap();
        assert_eq!(second.event, outcomes[0], "{number}");
        assert_eq!(second.published, Some(number + 1));
        journal.mark_published(cell, number + 100).await.unwrap();
        (cell, second)
    };
    let recorded = join_all((0..8).map(record)).await;
    assert!(proxy.is_over(), "fewer requests were in trouble");
    for (cell, settled) in recorded {
        assert_eq!(journal.settled(cell).await.unwrap(), Some(settled));
    }
    let page = journal.unpublished(Timestamp::MAX, None, 10).await.unwrap();
    assert_eq!(page.outcomes, []);
}

/// MiB of this process: what it has now, and the most since it was told to forget that.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.unwrap().trim_matches([':', ' ', '\t', 'k', 'B']);
    kib.parse::<u64>().unwrap() / 1024
}

/// In a process of its own, since what other tests take is the same process's. What is refused is
/// tried again while all that comes behind it waits; what is not answered is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_takes_little_memory_however_busy_the_node_is() {
    const ALONE: &str = "LANDFALL_TEST_STORE_ALONE";
    const NAME: &str = "busy::a_large_file_takes_little_memory_however_busy_the_node_is";
    if std::env::var(ALONE).is_err() {
        let server = &server::access_for_wires().await.nodes[0];
        let mut alone = Command::new(std::env::current_exe().unwrap());
        alone.args([NAME, "--exact", "--nocapture"]);
        alone.env(ALONE, "").env("LANDFALL_TEST_CQL", server);
        let ended = tokio::task::spawn_blocking(move || alone.output()).await;
        let ended = ended.unwrap().unwrap();
        println!("{}", String::from_utf8_lossy(&ended.stdout));
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
        return;
    }
    let (proxy, readings) = readings().await;
    readings.write(file(0), content(0, 0..100)).await.unwrap();
    for (number, trouble) in [(1, Trouble::Overloaded), (2, Trouble::Unanswered)] {
        let content = content(number, 0..MANY);
        let before = memory("VmRSS");
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        proxy.trouble(60, trouble);
        readings.write(file(number), content).await.unwrap();
        let most = memory("VmHWM").saturating_sub(before);
        println!("{trouble:?}: it took {most} MiB beside its readings, and may take {BOUND}");
        assert!(most <= BOUND, "{most} MiB");
        assert!(proxy.is_over(), "fewer batches were in trouble");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_without_an_answer_is_written_again_and_changes_nothing() {
    let (proxy, readings) = readings().await;
    proxy.trouble(10, Trouble::Unanswered);
    let writing = {
        let readings = Arc::clone(&readings);
        tokio::spawn(async move { readings.write(file(1), content(1, 0..300)).await })
    };
    let until = async {
        while !proxy.is_over() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), until).await;
    waited.unwrap();
    // A later file overrides some of it before it is written again.
    readings.write(file(2), content(2, 100..200)).await.unwrap();
    writing.await.unwrap().unwrap();
    let of = |second: i64| if (100..200).contains(&second) { 2 } else { 1 };
    let expected: Vec<_> = (0..300).rev().map(|second| (second, of(second))).collect();
    holds(&readings, &expected).await;
    have_one_outcome(&proxy, Trouble::Unanswered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_overloaded_node_refuses_is_written_once_it_has_time() {
    let (proxy, readings) = readings().await;
    proxy.trouble(30, Trouble::Overloaded);
    // Files at once, whose rows share batches: each of them overlaps the one before by a half.
    let files = (0..8).map(|number| {
        let readings = &readings;
        async move {
            let seconds = number * 50..number * 50 + 100;
            readings.write(file(number), content(number, seconds)).await
        }
    });
    try_join_all(files).await.unwrap();
    assert!(proxy.is_over(), "fewer batches were refused");
    let expected: Vec<_> = (0..450)
        .rev()
        .map(|second| (second, (second / 50).min(7)))
        .collect();
    holds(&readings, &expected).await;
    let counts = (0..8).map(|number| readings.count(file(number)));
    let counts = try_join_all(counts).await.unwrap();
    let half = 50 * u64::try_from(SENSORS).unwrap();
    assert_eq!(counts, [half, half, half, half, half, half, half, 2 * half]);
    have_one_outcome(&proxy, Trouble::Overloaded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stays_overloaded_is_away_and_no_file_is_taken_for_written() {
    let (proxy, readings) = readings().await;
    // What says where readings are is in the first batches, and they are let through.
    readings.write(file(1), content(1, 0..1)).await.unwrap();
    proxy.trouble_all(Trouble::Overloaded);
    let files = (1..4).map(|number| {
        let readings = Arc::clone(&readings);
        async move { readings.write(file(number), content(number, 0..500)).await }
    });
    for written in join_all(files).await {
        match written {
            Err(Error::Away { reason, .. }) => assert!(reason.contains("too much"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    proxy.calm();
    for number in 1..4 {
        let content = content(number, 0..500);
        readings.write(file(number), content).await.unwrap();
    }
    let expected: Vec<_> = (0..500).rev().map(|second| (second, 3)).collect();
    holds(&readings, &expected).await;
}
