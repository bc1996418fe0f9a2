//! What was retracted stays out, in whatever order files and retractions come.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use proto::FileId;

use super::{Stores, wait};
use store::Readings;
use store::readings::{Query, Reading};
use store::write_timestamp::{WriteTimestamps, first_of};

/// Plans that are tried, each with sensors of its own.
const PLANS: usize = 2_000;
/// Plans under way at once.
const AT_ONCE: usize = 64;
/// Files, sensors, metrics and times of one plan.
const FILES: u8 = 3;
const SENSORS: u8 = 2;
const METRICS: u8 = 2;
const TIMES: u8 = 6;
/// Times of one bucket, where the store has buckets of a day.
const IN_A_BUCKET: u8 = 2;
/// Rows of one part that may be there, of which each has a bit: all of them.
const ALL: u8 = u8::MAX;

/// Every step of a file's life, one after the other.
pub async fn of_a_file_that_was_retracted_nothing_comes_back_but_a_later_way(stores: &impl Stores) {
    let store = stores.readings().await;
    let (early, file, late) = (id(0, 0), id(0, 1), id(0, 2));
    let orders = [100, 200, 300];
    let readings = |order: usize, replay: u32, seconds: std::ops::Range<u8>, value: f64| {
        let write_timestamp = first_of(second(orders[order]), replay) + 7;
        seconds
            .map(|second| reading(0, (0, 0, second), value, write_timestamp))
            .collect::<Vec<_>>()
    };
    let before = |replay| first_of(second(orders[1]), replay);
    let held = async |expected: &[f64]| {
        let values: Vec<f64> = rows(&store, 0, 0)
            .await
            .into_iter()
            .map(|row| row.2)
            .collect();
        assert_eq!(values, expected);
    };
    store.write(file, readings(1, 0, 0..4, 2.0)).await.unwrap();
    store.write(late, readings(2, 0, 0..1, 3.0)).await.unwrap();
    assert_eq!(store.retract(file, before(1)).await.unwrap(), 3);
    held(&[3.0]).await;
    assert_eq!(store.count(file).await.unwrap(), 0);
    assert_eq!(store.count(late).await.unwrap(), 1);
    // Again, and what comes late or once more: it does not show.
    assert_eq!(store.retract(file, before(1)).await.unwrap(), 0);
    store.write(early, readings(0, 0, 0..3, 1.0)).await.unwrap();
    store.write(file, readings(1, 0, 0..4, 2.0)).await.unwrap();
    held(&[3.0]).await;
    assert_eq!(store.count(early).await.unwrap(), 0);
    // A later way shows, and the same retraction, coming once more, does not reach it.
    store.write(file, readings(1, 2, 0..3, 4.0)).await.unwrap();
    assert_eq!(store.retract(file, before(1)).await.unwrap(), 0);
    held(&[3.0, 4.0, 4.0]).await;
    assert_eq!(store.count(file).await.unwrap(), 2);
    assert_eq!(store.retract(file, before(3)).await.unwrap(), 2);
    held(&[3.0]).await;
    // What a later file wrote has no such end.
    store.write(late, readings(2, 0, 0..4, 3.0)).await.unwrap();
    held(&[3.0, 3.0, 3.0, 3.0]).await;
}

/// More readings than any store looks at, or takes out, at once.
pub async fn a_retraction_looks_at_every_page(stores: &impl Stores) {
    let store = stores.readings().await;
    let readings = |written: i64| {
        let reading = move |number: i64| Reading {
            sensor: format!("sensor {}", number % 3).into(),
            metric: "value".into(),
            time: second(number),
            value: 1.0,
            write_timestamp: written,
        };
        (0..60_001).map(reading).collect::<Vec<_>>()
    };
    store.write(id(0, 1), readings(1)).await.unwrap();
    let others = readings(2).into_iter().step_by(2).collect();
    store.write(id(0, 2), others).await.unwrap();
    assert_eq!(store.retract(id(0, 1), i64::MAX).await.unwrap(), 30_000);
    assert_eq!(store.count(id(0, 1)).await.unwrap(), 0);
    assert_eq!(store.count(id(0, 2)).await.unwrap(), 30_001);
    assert_eq!(store.retract(id(0, 2), 2).await.unwrap(), 0);
}

/// Sensor, metric and which time.
type Cell = (u8, u8, u8);

/// One way of a file: its readings, in the parts in which they are written.
type Parts = Vec<BTreeMap<Cell, f64>>;

/// What happens to a store.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A way of a file is written, or so many of its parts, until whoever writes dies: of the last
    /// one the rows at the bits of `rows` are there, as between two batches.
    Write {
        file: u8,
        way: u8,
        parts: usize,
        rows: u8,
    },
    /// What a file's ways before this one wrote is taken out.
    Retract { file: u8, way: u8 },
}

/// Some files, each with its ways, and what happens to them.
#[derive(Clone, Debug)]
struct Plan {
    files: Vec<Vec<Parts>>,
    steps: Vec<Step>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let cell = (0..SENSORS, 0..METRICS, 0..TIMES);
    // As many as `rows` has bits.
    let part = prop::collection::btree_map(cell, -1e9..1e9_f64, 0..=8);
    let way = prop::collection::vec(part, 1..4);
    let file = prop::collection::vec(way, 1..4);
    let files = prop::collection::vec(file, usize::from(FILES));
    let rows = prop_oneof![Just(ALL), any::<u8>()];
    let write = (0..FILES, 0..3_u8, 0..4_usize, rows);
    let write = write.prop_map(|(file, way, parts, rows)| Step::Write {
        file,
        way,
        parts,
        rows,
    });
    let retract = (0..FILES, 0..5_u8).prop_map(|(file, way)| Step::Retract { file, way });
    let steps = prop::collection::vec(prop_oneof![2 => write, 1 => retract], 1..12);
    (files, steps).prop_map(|(files, steps)| Plan { files, steps })
}

/// Against a model, thousands of plans: random files, lines and ways, of several metrics and over
/// several buckets, in any order and any number of
/// times, broken off between two parts or within one and begun again, retracted in between and
/// written later.
pub async fn whatever_is_written_and_retracted_in_whatever_order_is_as_the_model_has_it(
    stores: &impl Stores,
) {
    let replicas = [stores.readings().await, stores.readings().await];
    let mut runner = TestRunner::new(Config::default());
    let strategy = plans();
    let plans = (0..PLANS).map(|_| strategy.new_tree(&mut runner).unwrap());
    let plans: Vec<_> = plans.collect();
    let runs = plans.iter().zip(0_u32..).map(|(tree, number)| {
        let (replicas, plan) = (&replicas, tree.current());
        async move { (number, run(replicas, number, &plan).await) }
    });
    let failed = stream::iter(runs)
        .buffer_unordered(AT_ONCE)
        .filter_map(async |(number, ran)| ran.err().map(|_| number));
    let failed: Vec<u32> = failed.collect().await;
    if let Some(number) = failed.first() {
        let index = usize::try_from(*number).unwrap();
        let (plan, wrong) = simplest(&replicas, plans.into_iter().nth(index).unwrap());
        panic!(
            "{} plans fail; the simplest: {plan:#?}\n{wrong}",
            failed.len()
        );
    }
}

/// The simplest plan that fails like this one, and how.
fn simplest(
    replicas: &[Arc<dyn Readings>; 2],
    mut tree: impl ValueTree<Value = Plan>,
) -> (Plan, String) {
    let mut number = u32::try_from(PLANS).unwrap();
    let mut fails = |plan: &Plan| {
        number += 1;
        wait(run(replicas, number, plan)).err()
    };
    let mut found = (tree.current(), String::new());
    let mut goes_on = true;
    while goes_on {
        let plan = tree.current();
        goes_on = match fails(&plan) {
            Some(wrong) => {
                found = (plan, wrong);
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    found
}

/// What the model holds of a cell: the greatest write timestamp, and value and file unless they
/// were retracted.
#[derive(Default)]
struct Model(BTreeMap<Cell, (i64, Option<(f64, u8)>)>);

impl Model {
    fn write(&mut self, file: u8, timestamp: i64, part: &BTreeMap<Cell, f64>) {
        for (cell, value) in part {
            let held = self.0.get(cell).map(|(timestamp, _)| *timestamp);
            if held.is_none_or(|held| timestamp > held) {
                self.0.insert(*cell, (timestamp, Some((*value, file))));
            }
        }
    }

    fn retract(&mut self, file: u8, before: i64) -> u64 {
        let mut count = 0;
        for (timestamp, reading) in self.0.values_mut() {
            if *timestamp < before && reading.is_some_and(|(_, of)| of == file) {
                *reading = None;
                count += 1;
            }
        }
        count
    }
}

/// Does what a plan says, and holds the store against the model.
async fn run(replicas: &[Arc<dyn Readings>; 2], number: u32, plan: &Plan) -> Result<(), String> {
    let mut model = Model::default();
    for (at, step) in plan.steps.iter().enumerate() {
        let store = &replicas[at % 2];
        match *step {
            Step::Write {
                file,
                way,
                parts,
                rows,
            } => {
                let ways = &plan.files[usize::from(file)];
                let way = usize::from(way) % ways.len();
                let replay = u32::try_from(way).unwrap() * 2;
                let all = &ways[way];
                let count = u32::try_from(all.len()).unwrap();
                let timestamps =
                    WriteTimestamps::new(order(file), id(number, file), replay, count, order(file));
                let timestamps = timestamps.map_err(|error| error.to_string())?;
                for (part, of) in (0..count).zip(&begun(all, parts, rows)) {
                    let timestamp = timestamps.part(part).map_err(|error| error.to_string())?;
                    let readings = of
                        .iter()
                        .map(|(cell, value)| reading(number, *cell, *value, timestamp));
                    let written = store.write(id(number, file), readings.collect()).await;
                    written.map_err(|error| error.to_string())?;
                    model.write(file, timestamp, of);
                }
            }
            Step::Retract { file, way } => {
                let before = first_of(order(file), way.into());
                let expected = model.retract(file, before);
                let found = store.retract(id(number, file), before).await;
                let found = found.map_err(|error| error.to_string())?;
                if found != expected {
                    return Err(format!("step {at} takes out {found}, not {expected}"));
                }
            }
        }
    }
    check(&replicas[0], number, &model).await
}

/// What whoever writes so many parts leaves: all of them, but of the last the rows at the bits of
/// `rows`.
fn begun(all: &Parts, parts: usize, rows: u8) -> Parts {
    let mut begun: Parts = all.iter().take(parts).cloned().collect();
    if begun.len() == parts
        && let Some(last) = begun.last_mut()
    {
        let mut bits = rows;
        last.retain(|_, _| {
            let there = bits & 1 == 1;
            bits >>= 1;
            there
        });
    }
    begun
}

async fn check(store: &Arc<dyn Readings>, number: u32, model: &Model) -> Result<(), String> {
    for sensor in 0..SENSORS {
        let cells = model.0.iter().filter(|((of, ..), _)| *of == sensor);
        let expected: Vec<Row> = cells
            .filter_map(|((_, metric, at), (_, reading))| {
                let (value, file) = (*reading)?;
                Some((name_of(*metric), time(*at), value, id(number, file)))
            })
            .collect();
        let found = rows(store, number, sensor).await;
        if found != expected {
            return Err(format!("sensor {sensor} has {found:?}, not {expected:?}"));
        }
    }
    for file in 0..FILES {
        let all = model.0.values();
        let expected = all.filter(|(_, reading)| reading.is_some_and(|(_, of)| of == file));
        let expected = expected.count() as u64;
        let found = store.count(id(number, file)).await;
        let found = found.map_err(|error| error.to_string())?;
        if found != expected {
            return Err(format!("file {file} has {found} readings, not {expected}"));
        }
    }
    Ok(())
}

/// Metric, time, value and file.
type Row = (String, Timestamp, f64, FileId);

/// A sensor's readings by metric, the oldest first.
async fn rows(store: &Arc<dyn Readings>, number: u32, sensor: u8) -> Vec<Row> {
    let query = Query {
        sensor: name(number, sensor),
        ..Query::default()
    };
    let rows = store.page(&query, None, 1_000).await.unwrap().into_iter();
    let rows = rows.map(|row| (row.metric, row.time, row.value, row.file));
    let mut rows: Vec<Row> = rows.collect();
    assert!(rows.is_sorted_by(|one, next| one.1 >= next.1), "{rows:?}");
    rows.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    rows
}

/// Each plan has sensors of its own, so that one database is enough.
fn name(number: u32, sensor: u8) -> String {
    format!("plan {number}, sensor {sensor}")
}

fn name_of(metric: u8) -> String {
    format!("metric {metric}")
}

/// Some a day, over several days.
fn time(at: u8) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60;
    second(i64::from(at / IN_A_BUCKET) * DAY + i64::from(at % IN_A_BUCKET))
}

fn reading(number: u32, (sensor, metric, at): Cell, value: f64, write_timestamp: i64) -> Reading {
    Reading {
        sensor: name(number, sensor).into(),
        metric: name_of(metric).into(),
        time: time(at),
        value,
        write_timestamp,
    }
}

/// And files of its own.
fn id(number: u32, file: u8) -> FileId {
    let mut bytes = [file; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    FileId::from_bytes(bytes)
}

/// Each file has an order time of its own, in another order than their ids.
fn order(file: u8) -> Timestamp {
    second(1_700_000_000 + i64::from(file * 2 % 3))
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}
