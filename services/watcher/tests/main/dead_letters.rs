//! What cannot be read ends where a person finds it, and spoils nothing else.

use serde_json::json;

use crate::bed::{Bed, until};

const NO_SWEEP: &str = "watcher.sweep_every = '1h'";

/// The reasons of the watcher's dead letters.
async fn reasons(bed: &Bed) -> Vec<String> {
    let letters = bed.stored("DEAD").await;
    letters
        .iter()
        .filter(|letter| letter.subject.as_str() == "dead.watcher")
        .map(|letter| letter.headers.get("Landfall-Reason").unwrap().to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_nobody_is_taken_and_becomes_a_dead_letter_with_its_reason() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    watcher.notify(b"{\"hello\": \"world\"}").await;
    watcher.notify(b"[\"hello\"]").await;
    until("two dead letters", async || {
        (reasons(&bed).await.len() == 2).then_some(())
    })
    .await;
    watcher.stop().await;
    let letters = bed.stored("DEAD").await;
    for (body, reason) in [
        (
            "{\"hello\": \"world\"}",
            "from no sender that is known here",
        ),
        ("[\"hello\"]", "is no JSON object"),
    ] {
        // They are worked on at once, and given up in either order.
        let letter = letters.iter().find(|letter| letter.payload == body);
        let given = letter.map(|letter| letter.headers.get("Landfall-Reason").unwrap().to_string());
        let given = given.unwrap_or_default();
        assert!(given.contains(reason), "{body}: {given}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_does_not_spoil_the_good_ones_beside_it() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let record = |source: &str, key: &str| {
        json!({
            "eventSource": source,
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bed.bucket}, "object": {"key": key}},
        })
    };
    bed.upload("incoming/a b.csv", "one").await;
    bed.upload("incoming/c+d.csv", "two").await;
    let message = json!({"Records": [
        record("shiny:s3", "incoming/x.csv"),
        // AWS writes keys as forms, Ceph does not.
        record("aws:s3", "incoming/a+b.csv"),
        record("ceph:s3", "incoming/c+d.csv"),
    ]});
    watcher.notify(message.to_string().as_bytes()).await;
    let mut keys: Vec<String> = bed
        .wait_for_arrived(2)
        .await
        .into_iter()
        .map(|arrived| arrived.file.key)
        .collect();
    keys.sort();
    assert_eq!(keys, ["incoming/a b.csv", "incoming/c+d.csv"]);
    let reasons = until("a dead letter", async || {
        let reasons = reasons(&bed).await;
        (!reasons.is_empty()).then_some(reasons)
    })
    .await;
    watcher.stop().await;
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].contains("record 1 of 3: "), "{reasons:?}");
    assert!(reasons[0].contains("shiny:s3"), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_would_be_ordered_more_than_a_day_ahead_is_refused_with_the_reason() {
    use store::journal::{Journal, Register};

    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let tomorrow = jiff::Timestamp::now().as_second() + 24 * 60 * 60 + 60;
    let row = json!({"file": "0".repeat(32), "order": tomorrow, "last_modified": 0});
    let register = Register::new("key", format!("{}/incoming/busy.csv", bed.bucket));
    let journal = bed.journal().await;
    let created = journal.create(&register, row.to_string().as_bytes()).await;
    assert!(created.unwrap().ours);
    bed.upload("incoming/busy.csv", "one").await;
    watcher.notify(&bed.webhook("incoming/busy.csv")).await;
    let reasons = until("a dead letter", async || {
        let reasons = reasons(&bed).await;
        (!reasons.is_empty()).then_some(reasons)
    })
    .await;
    watcher.stop().await;
    assert!(reasons[0].contains("incoming/busy.csv"), "{reasons:?}");
    assert!(
        reasons[0].contains("more often than once a second"),
        "{reasons:?}"
    );
    assert_eq!(bed.arrived().await, []);
}
