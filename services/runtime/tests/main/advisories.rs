//! Crash loops, which only the server sees.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use futures::StreamExt;
use proto::consumer::{self, Consumer};
use proto::{Data, Event, User};
use runtime::{Context, Outbox};

use crate::bed::{Bed, Does, until};
use crate::events::{cell, file, ingested, moved, publish, publish_raw};

/// Takes what there is as the mover and never answers, as a process does that crashes each time,
/// until the server gives up on `count` messages.
async fn crash_again_and_again(bed: &Bed, count: usize) {
    crash_as(bed, User::Mover, &consumer::mover(), count).await;
}

async fn crash_as(bed: &Bed, user: User, consumer: &Consumer, count: usize) {
    let jetstream = bed.jetstream(user).await;
    let consumer: PullConsumer = jetstream
        .get_consumer_from_stream(consumer.name(), consumer.stream.name)
        .await
        .unwrap();
    until("the server gives up", async || {
        let mut batch = consumer
            .fetch()
            .max_messages(count)
            .expires(Duration::from_millis(100))
            .messages()
            .await
            .unwrap();
        while batch.next().await.is_some() {}
        (bed.stored("DEAD").await.len() == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_ends_in_a_full_copy_and_a_failed_that_names_it() {
    let bed = Bed::new(&[]).await;
    let ingest = bed.jetstream(User::Ingest).await;
    let event = ingested("a.csv");
    let sequence = publish(&ingest, &event).await;
    crash_again_and_again(&bed, 1).await;

    let step = Does::new(async |_, _| panic!("nothing is delivered any more"));
    let service = bed.mover(step.clone());
    let failed = bed.wait_for_events("failed", 1).await;
    bed.wait_until_advised(User::Mover).await;
    service.stop().await.unwrap();

    let dead = bed.dead(User::Mover).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].payload, serde_json::to_vec(&event).unwrap());
    let header = |name: &str| {
        dead[0]
            .headers
            .get(name)
            .map(|value| value.as_str().to_owned())
    };
    let reason = "was delivered 3 times and never answered: mover crashes or hangs on it each \
                  time (crash loop)";
    assert_eq!(header("Landfall-Reason").unwrap(), reason);
    assert_eq!(header("Landfall-Stream").unwrap(), "FILES");
    assert_eq!(header("Landfall-Sequence").unwrap(), sequence.to_string());
    assert_eq!(header("Landfall-Delivered").unwrap(), "3");
    assert_eq!(header("X-Own").unwrap(), "one");
    assert_eq!(header("Nats-Own"), None);
    let Data::Failed(failed) = &failed[0].data else {
        panic!("{failed:?}");
    };
    assert_eq!(failed.file, file("a.csv"));
    assert_eq!(failed.reason, reason);
    assert_eq!(failed.dead_letter.sequence, dead[0].sequence);
    assert_eq!(step.runs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_over_what_is_no_event_is_a_dead_letter_alone() {
    let bed = Bed::new(&[]).await;
    let ingest = bed.jetstream(User::Ingest).await;
    publish_raw(&ingest, b"poison").await;
    crash_again_and_again(&bed, 1).await;
    let service = bed.start(User::Mover, async |_: &Context| Ok(()));
    let dead = until("a dead letter", async || bed.dead(User::Mover).await.pop()).await;
    service.stop().await.unwrap();
    assert_eq!(dead.payload.as_ref(), b"poison");
    assert_eq!(bed.events("failed").await.len(), 0);
}

/// The watcher says no `failed`, and may not; anybody may post what looks like an event.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_over_a_notification_that_is_an_event_fails_no_file() {
    let bed = Bed::new(&[]).await;
    let posted = serde_json::to_vec(&ingested("a.csv")).unwrap();
    let watcher = bed.jetstream(User::Watcher).await;
    let stored = watcher
        .publish("storage.http", posted.into())
        .await
        .unwrap();
    stored.await.unwrap();
    crash_as(&bed, User::Watcher, &consumer::watcher(), 1).await;
    let service = bed.start(User::Watcher, async |_: &Context| Ok(()));
    until("a dead letter", async || {
        bed.dead(User::Watcher).await.pop()
    })
    .await;
    service.stop().await.unwrap();
    assert_eq!(bed.settled(User::Watcher, cell("a.csv", 0)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_gone_leaves_its_advisory_as_the_dead_letter() {
    let bed = Bed::open(&[]).await;
    let jetstream = bed.jetstream(User::Mover).await;
    let sequence = publish(&jetstream, &ingested("a.csv")).await;
    crash_again_and_again(&bed, 1).await;
    let files = jetstream.get_stream("FILES").await.unwrap();
    assert!(files.delete_message(sequence).await.unwrap());
    let service = bed.start(User::Mover, async |_: &Context| Ok(()));
    let dead = until("a dead letter", async || bed.dead(User::Mover).await.pop()).await;
    service.stop().await.unwrap();
    let advisory: serde_json::Value = serde_json::from_slice(&dead.payload).unwrap();
    assert_eq!(advisory["stream_seq"], sequence);
    assert_eq!(
        dead.headers.get("Landfall-Reason").unwrap().as_str(),
        "message 1 of stream FILES was delivered 3 times and never answered: mover crashes or \
         hangs on it each time (crash loop); it is gone from the stream"
    );
    assert_eq!(bed.events("failed").await.len(), 0);
}

/// A server that is killed may forget that it delivered what it knows to be acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_gone_from_a_work_queue_was_acknowledged() {
    let bed = Bed::open(&[]).await;
    let jetstream = bed.jetstream(User::Watcher).await;
    let posted = jetstream.publish("storage.http", "anything".into());
    let sequence = posted.await.unwrap().await.unwrap().sequence;
    crash_as(&bed, User::Watcher, &consumer::watcher(), 1).await;
    let storage = jetstream.get_stream("STORAGE").await.unwrap();
    assert!(storage.delete_message(sequence).await.unwrap());
    let service = bed.start(User::Watcher, async |_: &Context| Ok(()));
    bed.wait_until_advised(User::Watcher).await;
    service.stop().await.unwrap();
    assert_eq!(bed.dead(User::Watcher).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_its_advisory_came_stays_done() {
    let bed = Bed::new(&[]).await;
    let ingest = bed.jetstream(User::Ingest).await;
    let event = ingested("a.csv");
    publish(&ingest, &event).await;
    crash_again_and_again(&bed, 1).await;
    // The slow replica settles, and dies before it publishes.
    let path = bed.folder().join("store/mover.db");
    let journal = store::sqlite::Journal::open(&path).await.unwrap();
    let outcome = Event::new(User::Mover, moved(&event), jiff::Timestamp::now());
    store::Journal::settle(&journal, &outcome).await.unwrap();
    drop(journal);
    let service = bed.start(User::Mover, async |_: &Context| Ok(()));
    let published = bed.wait_for_events("moved", 1).await;
    bed.wait_until_advised(User::Mover).await;
    service.stop().await.unwrap();
    assert_eq!(published[0].data, moved(&event));
    assert_eq!(bed.dead(User::Mover).await.len(), 0);
    assert_eq!(bed.events("failed").await.len(), 0);
}

/// The trace that breaks a weaker rule: deliveries run out while a slow replica still works.
#[tokio::test(flavor = "multi_thread")]
async fn the_slow_replica_publishes_the_failed_that_came_before_its_own_outcome() {
    let bed = Bed::new(&[]).await;
    let outbox: Arc<std::sync::Mutex<Option<Outbox>>> = Arc::default();
    let ingest = bed.jetstream(User::Ingest).await;
    let event = ingested("a.csv");
    publish(&ingest, &event).await;

    crash_again_and_again(&bed, 1).await;
    // Its outbox is all that the slow replica still has: the server has given up on it.
    let given = Arc::clone(&outbox);
    let service = bed.start(User::Mover, async move |context: &Context| {
        *given.lock().unwrap() = Some(context.outbox.clone());
        Ok(())
    });
    bed.wait_for_events("failed", 1).await;
    let outbox = outbox.lock().unwrap().clone().unwrap();
    let stored = outbox.settle(moved(&event)).await.unwrap();
    service.stop().await.unwrap();
    assert!(matches!(stored.event.data, Data::Failed(_)), "{stored:?}");
    assert_eq!(bed.events("moved").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_out_of_deliveries_does_not_hold_up_what_comes_after_it() {
    let bed = Bed::new(&[]).await;
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    crash_again_and_again(&bed, 1).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step);
    let last = publish(&ingest, &ingested("b.csv")).await;
    bed.wait_for_events("moved", 1).await;
    bed.wait_for_events("failed", 1).await;
    bed.wait_until_done(&consumer::mover()).await;
    let jetstream = bed.jetstream(User::Operator).await;
    let mover: PullConsumer = jetstream
        .get_consumer_from_stream("mover", "FILES")
        .await
        .unwrap();
    // The watcher's sweep asks how far a step has come: given up counts as come past.
    assert_eq!(mover.cached_info().ack_floor.stream_sequence, last);
    service.stop().await.unwrap();
}
