//! What a database of readings must do.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use proto::FileId;

use super::{Stores, wait};
use crate::Readings;
use crate::readings::{Query, Reading, Stored};
use crate::write_timestamp::WriteTimestamps;

/// Each case by name.
#[doc(hidden)]
#[macro_export]
macro_rules! readings_cases {
    ($test:path, $stores:expr) => {
        $test! { readings, $stores,
            whatever_the_order_and_however_often_files_are_written_the_last_wins
            at_equal_write_timestamps_the_bigger_value_stays
            pages_together_are_the_whole
            a_query_has_bounds
            every_time_and_every_value_is_kept
            names_are_kept_apart
            what_is_not_finite_is_refused
            nothing_written_is_nothing_read
            a_file_of_many_readings_is_written_whole
            two_openings_write_and_read_the_same
        }
    };
}

/// A file, or a replay of one: cells (sensor, metric, second), a value each, in parts.
#[derive(Clone, Debug)]
struct Version {
    file: u8,
    order: i64,
    replay: u32,
    parts: Vec<Vec<((u8, u8, u8), f64)>>,
}

/// Against a model: of the readings of one cell, the one with the latest order time stays, then
/// the latest replay, then the latest part. Each part is written once or more, in any order, many
/// at once, at two openings.
pub async fn whatever_the_order_and_however_often_files_are_written_the_last_wins(
    stores: &impl Stores,
) {
    let replicas = [stores.readings().await, stores.readings().await];
    let cell = (0..3_u8, 0..2_u8, 0..6_u8);
    let part = prop::collection::btree_map(cell, -1e9..1e9_f64, 0..10);
    let parts = prop::collection::vec(part.prop_map(|part| part.into_iter().collect()), 1..4);
    let version = (0..5_u8, 0..3_u32, parts).prop_map(|(file, replay, parts)| Version {
        file,
        // Each file has an order time of its own, in another order than their ids.
        order: 1_700_000_000 + i64::from(file * 3 % 5),
        replay,
        parts,
    });
    let versions = prop::collection::vec(version, 1..8).prop_map(|mut versions| {
        versions.sort_by_key(|version| (version.file, version.replay));
        versions.dedup_by_key(|version| (version.file, version.replay));
        versions
    });
    let deliveries = prop::collection::vec(any::<prop::sample::Index>(), 0..20);
    let strategy = (versions, deliveries, any::<u64>());
    let runs = std::cell::Cell::new(0_u32);
    let mut runner = TestRunner::new(Config::with_cases(40));
    runner
        .run(&strategy, |(versions, again, seed)| {
            // Sensors of its own for each run, so that one database is enough.
            let run = runs.replace(runs.get() + 1);
            let write = |(version, part): (&Version, usize)| {
                (file_id(run, version.file), readings_of(run, version, part))
            };
            let all: Vec<(&Version, usize)> = versions
                .iter()
                .flat_map(|version| (0..version.parts.len()).map(move |part| (version, part)))
                .collect();
            let again = again.iter().map(|index| *index.get(&all));
            let deliveries = all.iter().copied().chain(again).map(write).collect();
            wait(deliver(&replicas, shuffled(deliveries, seed)));
            check_against_model(&replicas[0], run, &versions);
            Ok(())
        })
        .unwrap();
}

fn readings_of(run: u32, version: &Version, part: usize) -> Vec<Reading> {
    let order = Timestamp::from_second(version.order).unwrap();
    let file = file_id(run, version.file);
    let parts = version.parts.len().try_into().unwrap();
    let timestamps = WriteTimestamps::new(order, file, version.replay, parts, order).unwrap();
    let write_timestamp = timestamps.part(part.try_into().unwrap()).unwrap();
    let cells = version.parts[part].iter();
    cells
        .map(|((sensor, metric, second), value)| Reading {
            sensor: format!("run {run}, sensor {sensor}").into(),
            metric: metric.to_string().into(),
            time: Timestamp::from_second((*second).into()).unwrap(),
            value: *value,
            write_timestamp,
        })
        .collect()
}

async fn deliver(replicas: &[Arc<dyn Readings>; 2], deliveries: Vec<(FileId, Vec<Reading>)>) {
    let writes = deliveries
        .into_iter()
        .enumerate()
        .map(|(number, (file, readings))| replicas[number % 2].write(file, readings));
    for written in join_all(writes).await {
        written.unwrap();
    }
}

fn check_against_model(store: &Arc<dyn Readings>, run: u32, versions: &[Version]) {
    let mut model: BTreeMap<(u8, u8, u8), ((i64, u32, usize), f64, FileId)> = BTreeMap::new();
    for version in versions {
        for (number, part) in version.parts.iter().enumerate() {
            let rank = (version.order, version.replay, number);
            for (cell, value) in part {
                let row = (rank, *value, file_id(run, version.file));
                let held = model.entry(*cell).or_insert(row);
                if rank > held.0 {
                    *held = row;
                }
            }
        }
    }
    for sensor in 0..3 {
        let mut expected: Vec<(i64, u8, f64, FileId)> = model
            .iter()
            .filter(|((of, ..), _)| *of == sensor)
            .map(|((_, metric, second), (_, value, file))| {
                (i64::from(*second), *metric, *value, *file)
            })
            .collect();
        expected.sort_by_key(|(second, metric, ..)| (-second, *metric));
        let query = Query {
            sensor: format!("run {run}, sensor {sensor}"),
            ..Query::default()
        };
        let stored: Vec<(i64, u8, f64, FileId)> = wait(store.page(&query, None, 1_000))
            .unwrap()
            .into_iter()
            .map(|row| {
                let metric = row.metric.parse().unwrap();
                (row.time.as_second(), metric, row.value, row.file)
            })
            .collect();
        assert_eq!(stored, expected);
    }
    for file in 0..5 {
        let id = file_id(run, file);
        let expected = model.values().filter(|(.., of)| *of == id).count();
        assert_eq!(wait(store.count(id)).unwrap(), expected as u64);
    }
}

/// Bigger byte by byte; in whatever order they come.
pub async fn at_equal_write_timestamps_the_bigger_value_stays(stores: &impl Stores) {
    let store = stores.readings().await;
    // From the smallest to the biggest.
    let values = [
        0.0,
        f64::from_bits(1),
        0.5,
        1.0,
        1e300,
        -f64::from_bits(1),
        -0.5,
        -1.0,
        -1e300,
    ];
    let pairs = (0..values.len()).flat_map(|a| (0..values.len()).map(move |b| (a, b)));
    for (number, (a, b)) in (0..).zip(pairs) {
        let metric: Arc<str> = format!("{number:03}").into();
        for (file, value) in [(1, values[a]), (2, values[b])] {
            let reading = Reading {
                metric: Arc::clone(&metric),
                value,
                ..reading("s", 0, 7)
            };
            store.write(file_id(0, file), vec![reading]).await.unwrap();
        }
        let query = Query {
            metric: Some(metric.to_string()),
            ..all_of("s")
        };
        let stored = store.page(&query, None, 2).await.unwrap();
        assert_eq!(stored.len(), 1);
        let expected = values[a.max(b)];
        assert_eq!(stored[0].value.to_bits(), expected.to_bits(), "{a} and {b}");
        assert!([file_id(0, 1), file_id(0, 2)].contains(&stored[0].file));
    }
}

/// Whatever their size, whatever lies at the same time.
pub async fn pages_together_are_the_whole(stores: &impl Stores) {
    let store = stores.readings().await;
    let mut expected = vec![];
    let mut readings = vec![];
    // Metrics that are sparse in different ways, and whose order by bytes is not that by length.
    for (step, metric) in [(1, "b"), (2, "a"), (3, "ab"), (5, "B"), (40, "ä")] {
        for second in (0..40).step_by(step) {
            expected.push((second, metric.to_owned()));
            readings.push(Reading {
                metric: metric.into(),
                ..reading("s", second, 1)
            });
        }
    }
    expected.sort_by(|(a_time, a), (b_time, b)| b_time.cmp(a_time).then(a.cmp(b)));
    store.write(file_id(0, 1), readings).await.unwrap();
    let cell = |row: &Stored| (row.time.as_second(), row.metric.clone());
    for size in (1..12).chain([expected.len() - 1, expected.len(), expected.len() + 1]) {
        let mut paged: Vec<Stored> = vec![];
        loop {
            let page = store.page(&all_of("s"), paged.last(), size).await.unwrap();
            assert!(page.len() <= size);
            let is_last = page.len() < size;
            paged.extend(page);
            if is_last {
                break;
            }
        }
        let paged: Vec<(i64, String)> = paged.iter().map(cell).collect();
        assert_eq!(paged, expected, "in pages of {size}");
    }
    assert_eq!(store.page(&all_of("s"), None, 0).await.unwrap(), []);
}

/// From one time on, before another, of one metric, after a row of the page before.
pub async fn a_query_has_bounds(stores: &impl Stores) {
    let store = stores.readings().await;
    let mut readings = vec![];
    for second in 0..10 {
        for metric in ["a", "b"] {
            let metric = metric.into();
            readings.push(Reading {
                metric,
                ..reading("s", second, 1)
            });
        }
    }
    store.write(file_id(0, 1), readings).await.unwrap();
    let at = |milliseconds| Some(Timestamp::from_millisecond(milliseconds).unwrap());
    for (from, until, metric, expected) in [
        (
            at(3_000),
            at(5_000),
            None,
            &[(4, "a"), (4, "b"), (3, "a"), (3, "b")][..],
        ),
        (at(3_000), at(5_000), Some("b"), &[(4, "b"), (3, "b")]),
        (at(3_001), at(5_001), Some("a"), &[(5, "a"), (4, "a")]),
        (at(8_000), None, Some("a"), &[(9, "a"), (8, "a")]),
        (None, at(2_000), Some("b"), &[(1, "b"), (0, "b")]),
        (at(5_000), at(5_000), None, &[]),
        (at(5_000), at(3_000), None, &[]),
        (None, None, Some("c"), &[]),
    ] {
        let query = Query {
            from,
            until,
            metric: metric.map(str::to_owned),
            ..all_of("s")
        };
        let page = store.page(&query, None, 100).await.unwrap();
        assert_eq!(cells(&page), expected, "{query:?}");
        if let [first, rest @ ..] = page.as_slice() {
            let next = store.page(&query, Some(first), 100).await.unwrap();
            assert_eq!(next, rest, "{query:?}");
        }
    }
    // Finer than what is stored: 3.0 s is not from 3.0000001 s on, and it is before that.
    let fine = Some(Timestamp::new(3, 100).unwrap());
    let query = Query {
        from: fine,
        until: at(4_001),
        metric: Some("a".to_owned()),
        ..all_of("s")
    };
    assert_eq!(
        cells(&store.page(&query, None, 9).await.unwrap()),
        [(4, "a")]
    );
    let query = Query {
        from: at(3_000),
        until: fine,
        metric: Some("a".to_owned()),
        ..all_of("s")
    };
    assert_eq!(
        cells(&store.page(&query, None, 9).await.unwrap()),
        [(3, "a")]
    );
}

/// To the millisecond and to the bit.
pub async fn every_time_and_every_value_is_kept(stores: &impl Stores) {
    let store = stores.readings().await;
    let milliseconds = [
        Timestamp::MIN.as_millisecond(),
        -62_135_596_800_001,
        -1_001,
        -1_000,
        -999,
        -1,
        0,
        1,
        1_700_000_000_999,
        4_102_444_800_000,
        Timestamp::MAX.as_millisecond(),
    ];
    let values = [
        0.0,
        -0.0,
        f64::from_bits(1),
        -f64::from_bits(1),
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::MIN,
        f64::EPSILON,
        0.1 + 0.2,
        9_007_199_254_740_993.0,
        -1.0,
    ];
    let expected: Vec<(i64, u64)> = milliseconds
        .into_iter()
        .zip(values.map(f64::to_bits))
        .collect();
    let readings = expected.iter().map(|(milliseconds, bits)| Reading {
        time: Timestamp::from_nanosecond(i128::from(*milliseconds) * 1_000_000).unwrap(),
        value: f64::from_bits(*bits),
        ..reading("s", 0, 1)
    });
    store
        .write(file_id(0, 1), readings.collect())
        .await
        .unwrap();
    let stored = store.page(&all_of("s"), None, 100).await.unwrap();
    let mut stored: Vec<(i64, u64)> = stored
        .iter()
        .map(|row| (row.time.as_millisecond(), row.value.to_bits()))
        .collect();
    stored.reverse();
    assert_eq!(stored, expected);
    // Write timestamps have no end either.
    for (write_timestamp, value) in [(i64::MIN + 1, 1.0), (-1, 2.0), (i64::MAX, 4.0), (0, 3.0)] {
        let reading = Reading {
            value,
            write_timestamp,
            ..reading("t", 0, 0)
        };
        store.write(file_id(0, 1), vec![reading]).await.unwrap();
    }
    let stored = store.page(&all_of("t"), None, 2).await.unwrap();
    assert_eq!(
        stored.iter().map(|row| row.value).collect::<Vec<_>>(),
        [4.0]
    );
}

/// Whatever is in them.
pub async fn names_are_kept_apart(stores: &impl Stores) {
    let store = stores.readings().await;
    let long = "é".repeat(500);
    let names = [
        "a",
        "A",
        "a ",
        "a\n",
        "a\0",
        "a\0b",
        "ä",
        "a\u{308}",
        "%",
        "'",
        "\u{1F980}",
        "1",
        "1.0",
        &long,
        &long[2..],
    ];
    let mut readings = vec![];
    for sensor in names {
        for metric in names {
            readings.push(Reading {
                metric: metric.into(),
                value: readings.len() as f64,
                ..reading(sensor, 0, 1)
            });
        }
    }
    store.write(file_id(0, 1), readings.clone()).await.unwrap();
    for reading in &readings {
        let query = Query {
            metric: Some(reading.metric.to_string()),
            ..all_of(&reading.sensor)
        };
        let stored = store.page(&query, None, 10).await.unwrap();
        let values: Vec<f64> = stored.iter().map(|row| row.value).collect();
        assert_eq!(
            values,
            [reading.value],
            "{:?} of {:?}",
            reading.metric,
            reading.sensor
        );
    }
    let mut sorted = names.map(str::to_owned);
    sorted.sort();
    for sensor in names {
        let stored = store.page(&all_of(sensor), None, 100).await.unwrap();
        let metrics: Vec<String> = stored.into_iter().map(|row| row.metric).collect();
        assert_eq!(metrics, sorted);
    }
}

/// And nothing of what came with it is stored.
pub async fn what_is_not_finite_is_refused(stores: &impl Stores) {
    let store = stores.readings().await;
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let bad = Reading {
            value,
            ..reading("plant-7", 1, 1)
        };
        let readings = vec![reading("plant-7", 0, 1), bad];
        let error = store.write(file_id(0, 1), readings).await.unwrap_err();
        assert!(matches!(error, crate::Error::Broken(_)));
        assert!(error.to_string().contains("plant-7"), "{error}");
    }
    assert_eq!(store.count(file_id(0, 1)).await.unwrap(), 0);
}

/// No reading, no sensor.
pub async fn nothing_written_is_nothing_read(stores: &impl Stores) {
    let store = stores.readings().await;
    store.write(file_id(0, 1), vec![]).await.unwrap();
    assert_eq!(store.count(file_id(0, 1)).await.unwrap(), 0);
    assert_eq!(store.page(&all_of("s"), None, 10).await.unwrap(), []);
}

/// More readings than any store writes or counts at once.
pub async fn a_file_of_many_readings_is_written_whole(stores: &impl Stores) {
    let store = stores.readings().await;
    let readings = |write_timestamp| {
        let sensor = |number| if number % 2 == 0 { "even" } else { "odd" };
        let reading = move |number| reading(sensor(number), number, write_timestamp);
        (0..100_001).map(reading).collect::<Vec<_>>()
    };
    let (first, second) = (file_id(0, 1), file_id(0, 2));
    store.write(first, readings(1)).await.unwrap();
    assert_eq!(store.count(first).await.unwrap(), 100_001);
    // A later file overrides one in a hundred.
    let later = readings(2).into_iter().step_by(100).collect();
    store.write(second, later).await.unwrap();
    assert_eq!(store.count(second).await.unwrap(), 1_001);
    assert_eq!(store.count(first).await.unwrap(), 99_000);
    let page = store.page(&all_of("odd"), None, 60_000).await.unwrap();
    assert_eq!(page.len(), 50_000);
}

/// What one was acknowledged, the other reads.
pub async fn two_openings_write_and_read_the_same(stores: &impl Stores) {
    let replicas = [stores.readings().await, stores.readings().await];
    for second in 0..20 {
        for (writer, sensor) in ["a", "b"].into_iter().enumerate() {
            // Each meets a sensor that the other has added.
            let sensor = if second % 2 == 0 { sensor } else { "both" };
            let file = file_id(0, 1);
            let written = replicas[writer].write(file, vec![reading(sensor, second, 1)]);
            written.await.unwrap();
            let read = replicas[1 - writer].page(&all_of(sensor), None, 1).await;
            assert_eq!(read.unwrap()[0].time.as_second(), second);
        }
    }
}

fn cells(page: &[Stored]) -> Vec<(i64, &str)> {
    page.iter()
        .map(|row| (row.time.as_second(), row.metric.as_str()))
        .collect()
}

fn all_of(sensor: &str) -> Query {
    Query {
        sensor: sensor.to_owned(),
        ..Query::default()
    }
}

fn reading(sensor: &str, second: i64, write_timestamp: i64) -> Reading {
    Reading {
        sensor: sensor.into(),
        metric: "value".into(),
        time: Timestamp::from_second(second).unwrap(),
        value: 1.5,
        write_timestamp,
    }
}

fn file_id(run: u32, file: u8) -> FileId {
    let mut bytes = [file; 16];
    bytes[..4].copy_from_slice(&run.to_be_bytes());
    FileId::from_bytes(bytes)
}

/// In an order that the seed decides.
fn shuffled<T>(mut items: Vec<T>, mut seed: u64) -> Vec<T> {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let other = usize::try_from(seed >> 33).unwrap() % (last + 1);
        items.swap(last, other);
    }
    items
}
