//! What a database of readings must do.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proto::FileId;

use super::Stores;
pub use super::order::whatever_the_order_and_however_often_files_are_written_the_last_wins;
pub use super::retraction::{
    a_retraction_looks_at_every_page,
    of_a_file_that_was_retracted_nothing_comes_back_but_a_later_way,
    whatever_is_written_and_retracted_in_whatever_order_is_as_the_model_has_it,
};
pub use super::sensors::{
    a_series_has_its_first_and_its_latest_reading, readings_on_the_bounds_of_buckets_are_read_once,
    readings_that_lie_far_apart_are_found_at_once, sensors_are_listed_in_the_order_of_their_names,
    ten_thousand_sensors_are_listed_once_each,
};
use store::readings::{Query, Reading, Stored};

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
            of_a_file_that_was_retracted_nothing_comes_back_but_a_later_way
            a_retraction_looks_at_every_page
            whatever_is_written_and_retracted_in_whatever_order_is_as_the_model_has_it
            sensors_are_listed_in_the_order_of_their_names
            ten_thousand_sensors_are_listed_once_each
            a_series_has_its_first_and_its_latest_reading
            readings_that_lie_far_apart_are_found_at_once
            readings_on_the_bounds_of_buckets_are_read_once
        }
    };
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
            store.write(file_id(file), vec![reading]).await.unwrap();
        }
        let query = Query {
            metric: Some(metric.to_string()),
            ..all_of("s")
        };
        let stored = store.page(&query, None, 2).await.unwrap();
        assert_eq!(stored.len(), 1);
        let expected = values[a.max(b)];
        assert_eq!(stored[0].value.to_bits(), expected.to_bits(), "{a} and {b}");
        assert!([file_id(1), file_id(2)].contains(&stored[0].file));
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
    store.write(file_id(1), readings).await.unwrap();
    let cell = |row: &Stored| (row.time.as_second(), row.metric.clone());
    for size in (1..12).chain([expected.len() - 1, expected.len(), expected.len() + 1]) {
        let mut paged: Vec<Stored> = vec![];
        loop {
            let page = store.page(&all_of("s"), paged.last(), size).await.unwrap();
            assert!(page.len() <= size);
            let is_last = page.len() < size;
            paged.extend(page);
            assert!(paged.len() <= expected.len());
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
    store.write(file_id(1), readings).await.unwrap();
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
    store.write(file_id(1), readings.collect()).await.unwrap();
    let stored = store.page(&all_of("s"), None, 100).await.unwrap();
    let mut stored: Vec<(i64, u64)> = stored
        .iter()
        .map(|row| (row.time.as_millisecond(), row.value.to_bits()))
        .collect();
    stored.reverse();
    assert_eq!(stored, expected);
    // Nor have write timestamps an end, but for the one that some databases set for the future.
    let ahead = Timestamp::now() + SignedDuration::from_hours(2 * 24);
    let ahead = ahead.as_microsecond();
    for (write_timestamp, value) in [(i64::MIN + 1, 1.0), (-1, 2.0), (ahead, 4.0), (0, 3.0)] {
        let reading = Reading {
            value,
            write_timestamp,
            ..reading("t", 0, 0)
        };
        store.write(file_id(1), vec![reading]).await.unwrap();
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
    store.write(file_id(1), readings.clone()).await.unwrap();
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
        let error = store.write(file_id(1), readings).await.unwrap_err();
        assert!(matches!(error, store::Error::Broken(_)));
        assert!(error.to_string().contains("plant-7"), "{error}");
    }
    assert_eq!(store.count(file_id(1)).await.unwrap(), 0);
}

/// No reading, no sensor.
pub async fn nothing_written_is_nothing_read(stores: &impl Stores) {
    let store = stores.readings().await;
    store.write(file_id(1), vec![]).await.unwrap();
    assert_eq!(store.count(file_id(1)).await.unwrap(), 0);
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
    let (first, second) = (file_id(1), file_id(2));
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
            let file = file_id(1);
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

pub(super) fn all_of(sensor: &str) -> Query {
    Query {
        sensor: sensor.to_owned(),
        ..Query::default()
    }
}

pub(super) fn reading(sensor: &str, second: i64, write_timestamp: i64) -> Reading {
    Reading {
        sensor: sensor.into(),
        metric: "value".into(),
        time: Timestamp::from_second(second).unwrap(),
        value: 1.5,
        write_timestamp,
    }
}

pub(super) fn file_id(file: u8) -> FileId {
    FileId::from_bytes([file; 16])
}
