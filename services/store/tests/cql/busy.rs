//! A node that does what it is asked without a word, or has no time for it: what is written is
//! right, and nothing is acknowledged that is not.

use std::sync::Arc;

use futures::future::try_join_all;
use jiff::Timestamp;
use proto::FileId;
use store::readings::{Query, Reading};
use store::{Error, Readings};

use crate::keyspaces::Keyspaces;
use crate::proxy::{Proxy, Trouble};
use crate::server;

const SENSORS: i64 = 40;

async fn readings() -> (Proxy, Arc<dyn Readings>) {
    let server = server::access().await;
    let proxy = Proxy::start(&server.nodes[0]).await;
    let keyspaces = Keyspaces::new();
    keyspaces.readings(&server).await;
    let readings = keyspaces.readings(&server::access_to(&proxy.address)).await;
    (proxy, readings)
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
    for written in futures::future::join_all(files).await {
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
