//! Readings in many buckets.

use std::time::Duration;

use conformance::readings;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use proto::FileId;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::value::CqlTimestamp;
use store::Readings;
use store::cql::Plan;
use store::readings::{Query, Reading, Stored};
use uuid::Uuid;

use crate::keyspaces::{Keyspaces, plan};
use crate::server::session;

fn small_buckets() -> Keyspaces {
    Keyspaces::of(Plan {
        bucket: Duration::from_secs(4),
        ..plan()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_from_bucket_to_bucket() {
    readings::pages_together_are_the_whole(&small_buckets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_bounded_within_a_bucket() {
    readings::a_query_has_bounds(&small_buckets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_on_the_bounds_of_small_buckets_are_read_once() {
    readings::readings_on_the_bounds_of_buckets_are_read_once(&small_buckets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_without_number_between_two_readings_cost_nothing() {
    readings::readings_that_lie_far_apart_are_found_at_once(&small_buckets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_whose_readings_are_gone_are_passed_over() {
    let keyspaces = small_buckets();
    let store = keyspaces.shared_readings().await;
    let session = session().await;
    // More than are looked up at once, before the readings and after them.
    let insert = format!(
        "INSERT INTO {}.buckets (sensor_id, metric, bucket) VALUES ('s', ?, ?)",
        keyspaces.plan.readings
    );
    let insert = session.prepare(insert).await.unwrap();
    for metric in ["value", "gone"] {
        for bucket in (-300..300).map(|number| CqlTimestamp(number * 4_000)) {
            let inserted = session.execute_unpaged(&insert, (metric, bucket)).await;
            inserted.unwrap();
        }
    }
    let reading = |second| Reading {
        sensor: "s".into(),
        metric: "value".into(),
        time: Timestamp::from_second(second).unwrap(),
        value: 1.0,
        write_timestamp: 1,
    };
    let file = FileId::from_bytes([1; 16]);
    let written = store.write(file, vec![reading(-40), reading(40)]);
    written.await.unwrap();
    let series = store.series("s").await.unwrap();
    let [value] = &series[..] else {
        panic!("{series:?}")
    };
    let ends = (value.first.as_second(), value.latest.time.as_second());
    assert_eq!(ends, (-40, 40));
    let query = Query {
        sensor: "s".to_owned(),
        ..Query::default()
    };
    let page = store.page(&query, None, 2).await.unwrap();
    let times: Vec<i64> = page.iter().map(|row| row.time.as_second()).collect();
    assert_eq!(times, [40, -40]);
    let rest = store.page(&query, page.last(), 2).await.unwrap();
    assert_eq!(rest, []);
}

/// Page by page, with more buckets than are looked up or read at once, of metrics that do not have
/// the same ones.
#[tokio::test(flavor = "multi_thread")]
async fn many_buckets_of_uneven_metrics_are_read_whole_and_in_order() {
    let store = small_buckets().shared_readings().await;
    let mut expected = vec![];
    let mut readings = vec![];
    for (metric, every, count) in [
        ("a", 4, 700),
        ("b", 40, 300),
        ("c", 1, 900),
        ("d", 9_000, 3),
    ] {
        for number in 0..count {
            let second = number * every - 1_000;
            expected.push((second, metric.to_owned()));
            readings.push(Reading {
                sensor: "s".into(),
                metric: metric.into(),
                time: Timestamp::from_second(second).unwrap(),
                value: 1.0,
                write_timestamp: 1,
            });
        }
    }
    expected.sort_by(|(a_time, a), (b_time, b)| b_time.cmp(a_time).then(a.cmp(b)));
    store
        .write(FileId::from_bytes([1; 16]), readings)
        .await
        .unwrap();
    let query = Query {
        sensor: "s".to_owned(),
        ..Query::default()
    };
    for size in [97, 1_000, 5_000] {
        let mut all: Vec<Stored> = vec![];
        loop {
            let page = store.page(&query, all.last(), size).await.unwrap();
            let full = page.len() == size;
            all.extend(page);
            if !full {
                break;
            }
        }
        let all = all
            .into_iter()
            .map(|row| (row.time.as_second(), row.metric));
        assert_eq!(all.collect::<Vec<_>>(), expected, "in pages of {size}");
    }
}

fn reading_of(sensor: &str) -> Reading {
    Reading {
        sensor: sensor.into(),
        metric: "value".into(),
        time: Timestamp::UNIX_EPOCH,
        value: 1.0,
        write_timestamp: 1,
    }
}

/// As a file is noted that comes again and again while the settings of memory change: so often that
/// there are more notes than are looked at in one pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_again_in_other_parts_is_counted_and_taken_out_once() {
    const SENSORS: usize = 1_000;
    let keyspaces = Keyspaces::new();
    let store = keyspaces.shared_readings().await;
    let reading = |sensor| reading_of(&format!("sensor-{sensor}"));
    let readings: Vec<Reading> = (0..SENSORS).map(reading).collect();
    let [file, other] = [1, 2].map(|number| FileId::from_bytes([number; 16]));
    store.write(other, vec![reading(SENSORS)]).await.unwrap();
    for part in [SENSORS, 301] {
        for readings in readings.chunks(part) {
            store.write(file, readings.to_vec()).await.unwrap();
        }
        assert_eq!(store.count(file).await.unwrap(), SENSORS as u64);
    }

    let session = session().await;
    let insert = format!(
        "INSERT INTO {}.files (file, shard, list, partitions) VALUES (?, ?, ?, ?)",
        keyspaces.plan.readings
    );
    let insert = session.prepare(insert).await.unwrap();
    let partition = |sensor| (format!("sensor-{sensor}"), "value", CqlTimestamp(0));
    let partitions: Vec<_> = (0..SENSORS).map(partition).collect();
    for number in 0..240_i32 {
        let list = Uuid::from_u128(u128::from(number.unsigned_abs()));
        let values = (
            Uuid::from_bytes(file.bytes()),
            number % 8,
            list,
            &partitions,
        );
        session.execute_unpaged(&insert, values).await.unwrap();
    }
    assert_eq!(store.count(file).await.unwrap(), SENSORS as u64);
    assert_eq!(store.retract(file, i64::MAX).await.unwrap(), SENSORS as u64);
    assert_eq!(store.count(file).await.unwrap(), 0);
    assert_eq!(store.count(other).await.unwrap(), 1);
}

/// More than the server reads past. It is for whoever counted to hear of, and no outage: other
/// partitions are read as ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_full_of_deletions_is_said_and_is_no_outage() {
    let keyspaces = Keyspaces::new();
    let store = keyspaces.shared_readings().await;
    let [buried, well] = [1, 2].map(|number| FileId::from_bytes([number; 16]));
    store.write(buried, vec![reading_of("s")]).await.unwrap();
    store.write(well, vec![reading_of("other")]).await.unwrap();
    let session = session().await;
    let delete = format!(
        "DELETE FROM {}.readings
         WHERE sensor_id = 's' AND metric = 'value' AND bucket = 0 AND ts = ?",
        keyspaces.plan.readings
    );
    let delete = session.prepare(delete).await.unwrap();
    let times: Vec<_> = (1..100_100).map(|time| (CqlTimestamp(time),)).collect();
    let batches = futures::stream::iter(times.chunks(100)).map(|times| {
        let statements = vec![BatchStatement::from(delete.clone()); times.len()];
        let batch = Batch::new_with_statements(BatchType::Unlogged, statements);
        let session = &session;
        async move { session.batch(&batch, times).await }
    });
    let deleted: Vec<_> = batches.buffer_unordered(32).try_collect().await.unwrap();
    assert_eq!(deleted.len(), 1_001);
    let refused = store.count(buried).await;
    let Err(store::Error::Broken(why)) = refused else {
        panic!("{refused:?}")
    };
    assert!(why.contains("tombstone_failure_threshold"), "{why}");
    assert_eq!(store.count(well).await.unwrap(), 1);
}
