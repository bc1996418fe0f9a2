//! What a person wants taken, wherever it lies.

use proto::event::FoundBy;
use proto::{User, subject};
use serde_json::json;

use crate::bed::{Bed, until};

const NO_SWEEP: &str = "watcher.sweep_every = '1h'";

fn wanted(bed: &Bed, key: &str) -> Vec<u8> {
    let backfill = json!({"bucket": bed.bucket, "key": key, "etag": "", "by": "mara"});
    json!({"backfill": backfill}).to_string().into_bytes()
}

async fn say(bed: &Bed, body: Vec<u8>) {
    let jetstream = bed.jetstream(User::Operator).await;
    let said = jetstream.publish(subject::STORAGE_BACKFILL, body.into());
    said.await.unwrap().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_nobody_watches_arrives_and_landfalls_own_do_not() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let own = [
        "processed/old/a.csv",
        "rejected/a.csv",
        "rejected-rows/a.csv",
        ".landfall-probe/.0-1",
        "old/a.csv.tmp",
    ];
    for key in own.into_iter().chain(["old/a b+ü.csv"]) {
        bed.upload(key, "one").await;
        say(&bed, wanted(&bed, key)).await;
    }
    // Nor what is not there.
    say(&bed, wanted(&bed, "old/gone.csv")).await;
    let arrived = bed.wait_for_arrived(1).await;
    // And once more: what is known is passed over.
    say(&bed, wanted(&bed, "old/a b+ü.csv")).await;
    bed.wait_until_worked_off().await;
    let all = bed.arrived().await;
    watcher.stop().await;
    assert_eq!(all.len(), 1);
    assert_eq!(arrived[0].file.key, "old/a b+ü.csv");
    assert_eq!(arrived[0].found_by, FoundBy::Backfill);
    assert_eq!(bed.last_sequence("DEAD").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_a_person_is_believed_and_a_person_says_nothing_else_there() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    bed.upload("old/a.csv", "one").await;
    bed.upload("incoming/a.csv", "one").await;
    // Over HTTP, with a token.
    watcher.notify(&wanted(&bed, "old/a.csv")).await;
    say(&bed, bed.webhook("incoming/a.csv")).await;
    let letters = until("two dead letters", async || {
        let letters = bed.stored("DEAD").await;
        (letters.len() == 2).then_some(letters)
    })
    .await;
    watcher.stop().await;
    assert_eq!(bed.arrived().await, []);
    for letter in letters {
        let reason = letter.headers.get("Landfall-Reason").unwrap().to_string();
        assert!(reason.contains("only `landfall backfill` may"), "{reason}");
    }
}
