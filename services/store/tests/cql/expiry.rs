//! Readings with a time to live.

use std::time::Duration;

use proto::FileId;
use store::Readings as _;
use store::cql::Plan;
use store::readings::{Query, Reading};

use crate::keyspaces::{Keyspaces, plan};
use crate::server;

const TTL: Duration = Duration::from_secs(5);

fn reading() -> Reading {
    Reading {
        sensor: "a".into(),
        metric: "value".into(),
        time: jiff::Timestamp::UNIX_EPOCH,
        value: 1.0,
        write_timestamp: 1,
    }
}

fn of_a() -> Query {
    Query {
        sensor: "a".to_owned(),
        ..Query::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_go_when_their_time_is_over() {
    let keyspaces = Keyspaces::of(Plan {
        ttl: Some(TTL),
        window: Duration::from_secs(60),
        ..plan()
    });
    let store = keyspaces.shared_readings().await;
    let file = FileId::from_bytes([1; 16]);
    let query = of_a();
    let begin = std::time::Instant::now();
    store.write(file, vec![reading()]).await.unwrap();
    let before = store.page(&query, None, 10).await.unwrap().len();
    // A machine that is slow enough finds it gone already.
    assert!(before == 1 || begin.elapsed() > TTL, "{before}");
    let gone = async { while !store.page(&query, None, 10).await.unwrap().is_empty() {} };
    tokio::time::timeout(Duration::from_secs(60), gone)
        .await
        .unwrap();
    assert!(begin.elapsed() > TTL - Duration::from_secs(1));
    assert_eq!(store.count(file).await.unwrap(), 0);
}

/// Beyond 2038, which Cassandra cannot say: nothing is written, and that is no fault of the file.
/// `ScyllaDB` can.
#[tokio::test(flavor = "multi_thread")]
async fn a_time_to_live_that_the_database_cannot_keep_is_an_outage_that_names_the_setting() {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    let keyspaces = Keyspaces::of(Plan {
        ttl: Some(15 * YEAR),
        window: YEAR,
        ..plan()
    });
    let store = keyspaces.shared_readings().await;
    let written = store
        .write(FileId::from_bytes([1; 16]), vec![reading()])
        .await;
    if server::is_scylla().await {
        written.unwrap();
        assert_eq!(store.page(&of_a(), None, 10).await.unwrap().len(), 1);
        return;
    }
    let Err(store::Error::Away { reason, .. }) = written else {
        panic!("{written:?}")
    };
    assert!(reason.contains("`store.cql.ttl`"), "{reason}");
}
