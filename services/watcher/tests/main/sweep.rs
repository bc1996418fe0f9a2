//! What notifications missed.

use std::time::{Duration, Instant};

use proto::event::FoundBy;
use store::journal::{Journal, Register};

use crate::bed::{Bed, until};
use crate::proxy;

#[tokio::test(flavor = "multi_thread")]
async fn what_landed_while_nobody_listened_is_found_at_start() {
    let bed = Bed::new("watcher.sweep_every = '1h'").await;
    for number in 0..3 {
        bed.upload(&format!("incoming/{number}.csv"), "one").await;
    }
    let watcher = bed.watch().await;
    let arrived = bed.wait_for_arrived(3).await;
    watcher.stop().await;
    assert_eq!(arrived.len(), 3);
    assert!(arrived.iter().all(|a| a.found_by == FoundBy::Sweep));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_was_lost_is_made_up_for_by_the_clock_and_only_once() {
    let bed = Bed::new("watcher.sweep_every = '1s'").await;
    let watcher = bed.watch().await;
    bed.upload("incoming/heard.csv", "one").await;
    bed.wait_for_arrived(1).await;
    bed.lose_notifications();
    bed.upload("incoming/lost.csv", "two").await;
    bed.wait_for_arrived(2).await;
    bed.wait_for_a_sweep().await;
    let arrived = bed.arrived().await;
    watcher.stop().await;
    let found: Vec<(&str, FoundBy)> = arrived
        .iter()
        .map(|arrived| (arrived.file.key.as_str(), arrived.found_by))
        .collect();
    assert_eq!(
        found,
        [
            ("incoming/heard.csv", FoundBy::Notification),
            ("incoming/lost.csv", FoundBy::Sweep),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_replaced_another_unheard_is_found_and_ordered_after_it() {
    let bed = Bed::new("watcher.sweep_every = '1s'").await;
    let watcher = bed.watch().await;
    bed.upload("incoming/a.csv", "one").await;
    bed.wait_for_arrived(1).await;
    bed.lose_notifications();
    bed.upload("incoming/a.csv", "two").await;
    let arrived = bed.wait_for_arrived(2).await;
    watcher.stop().await;
    assert!(arrived[0].file.order < arrived[1].file.order);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_files_than_a_page_of_the_listing_are_all_found() {
    let bed = Bed::new("watcher.sweep_every = '1h'").await;
    let uploads = (0..1200).map(async |number| {
        bed.upload(&format!("incoming/{number}.csv"), &format!("{number}"))
            .await;
    });
    futures::future::join_all(uploads).await;
    let watcher = bed.watch().await;
    let arrived = bed.wait_for_arrived(1200).await;
    watcher.stop().await;
    let mut keys: Vec<&str> = arrived.iter().map(|a| a.file.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((keys.len(), arrived.len()), (1200, 1200));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_watchers_sweeps() {
    let bed = Bed::new("watcher.sweep_every = '1s'").await;
    let first = bed.watch_deafly().await;
    let second = bed.watch_deafly().await;
    let register = Register::new("lease", "sweep");
    let begun = async || {
        let entry = bed.journal().await.read(&register).await.unwrap()?;
        let lease: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
        lease["begun"].as_u64()
    };
    let before = until("a first sweep", begun).await;
    let since = Instant::now();
    until("six sweeps more", async || {
        (begun().await? >= before + 6).then_some(())
    })
    .await;
    let took = since.elapsed();
    first.stop().await;
    second.stop().await;
    // The start of the second may be one, and the first of the rest comes at any time: four seconds
    // by one clock, two by two.
    assert!(took >= Duration::from_millis(3500), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_was_stopped_gives_the_lease_back() {
    let bed = Bed::new("watcher.sweep_every = '1h'").await;
    let first = bed.watch_deafly().await;
    until("a sweep", async || (bed.sweeps().await > 0).then_some(())).await;
    first.stop().await;
    let lease = Register::new("lease", "sweep");
    let entry = bed.journal().await.read(&lease).await.unwrap().unwrap();
    let lease: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
    assert_eq!(lease["holder"], serde_json::Value::Null);
}

/// A listing with a line without tag and time, one whose key is not UTF-8, and one as it should be.
fn odd_listing(request: &str) -> Option<String> {
    if !request.contains("list-type=2") {
        return None;
    }
    let body = "<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType>\
        <IsTruncated>false</IsTruncated>\
        <Contents><Key>incoming/a.csv</Key><Size>1</Size></Contents>\
        <Contents><Key>incoming/%FF.csv</Key><LastModified>2026-01-01T00:00:00Z</LastModified>\
        <ETag>\"a\"</ETag><Size>1</Size></Contents>\
        <Contents><Key>incoming/z.csv</Key><LastModified>2026-01-01T00:00:00Z</LastModified>\
        <ETag>\"a\"</ETag><Size>1</Size></Contents></ListBucketResult>";
    let length = body.len();
    Some(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_the_listing_that_cannot_be_read_is_passed_over() {
    let mut bed = Bed::new("watcher.sweep_every = '1h'").await;
    bed.upload("incoming/z.csv", "one").await;
    let store = bed.access().0.to_owned();
    bed.endpoint = Some(proxy::before(&store, odd_listing));
    let watcher = bed.watch_deafly().await;
    let arrived = bed.wait_for_arrived(1).await;
    watcher.stop().await;
    assert_eq!(arrived[0].file.key, "incoming/z.csv");
}
