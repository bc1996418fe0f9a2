//! From an event to its one outcome.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use proto::event::MoveOutcome;
use proto::{Data, Event, User, consumer};
use runtime::{Context, Message, Step, Trouble};
use tokio::sync::Semaphore;

use crate::bed::{Bed, Does, held, until};
use crate::events::{cell, file, ingested, ingested_again, moved, moved_as, publish};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_becomes_one_outcome_that_is_published_marked_and_acknowledged() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;

    let events = bed.stop_when_moved(service, 1).await;

    let id = file("a.csv").id;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].id, format!("{id}/0/mover"));
    assert_eq!(events[0].source, "/landfall/mover");
    let stored = bed.stored("FILES").await.pop().unwrap();
    assert_eq!(stored.subject.as_str(), "files.0.moved.default");
    let header = |name: &str| stored.headers.get(name).unwrap().as_str().to_owned();
    assert_eq!(header("Nats-Msg-Id"), format!("{id}/0/mover"));
    assert_eq!(header("Content-Type"), "application/cloudevents+json");
    let traceparent = header("traceparent");
    let parts: Vec<&str> = traceparent.split('-').collect();
    assert_eq!(parts[..2], ["00", &id.to_string()]);
    // Nobody exports it here.
    assert_eq!((parts[2].len(), parts[3]), (16, "00"));
    let settled = bed.settled(User::Mover, cell("a.csv", 0)).await.unwrap();
    assert_eq!(settled.event, events[0]);
    assert_eq!(settled.published, Some(stored.sequence));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_twice_is_worked_on_once() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.wait_for_events("moved", 1).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.wait_until_done(&consumer::mover()).await;
    service.stop().await.unwrap();
    assert_eq!(step.runs(), 1);
    assert_eq!(bed.events("moved").await.len(), 1);
}

/// The outcome of `user` about an event, settled so many minutes ago and marked as published.
async fn settled_long_ago(bed: &Bed, user: User, event: &Event, minutes: i64) -> Event {
    let path = bed.folder().join(format!("store/{user}.db"));
    let journal = store::sqlite::Journal::open(&path).await.unwrap();
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
    let outcome = Event::new(user, moved(event), then);
    store::Journal::settle(&journal, &outcome).await.unwrap();
    let marked = store::Journal::mark_published(&journal, cell("a.csv", 0), 1);
    marked.await.unwrap();
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_said_again_long_after_its_outcome_makes_the_outcome_said_again() {
    let bed = Bed::new(&[]).await;
    let event = ingested("a.csv");
    let outcome = settled_long_ago(&bed, User::Mover, &event, 2).await;
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &event).await;
    let step = Does::new(async |_, _| Ok(None));
    let service = bed.mover(step.clone());
    let events = bed.stop_when_moved(service, 1).await;
    assert_eq!(events, [outcome]);
    assert_eq!(step.runs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_long_after_the_outcome_does_not_make_it_said_again() {
    let bed = Bed::open(&[]).await;
    let event = ingested("a.csv");
    settled_long_ago(&bed, User::Notifier, &event, 12).await;
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &event).await;
    let step = Does::new(async |_, _| Ok(None));
    let notifier = step.clone();
    let service = bed.start(User::Notifier, async move |context: &Context| {
        context.steps(
            consumer::notifier_due(),
            Arc::clone(&notifier) as Arc<dyn Step>,
        );
        Ok(())
    });
    let payload = serde_json::to_vec(&event).unwrap();
    let jetstream = bed.jetstream(User::Notifier).await;
    let wake = jetstream.publish(proto::subject::DELAY_DUE, payload.into());
    wake.await.unwrap().await.unwrap();
    bed.wait_until_done(&consumer::notifier_due()).await;
    service.stop().await.unwrap();
    assert_eq!(step.runs(), 0);
    assert_eq!(bed.stored("FILES").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replay_of_a_file_is_another_cell() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    publish(&ingest, &ingested_again("a.csv", 1)).await;
    let events = bed.stop_when_moved(service, 2).await;
    let mut replays: Vec<u32> = events.iter().map(|event| event.about().1).collect();
    replays.sort_unstable();
    assert_eq!(replays, [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_decided_yet_is_acknowledged_without_an_outcome() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |_, _| Ok(None));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    until("it was run", async || (step.runs() > 0).then_some(())).await;
    bed.wait_until_done(&consumer::mover()).await;
    service.stop().await.unwrap();
    assert_eq!(bed.settled(User::Mover, cell("a.csv", 0)).await, None);
    assert_eq!(bed.stored("FILES").await.len(), 1);
}

/// Answers `archived`, and hears of what is stored.
struct Hears {
    context: Mutex<Option<runtime::Outbox>>,
    heard: Mutex<Vec<(Event, Option<Data>)>>,
}

#[async_trait]
impl Step for Hears {
    async fn run(&self, event: &Event, _: &Message) -> Result<Option<Data>, Trouble> {
        // Another replica is faster.
        let outbox = self.context.lock().unwrap().clone().unwrap();
        outbox.settle(moved_as(event, MoveOutcome::Gone)).await?;
        Ok(Some(moved(event)))
    }

    async fn stored(&self, outcome: &Event, answered: Option<&Data>) -> Result<(), Trouble> {
        let heard = (outcome.clone(), answered.cloned());
        self.heard.lock().unwrap().push(heard);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_is_settled_twice_is_what_it_was_first_and_the_step_hears_of_it() {
    let bed = Bed::new(&[]).await;
    let step = Arc::new(Hears {
        context: Mutex::default(),
        heard: Mutex::default(),
    });
    let given = Arc::clone(&step);
    let service = bed.start(User::Mover, async move |context: &Context| {
        *given.context.lock().unwrap() = Some(context.outbox.clone());
        context.steps(consumer::mover(), given.clone());
        Ok(())
    });
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.wait_for_events("moved", 1).await;
    bed.wait_until_done(&consumer::mover()).await;
    publish(&ingest, &ingested("a.csv")).await;
    until("both were heard of", async || {
        (step.heard.lock().unwrap().len() == 2).then_some(())
    })
    .await;
    service.stop().await.unwrap();
    let event = ingested("a.csv");
    for published in bed.events("moved").await {
        assert_eq!(published.data, moved_as(&event, MoveOutcome::Gone));
    }
    let heard = step.heard.lock().unwrap();
    for (outcome, _) in heard.iter() {
        assert_eq!(outcome.data, moved_as(&event, MoveOutcome::Gone));
    }
    assert_eq!(heard[0].1, Some(moved(&event)));
    assert_eq!(heard[1].1, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_settled_and_not_published_is_published_at_start() {
    let bed = Bed::new(&[]).await;
    let path = bed.folder().join("store/mover.db");
    let journal = store::sqlite::Journal::open(&path).await.unwrap();
    for index in 0..300 {
        let event = ingested(&format!("{index}.csv"));
        // Some by a clock that was ahead.
        let time = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(index % 3);
        let outcome = Event::new(User::Mover, moved(&event), time);
        store::Journal::settle(&journal, &outcome).await.unwrap();
    }
    drop(journal);
    let service = bed.start(User::Mover, async |_: &Context| Ok(()));
    until("everything is published", async || {
        let stream = bed
            .jetstream(User::Operator)
            .await
            .get_stream("FILES")
            .await;
        (stream.unwrap().cached_info().state.messages == 300).then_some(())
    })
    .await;
    until("everything is marked", async || {
        let settled = bed.settled(User::Mover, cell("299.csv", 0)).await.unwrap();
        settled.published.map(drop)
    })
    .await;
    service.stop().await.unwrap();
}

/// The stream was made anew and counts from 1 again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_in_a_stream_that_is_gone_is_published_again() {
    let bed = Bed::open(&[]).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.stop_when_moved(service, 1).await;
    ingest.delete_stream("FILES").await.unwrap();
    bed.set_up().await;
    publish(&ingest, &ingested("b.csv")).await;

    let service = bed.mover(step.clone());
    until("both are there", async || {
        let events = bed.events("moved").await;
        let mut files: Vec<&str> = events.iter().map(|event| &*event.about().0.key).collect();
        files.sort_unstable();
        // What is marked while the marks are taken back may be published twice.
        files.dedup();
        (files == ["a.csv", "b.csv"]).then_some(())
    })
    .await;
    service.stop().await.unwrap();
    assert_eq!(step.runs(), 2);
}

/// Moves the times of the marks, as if the clock of who made them had gone wrong by so much.
#[expect(clippy::disallowed_methods, reason = "a clock that goes wrong")]
fn shift_marks(bed: &Bed, by: &str) {
    let database = rusqlite::Connection::open(bed.folder().join("store/mover.db")).unwrap();
    let hour = format!("UPDATE outcome SET marked = marked {by} 3600000000");
    assert!(database.execute(&hour, []).unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stream_has_lost_is_not_told_by_the_clock_of_a_service() {
    let bed = Bed::open(&[]).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.stop_when_moved(service, 1).await;
    let mark = async || {
        let settled = bed.settled(User::Mover, cell("a.csv", 0)).await;
        settled.unwrap().published
    };
    let marked = mark().await;
    assert!(marked.is_some());

    // Behind: it was marked, as it seems, before the stream was made.
    shift_marks(&bed, "-");
    let service = bed.mover(step.clone());
    publish(&ingest, &ingested("b.csv")).await;
    bed.stop_when_moved(service, 2).await;
    assert_eq!(mark().await, marked);
    let events = bed.events("moved").await;
    assert_eq!(events.len(), 2);

    // Ahead: it was marked, as it seems, in the stream that was made after it.
    ingest.delete_stream("FILES").await.unwrap();
    bed.set_up().await;
    for name in ["c.csv", "d.csv", "e.csv", "f.csv"] {
        publish(&ingest, &ingested(name)).await;
    }
    shift_marks(&bed, "+ 2 *");
    let service = bed.mover(step);
    until("it is published again", async || {
        let events = bed.events("moved").await;
        let mut keys = events.iter().map(|event| event.about().0.key.as_str());
        keys.any(|key| key == "a.csv").then_some(())
    })
    .await;
    service.stop().await.unwrap();
}

/// The first message of the new stream has the number of the one that is in progress.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_stream_made_anew_is_not_taken_for_the_one_in_progress() {
    let bed = Bed::open(&[]).await;
    let release = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&release);
    let step = Does::new(move |event: Event, _| {
        let held = Arc::clone(&held);
        async move {
            if event.about().0.key == "a.csv" {
                held.acquire().await.unwrap().forget();
            }
            Ok(Some(moved(&event)))
        }
    });
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    until("it is in progress", async || {
        (step.runs() == 1).then_some(())
    })
    .await;
    ingest.delete_stream("FILES").await.unwrap();
    bed.set_up().await;
    publish(&ingest, &ingested("b.csv")).await;
    until("the other is too", async || {
        (step.runs() == 2).then_some(())
    })
    .await;
    release.add_permits(1);
    bed.wait_for_events("moved", 2).await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_as_many_are_worked_on_as_there_are_slots_and_nothing_waits_for_them() {
    let bed = Bed::new(&[("SERVICE__SLOTS", "3")]).await;
    let (step, release) = held();
    let ingest = bed.jetstream(User::Ingest).await;
    for index in 0..20 {
        publish(&ingest, &ingested(&format!("{index}.csv"))).await;
    }
    let service = bed.mover(step.clone());
    until("the slots are full", async || {
        (step.runs() == 3).then_some(())
    })
    .await;
    // Longer than ack_wait: what is held is kept alive, and no more than the slots is asked for.
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let jetstream = bed.jetstream(User::Operator).await;
    let info: async_nats::jetstream::consumer::PullConsumer = jetstream
        .get_consumer_from_stream("mover", "FILES")
        .await
        .unwrap();
    assert_eq!(step.runs(), 3);
    assert_eq!(info.cached_info().num_ack_pending, 3);
    assert_eq!(info.cached_info().num_redelivered, 0);
    assert_eq!(info.cached_info().num_pending, 17);
    release.add_permits(20);
    bed.stop_when_moved(service, 20).await;
    assert_eq!(step.runs(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_finished_in_time_is_kept_and_the_rest_is_handed_back_at_once() {
    let bed = Bed::new(&[("SERVICE__DRAIN", "1s"), ("NATS__ACK_WAIT", "60s")]).await;
    let (step, release) = held();
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    for key in ["a.csv", "b.csv"] {
        publish(&ingest, &ingested(key)).await;
    }
    until("both are worked on", async || {
        (step.runs() == 2).then_some(())
    })
    .await;
    let (stopped, ()) = tokio::join!(service.stop(), async { release.add_permits(1) });
    stopped.unwrap();
    assert_eq!(bed.events("moved").await.len(), 1);

    // ack_wait is a minute, and waiting for the other replica is not that patient.
    let other = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(other.clone());
    bed.stop_when_moved(service, 2).await;
    assert_eq!(other.runs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_the_work() {
    let bed = Bed::new(&[("SERVICE__SLOTS", "2")]).await;
    let step = || {
        Does::new(async |event: Event, _| {
            // Work, so that one alone would not be done before the other has asked for some.
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(Some(moved(&event)))
        })
    };
    let (one, other) = (step(), step());
    let services = [bed.mover(one.clone()), bed.mover(other.clone())];
    for service in &services {
        service.wait_until_ready().await;
    }
    let ingest = bed.jetstream(User::Ingest).await;
    for index in 0..60 {
        publish(&ingest, &ingested(&format!("{index}.csv"))).await;
    }
    bed.wait_for_events("moved", 60).await;
    bed.wait_until_done(&consumer::mover()).await;
    for service in services {
        service.stop().await.unwrap();
    }
    assert_eq!(one.runs() + other.runs(), 60);
    assert!(
        one.runs() > 10 && other.runs() > 10,
        "{} and {}",
        one.runs(),
        other.runs()
    );
}
