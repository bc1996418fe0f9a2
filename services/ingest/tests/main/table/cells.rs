use std::collections::HashMap;

use ingest::table::cells::{Cell, Cells, Put};
use proptest::prelude::*;
use serde_json::json;

use crate::reading::{profile, read_pieces, terms};

fn cell(sensor: u32, metric: u32, time: i64, value: f64) -> Cell {
    Cell {
        sensor,
        metric,
        time,
        value,
    }
}

proptest! {
    #[test]
    fn cells_are_what_a_map_holds(
        // Series that go on in time, with some steps back.
        steps in prop::collection::vec((0_u32..4, 0_u32..3, prop_oneof![8 => 0_i64..3, 1 => -20_i64..0]), 0..300),
        room in 1_u32..120,
    ) {
        let mut cells = Cells::new(room);
        let mut model = HashMap::new();
        let mut now = HashMap::<(u32, u32), i64>::new();
        for (at, (sensor, metric, step)) in (0_u32..).zip(steps) {
            let time = now.entry((sensor, metric)).or_default();
            *time += step;
            let cell = cell(sensor, metric, *time, f64::from(at));
            let known = model.contains_key(&cell.key());
            let expected = match (known, model.len() < room as usize) {
                (true, _) => Put::Overrode,
                (false, true) => Put::New,
                (false, false) => Put::Full,
            };
            prop_assert_eq!(cells.put(cell), expected);
            if expected != Put::Full {
                model.insert(cell.key(), cell.value);
            }
        }
        prop_assert_eq!(cells.len(), model.len());
        let mut expected: Vec<_> = model.into_iter().collect();
        expected.sort_by_key(|(key, _)| *key);
        cells.sort();
        let sorted = cells.as_slice().iter().map(|cell| (cell.key(), cell.value));
        prop_assert_eq!(sorted.collect::<Vec<_>>(), expected);
        cells.clear();
        prop_assert_eq!((cells.put(cell(0, 0, 0, 1.0)), cells.len()), (Put::New, 1));
    }
}

#[test]
fn any_number_of_series_is_told_apart() {
    let mut cells = Cells::new(300_000);
    for round in [Put::New, Put::Overrode] {
        for sensor in 0..100_000 {
            assert_eq!(cells.put(cell(sensor, 0, 5, 1.0)), round);
        }
    }
    assert_eq!(
        (cells.put(cell(7, 0, 4, 1.0)), cells.len()),
        (Put::New, 100_001)
    );
}

#[test]
fn a_sensor_in_every_line_ends_a_part_before_names_fill_the_memory() {
    let mut text = String::new();
    let tail = "x".repeat(900);
    for row in 0..20_000 {
        text.push_str(&format!("{row}-{tail},1700000000,1\n"));
    }
    let outcome = read_pieces(
        text.as_bytes().chunks(60_000),
        &profile(&json!({})),
        &terms(),
        "a",
    );
    let parts: Vec<usize> = outcome.written.iter().map(Vec::len).collect();
    assert_eq!(parts.iter().sum::<usize>(), 20_000);
    // 8 MiB of names, each with what it takes beside its letters.
    assert_eq!(parts.len(), 3, "{parts:?}");
    assert!(!outcome.seen.at_least);
}
