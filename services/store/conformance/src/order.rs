//! The order of files decides, not the order in which they are written.

use std::cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use proto::FileId;

use super::{Stores, wait};
use store::Readings;
use store::readings::{Query, Reading};
use store::write_timestamp::WriteTimestamps;

/// Sensor, metric and second.
type Cell = (u8, u8, u8);

/// What decides between the readings of one cell: order time, replay, part.
type Rank = (i64, u32, usize);

/// A file, or a replay of one, as it is read in parts.
#[derive(Clone, Debug)]
struct Version {
    file: u8,
    order: i64,
    replay: u32,
    parts: Vec<Vec<(Cell, f64)>>,
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
    let runs = cell::Cell::new(0_u32);
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
    let mut model: BTreeMap<Cell, (Rank, f64, FileId)> = BTreeMap::new();
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

/// Each run has files of its own.
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
