use std::collections::BTreeMap;

use jiff::Timestamp;
use proto::event::Vanished;
use runtime::Trouble;

use crate::bed::{BUCKET, Bed, Failing, ingested, run, superseded};

/// Rows of one sensor, `count` of them, that come back to the same `times` again and again, and
/// what they come to.
fn rows(sensor: &str, count: u32, times: u32) -> (String, BTreeMap<i64, f64>) {
    let mut text = String::from("sensor_id,timestamp,value\n");
    let mut last = BTreeMap::new();
    for row in 0..count {
        let time = 1_700_000_000 + i64::from((row.wrapping_mul(2_654_435_761) >> 7) % times);
        text.push_str(&format!("{sensor},{time},{row}\n"));
        last.insert(time * 1000, f64::from(row));
    }
    (text, last)
}

async fn holds(bed: &Bed, sensor: &str, expected: &BTreeMap<i64, f64>) {
    let stored: BTreeMap<i64, f64> = bed
        .stored(sensor)
        .await
        .into_iter()
        .map(|(_, time, value)| (time, value))
        .collect();
    assert!(
        stored == *expected,
        "{} readings, and not {}",
        stored.len(),
        expected.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_many_parts_ends_with_its_last_word_on_each_cell() {
    let mut bed = Bed::new("parts").await;
    bed.config.ingest.in_memory = 700;
    let (text, last) = rows("parts", 9000, 3000);
    let arrived = bed.upload("a.csv", text).await;
    let report = ingested(run(&bed.ingest(), &arrived).await);
    assert_eq!((report.read, report.at_least), (9000, true));
    assert!(report.stored >= 3000 && report.stored < 9000, "{report:?}");
    holds(&bed, "parts", &last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_sorted_file_are_counted_exactly() {
    let mut bed = Bed::new("sorted").await;
    bed.config.ingest.in_memory = 700;
    let mut text = String::new();
    for row in 0..2000_u32 {
        // Three sensors in turn, the second line of every hundredth time again.
        for sensor in ["x", "y", "z"] {
            text.push_str(&format!("sorted-{sensor},{},1\n", 1_700_000_000 + row));
            if row % 100 == 50 && sensor == "y" {
                text.push_str(&format!("sorted-y,{},2\n", 1_700_000_000 + row));
            }
        }
    }
    let arrived = bed.upload("a.csv", text).await;
    let report = ingested(run(&bed.ingest(), &arrived).await);
    assert_eq!(
        (report.stored, report.duplicated, report.at_least),
        (6000, 20, false)
    );
    assert_eq!(bed.readings.count(arrived.file.id).await.unwrap(), 6000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_parts_is_made_good_by_the_next_try() {
    let mut bed = Bed::new("between").await;
    bed.config.ingest.in_memory = 700;
    let (text, last) = rows("between", 9000, 3000);
    let arrived = bed.upload("a.csv", text).await;
    let failing = Failing::after(3, &bed.readings);
    let trouble = run(&bed.ingest_into(failing), &arrived).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Outage { .. }), "{trouble:?}");
    let written = bed.readings.count(arrived.file.id).await.unwrap();
    assert!(written > 0 && written < 3000, "{written}");
    // How much fits in memory by now is no matter.
    bed.config.ingest.in_memory = 10_000;
    let report = ingested(run(&bed.ingest(), &arrived).await);
    assert_eq!((report.read, report.at_least), (9000, true));
    holds(&bed, "between", &last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_that_vanishes_between_its_passes_says_so() {
    let mut bed = Bed::new("passes").await;
    bed.config.ingest.in_memory = 700;
    let (text, _) = rows("passes", 9000, 3000);
    let arrived = bed.upload("a.csv", text).await;
    let failing = Failing::after(1, &bed.readings);
    run(&bed.ingest_into(failing), &arrived).await.unwrap_err();
    bed.delete(BUCKET, &arrived.file.key).await;
    let outcome = superseded(run(&bed.ingest(), &arrived).await);
    assert_eq!(outcome.how, Vanished::Gone);
    let stored = bed.readings.count(arrived.file.id).await.unwrap();
    assert!(
        stored > 0 && stored <= outcome.rows_up_to,
        "{stored}, {outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_is_read_on_another_thread_with_the_same_result() {
    let bed = Bed::new("megabyte").await;
    let (text, last) = rows("megabyte", 60_000, 50_000);
    assert!(text.len() > 1 << 20);
    let arrived = bed.upload("a.csv", text).await;
    let report = ingested(run(&bed.ingest(), &arrived).await);
    assert_eq!(report.stored, last.len() as u64);
    assert!(report.last.unwrap() < Timestamp::now());
    holds(&bed, "megabyte", &last).await;
}
