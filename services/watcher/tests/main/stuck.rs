//! What waits is left alone, what has ended is left alone, and what is stuck is said again.

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::PullConsumer;
use futures::StreamExt;
use jiff::Timestamp;
use proto::event::{Arrived, DeadLetter, Failed};
use proto::{Data, Event, User, What, subject};

use crate::bed::{Bed, until};

const QUICK: &str = "watcher.sweep_every = '1s'\nwatcher.stuck_after = '2s'";

/// Takes and acknowledges messages about so many files, as ingest does when its outcome is said.
async fn acknowledge(bed: &Bed, count: usize) -> Vec<Event> {
    let jetstream = bed.jetstream(User::Ingest).await;
    let consumer: PullConsumer = jetstream
        .get_consumer_from_stream("ingest", "FILES")
        .await
        .unwrap();
    let mut events: Vec<Event> = vec![];
    while events.len() < count {
        let mut batch = consumer.fetch().max_messages(1).messages().await.unwrap();
        while let Some(message) = batch.next().await {
            let message = message.unwrap();
            let event: Event = serde_json::from_slice(&message.payload).unwrap();
            if events.iter().all(|other| other.subject != event.subject) {
                events.push(event);
            }
            message.double_ack_with(AckKind::Ack).await.unwrap();
        }
    }
    events
}

/// Says `failed` of a file, as ingest.
async fn fail(bed: &Bed, arrived: &Event) {
    let (file, replay) = arrived.about();
    let failed = Data::Failed(Failed {
        file: file.clone(),
        replay,
        step: User::Ingest,
        reason: "a test says so".to_owned(),
        dead_letter: DeadLetter {
            stream: "DEAD".to_owned(),
            sequence: 1,
        },
        replayed: None,
    });
    let event = Event::new(User::Ingest, failed, Timestamp::now());
    let subject = subject::files(file.id, What::Failed, &file.profile);
    let jetstream = bed.jetstream(User::Ingest).await;
    let payload = serde_json::to_vec(&event).unwrap();
    let published = jetstream.publish(subject, payload.into()).await.unwrap();
    published.await.unwrap();
}

async fn upload_all(bed: &Bed, name: &str, count: usize) {
    let uploads = (0..count).map(async |number| {
        let key = format!("incoming/{name}-{number}.csv");
        bed.upload(&key, &key).await;
    });
    futures::future::join_all(uploads).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn among_200_that_wait_and_200_that_failed_only_the_lost_and_the_stuck_are_said() {
    let bed = Bed::new(QUICK).await;
    let watcher = bed.watch().await;
    upload_all(&bed, "failed", 200).await;
    bed.upload("incoming/stuck.csv", "stuck").await;
    bed.wait_for_arrived(201).await;
    bed.wait_for_a_sweep().await;
    let events = acknowledge(&bed, 201).await;
    let failing = events
        .iter()
        .filter(|event| event.about().0.key != "incoming/stuck.csv")
        .map(|event| fail(&bed, event));
    futures::future::join_all(failing).await;
    upload_all(&bed, "waiting", 200).await;
    bed.wait_for_arrived(401).await;
    bed.wait_for_a_sweep().await;
    let before = bed.arrived().await.len();
    bed.lose_notifications();
    bed.upload("incoming/lost.csv", "lost").await;

    let said = |arrived: &[Arrived], key: &str| {
        let of_key = arrived.iter().filter(|arrived| arrived.file.key == key);
        of_key.count()
    };
    until("the lost one and the stuck one are said", async || {
        let arrived = bed.arrived().await;
        let lost = said(&arrived, "incoming/lost.csv");
        let stuck = said(&arrived, "incoming/stuck.csv");
        (lost == 1 && stuck >= 2).then_some(())
    })
    .await;
    // And that is all, as often as it sweeps, longer than `stuck_after`.
    for _ in 0..3 {
        bed.wait_for_a_sweep().await;
    }
    let arrived = bed.arrived().await;
    watcher.stop().await;
    assert_eq!(said(&arrived, "incoming/lost.csv"), 1);
    // Said again, it waits behind the others.
    assert_eq!(said(&arrived, "incoming/stuck.csv"), 2);
    for since in &arrived[before..] {
        let key = since.file.key.as_str();
        let expected = ["incoming/lost.csv", "incoming/stuck.csv"];
        assert!(expected.contains(&key), "{key} was said again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_stuck_is_said_three_times_in_all_and_then_given_up() {
    let bed = Bed::new(QUICK).await;
    let watcher = bed.watch().await;
    bed.upload("incoming/stuck.csv", "stuck").await;
    for _ in 0..3 {
        // Waits for it where it has not been said yet.
        acknowledge(&bed, 1).await;
    }
    let file = bed.arrived().await[0].file.id;
    until("it is given up", async || {
        use store::journal::{Journal, Register};
        let register = Register::new("sweep", file.to_string());
        let note = bed.journal().await.read(&register).await.unwrap()?;
        (note.value == b"\"given_up\"").then_some(())
    })
    .await;
    bed.wait_for_a_sweep().await;
    let arrived = bed.arrived().await;
    watcher.stop().await;
    assert_eq!(arrived.len(), 3);
    assert!(arrived.iter().all(|again| *again == arrived[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_lost_and_made_anew_is_told_of_what_still_lies_there() {
    let bed = Bed::new(QUICK).await;
    let watcher = bed.watch().await;
    upload_all(&bed, "early", 20).await;
    bed.wait_for_arrived(20).await;
    // Whoever loses the server's disk has its databases still.
    let mut bed = bed;
    bed.nats.stop().await;
    std::fs::remove_dir_all(bed.folder().join("nats/jetstream")).unwrap();
    bed.nats.restart().await.unwrap();
    bed.set_up().await;
    let arrived = until("everything is said again", async || {
        let arrived = bed.arrived().await;
        (arrived.len() == 20).then_some(arrived)
    })
    .await;
    watcher.stop().await;
    let mut keys: Vec<&str> = arrived.iter().map(|a| a.file.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_and_still_lies_there_is_not_forgotten() {
    use store::journal::{Journal, Register};
    let bed = Bed::new(QUICK).await;
    let watcher = bed.watch().await;
    bed.upload("incoming/failed.csv", "one").await;
    let events = acknowledge(&bed, 1).await;
    fail(&bed, &events[0]).await;
    let note = Register::new("sweep", events[0].subject.to_string());
    until("it is noted", async || {
        bed.journal().await.read(&note).await.unwrap().map(drop)
    })
    .await;
    watcher.stop().await;
    // Everything that was written up to here is old now, and what lies there is seen once more.
    let old = Timestamp::now();
    bed.watch_deafly().await.stop().await;
    bed.journal().await.forget(old).await.unwrap();
    let watcher = bed.watch_deafly().await;
    watcher.stop().await;
    assert_eq!(bed.arrived().await.len(), 1);
}
