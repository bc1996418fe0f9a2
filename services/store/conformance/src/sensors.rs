//! What a database of readings must tell of its sensors, and of readings wherever they lie.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::Stores;
use super::readings::{all_of, file_id, reading};
use store::Readings;
use store::readings::{Query, Reading, Series, Stored};

const DAY: i64 = 86_400_000;

/// Far more than it takes, and far less than to look at everything in between.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Whatever is in their names.
pub async fn sensors_are_listed_in_the_order_of_their_names(stores: &impl Stores) {
    let store = stores.readings().await;
    assert_eq!(store.sensors("", 10).await.unwrap(), [""; 0]);
    let long = "é".repeat(500);
    let names = [
        "b",
        "a",
        "A",
        "a ",
        "a\n",
        "a\0",
        "a\0b",
        "ä",
        "a\u{308}",
        "%",
        "'; DROP TABLE readings; --",
        "\u{202e}evil",
        "\u{feff}",
        "\u{ffff}",
        "\u{1F980}",
        "\u{10FFFF}",
        "10",
        "9",
        &long,
        &long[2..],
    ];
    for (metric, write_timestamp) in [("P1", 1), ("P2", 2)] {
        let of_metric = |sensor: &&str| Reading {
            metric: metric.into(),
            ..reading(sensor, 0, write_timestamp)
        };
        let readings = names.iter().map(of_metric).collect();
        store.write(file_id(1), readings).await.unwrap();
    }
    let mut expected = names.map(str::to_owned);
    expected.sort();
    for size in [1, 2, 7, names.len(), names.len() + 1] {
        assert_eq!(listed(&*store, size).await, expected, "in pages of {size}");
    }
    for (from, count) in [("a", 2), ("a\0a", 1), ("\u{10FFFF}", 3), ("a", 0)] {
        let after = expected.iter().filter(|name| name.as_str() >= from);
        let after: Vec<&String> = after.take(count).collect();
        let found = store.sensors(from, count).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), after, "from {from:?}");
    }
    for sensor in names {
        let series = store.series(sensor).await.unwrap();
        let metrics: Vec<&str> = series.iter().map(|of| &*of.latest.metric).collect();
        assert_eq!(metrics, ["P1", "P2"], "{sensor:?}");
    }
}

/// More than any store reads at once.
pub async fn ten_thousand_sensors_are_listed_once_each(stores: &impl Stores) {
    let store = stores.readings().await;
    // Backwards, so that their order is not that in which they come.
    let name = |number: i64| format!("sensor-{:x}", 0xffff_ffff - number * 317);
    let expected: BTreeSet<String> = (0..10_000).map(name).collect();
    let readings = (0..10_000).map(|number| reading(&name(number), number, 1));
    store.write(file_id(1), readings.collect()).await.unwrap();
    let sensors = listed(&*store, 3_333).await;
    assert_eq!(sensors, expected.into_iter().collect::<Vec<_>>());
}

/// Of each metric, before 1970 as well, and as the last file has it.
pub async fn a_series_has_its_first_and_its_latest_reading(stores: &impl Stores) {
    let store = stores.readings().await;
    assert_eq!(store.series("s").await.unwrap(), []);
    let at = |metric: &str, milliseconds, value, write_timestamp| Reading {
        metric: metric.into(),
        time: time(milliseconds),
        value,
        ..reading("s", 0, write_timestamp)
    };
    let early = vec![
        at("b", -5 * DAY, 1.0, 1),
        at("b", -1, 2.0, 1),
        at("a", 0, 3.0, 1),
        at("ä", -DAY - 1, 4.0, 1),
        at("ä", -DAY, 5.0, 1),
        at("ä", 7 * DAY, 6.0, 1),
    ];
    store.write(file_id(1), early).await.unwrap();
    let late = vec![at("b", -1, -2.0, 2), at("a", DAY - 1, 7.0, 2)];
    store.write(file_id(2), late).await.unwrap();
    let series = |metric: &str, first, latest, value, file| Series {
        first: time(first),
        latest: Stored {
            time: time(latest),
            metric: metric.to_owned(),
            value,
            file: file_id(file),
        },
    };
    let expected = [
        series("a", 0, DAY - 1, 7.0, 2),
        series("b", -5 * DAY, -1, -2.0, 2),
        series("ä", -DAY - 1, 7 * DAY, 6.0, 1),
    ];
    assert_eq!(store.series("s").await.unwrap(), expected);
    assert_eq!(store.series("t").await.unwrap(), []);
}

/// Not by looking at everything in between.
pub async fn readings_that_lie_far_apart_are_found_at_once(stores: &impl Stores) {
    let store = stores.readings().await;
    let times = [Timestamp::MIN.as_millisecond(), -1, 0, 253_402_207_200_000];
    let readings = times.map(|milliseconds| Reading {
        time: time(milliseconds),
        ..reading("s", 0, 1)
    });
    store.write(file_id(1), readings.into()).await.unwrap();
    let look = async {
        let series = store.series("s").await.unwrap();
        let ends = (series[0].first, series[0].latest.time);
        assert_eq!(ends, (time(times[0]), time(times[3])));
        let found = read(&*store, &all_of("s"), 1).await;
        assert_eq!(found, [times[3], times[2], times[1], times[0]]);
    };
    let found = tokio::time::timeout(AT_ONCE, look).await;
    assert!(found.is_ok(), "it takes longer than {AT_ONCE:?}");
}

/// On their first and last millisecond and beside it, in pages that end there or do not.
pub async fn readings_on_the_bounds_of_buckets_are_read_once(stores: &impl Stores) {
    let store = stores.readings().await;
    let beside = [-1, 0, 1, 3_999, 4_000];
    let times = (-3..=3).flat_map(|day| beside.map(|offset| day * DAY + offset));
    let mut times: Vec<i64> = times.collect();
    for metric in ["a", "b"] {
        let readings = times.iter().map(|milliseconds| Reading {
            metric: metric.into(),
            time: time(*milliseconds),
            ..reading("s", 0, 1)
        });
        store.write(file_id(1), readings.collect()).await.unwrap();
    }
    times.reverse();
    let one = Query {
        metric: Some("b".to_owned()),
        ..all_of("s")
    };
    for size in [1, 2, 3, 5, 100] {
        assert_eq!(read(&*store, &one, size).await, times, "pages of {size}");
        let both = times.iter().flat_map(|time| [*time, *time]);
        let both: Vec<i64> = both.collect();
        assert_eq!(read(&*store, &all_of("s"), size).await, both);
    }
    for first in [-DAY, -DAY + 1, 0, 1, DAY - 1] {
        for last in [-1, 0, DAY, DAY + 1] {
            let query = Query {
                from: Some(time(first)),
                until: Some(time(last)),
                ..one.clone()
            };
            let within = times.iter().copied();
            let within: Vec<i64> = within.filter(|time| (first..last).contains(time)).collect();
            assert_eq!(read(&*store, &query, 4).await, within, "{query:?}");
        }
    }
}

/// Every sensor, in pages.
async fn listed(store: &dyn Readings, size: usize) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    let mut from = String::new();
    loop {
        let page = store.sensors(&from, size).await.unwrap();
        let Some(last) = page.last() else { return all };
        assert!(page.len() <= size);
        from = format!("{last}\0");
        all.extend(page);
    }
}

/// The times of every reading, in pages.
async fn read(store: &dyn Readings, query: &Query, size: usize) -> Vec<i64> {
    let mut all: Vec<Stored> = vec![];
    loop {
        let page = store.page(query, all.last(), size).await.unwrap();
        if page.is_empty() {
            return all.iter().map(|row| row.time.as_millisecond()).collect();
        }
        all.extend(page);
    }
}

fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap()
}
