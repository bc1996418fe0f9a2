//! Outages: of what a handler needs, of NATS itself, and of what `setup` makes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use futures::StreamExt;
use proto::{Event, User, consumer};
use runtime::{Context, Trouble};
use servers::nats::Access;
use tokio::sync::Semaphore;

use crate::bed::{Bed, Does, held, outage, retry, until};
use crate::events::{ingested, moved, publish};

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_all_deliveries_counts_no_try_and_pulls_nothing() {
    // Two tries, three deliveries of 400 ms each.
    let bed = Bed::new(&[("SERVICE__SLOTS", "2")]).await;
    let away = Arc::new(AtomicBool::new(true));
    let plug = Arc::clone(&away);
    let step = Does::new(move |event: Event, _| {
        let away = away.load(Ordering::SeqCst);
        async move {
            if away {
                return Err(Trouble::Outage {
                    dependency: "long",
                    reason: "unplugged".to_owned(),
                });
            }
            Ok(Some(moved(&event)))
        }
    });
    let ingest = bed.jetstream(User::Ingest).await;
    for index in 0..2 {
        publish(&ingest, &ingested(&format!("{index}.csv"))).await;
    }
    let service = bed.mover(step.clone());
    service.wait_until_it_says("long is away").await;
    // Another replica would be given whatever is not kept alive. For more than twice as long as
    // it takes to run out of deliveries, it is given nothing.
    let other: PullConsumer = bed
        .jetstream(User::Mover)
        .await
        .get_consumer_from_stream("mover", "FILES")
        .await
        .unwrap();
    for _ in 0..10 {
        let batch = other
            .fetch()
            .max_messages(9)
            .expires(Duration::from_millis(300));
        let given = batch.messages().await.unwrap().count().await;
        assert_eq!(given, 0);
    }
    for index in 2..10 {
        publish(&ingest, &ingested(&format!("{index}.csv"))).await;
    }
    let (status, body) = service.get("/readyz").await.unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("unplugged"), "{body}");
    let (_, metrics) = service.get("/metrics").await.unwrap();
    // No other test of this process has an outage of this name; the label `service` is that of
    // whichever test came first.
    let gauge = "dependency=\"long\"} 1";
    assert!(metrics.contains(gauge), "{metrics}");
    let jetstream = bed.jetstream(User::Operator).await;
    let held: PullConsumer = jetstream
        .get_consumer_from_stream("mover", "FILES")
        .await
        .unwrap();
    assert_eq!(held.cached_info().num_ack_pending, 2);
    assert_eq!(held.cached_info().num_pending, 8);
    assert_eq!(held.cached_info().num_redelivered, 0);

    plug.store(false, Ordering::SeqCst);
    bed.wait_for_events("moved", 10).await;
    bed.wait_until_done(&consumer::mover()).await;
    let (_, metrics) = service.get("/metrics").await.unwrap();
    assert!(metrics.contains(&gauge.replace("} 1", "} 0")), "{metrics}");
    service.stop().await.unwrap();
    assert_eq!(bed.stored("DEAD").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_free_during_an_outage_stays_free() {
    let bed = Bed::new(&[("SERVICE__SLOTS", "2")]).await;
    let away = Arc::new(AtomicBool::new(true));
    let release = Arc::new(Semaphore::new(0));
    let (plug, gate) = (Arc::clone(&away), Arc::clone(&release));
    let step = Does::new(move |event: Event, _| {
        let (away, gate) = (Arc::clone(&away), Arc::clone(&gate));
        async move {
            if event.about().0.key == "needy.csv" && away.load(Ordering::SeqCst) {
                return Err(outage());
            }
            gate.acquire().await.unwrap().forget();
            Ok(Some(moved(&event)))
        }
    });
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("needy.csv")).await;
    for index in 0..5 {
        publish(&ingest, &ingested(&format!("{index}.csv"))).await;
    }
    let service = bed.mover(step.clone());
    service.wait_until_it_says("s3 is away").await;
    release.add_permits(6);
    bed.wait_for_events("moved", 1).await;
    // Time enough for the free slot to take the next one, if it did.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(bed.events("moved").await.len(), 1);
    plug.store(false, Ordering::SeqCst);
    bed.wait_for_events("moved", 6).await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_between_two_tries_counts_as_none() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |event: Event, run| match run {
        1 => Err(retry("content")),
        2..=6 => Err(outage()),
        _ => Ok(Some(moved(&event))),
    });
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.wait_for_events("moved", 1).await;
    service.stop().await.unwrap();
    assert_eq!(step.runs(), 7);
    assert_eq!(bed.stored("DEAD").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_in_an_outage_hands_back_and_does_not_wait() {
    let bed = Bed::new(&[("SERVICE__DRAIN", "60s"), ("NATS__ACK_WAIT", "60s")]).await;
    let step = Does::new(async |_, _| Err(outage()));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    service.wait_until_it_says("s3 is away").await;
    let stopped = tokio::time::timeout(Duration::from_secs(10), service.stop());
    stopped.await.unwrap().unwrap();

    let other = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(other);
    bed.wait_for_events("moved", 1).await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_while_the_server_is_killed_is_handled_when_it_is_back() {
    let mut bed = Bed::new(&[("SERVICE__SLOTS", "4")]).await;
    let (step, release) = held();
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    for index in 0..40 {
        publish(&ingest, &ingested(&format!("{index}.csv"))).await;
    }
    until("the slots are full", async || {
        (step.runs() == 4).then_some(())
    })
    .await;
    bed.nats.kill().await;
    service.wait_until_it_says("nats: not connected").await;
    service.wait_until_it_says("nats is away").await;
    // What is held ends while there is nobody to tell.
    release.add_permits(4);
    until("the work has ended", async || {
        (release.available_permits() == 0).then_some(())
    })
    .await;
    release.add_permits(36);
    bed.nats.restart().await.unwrap();
    service.wait_until_ready().await;

    bed.stop_when_moved(service, 40).await;
    assert_eq!(bed.dead(User::Mover).await.len(), 0);
    let mut ids: Vec<String> = bed
        .events("moved")
        .await
        .into_iter()
        .map(|event| event.id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
    // What the server sent again while it was still held was not begun again.
    assert_eq!(step.runs(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_while_it_is_held_is_not_begun_again() {
    let bed = Bed::new(&[("SERVICE__SLOTS", "8")]).await;
    let (step, release) = held();
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    for key in ["a.csv", "b.csv"] {
        publish(&ingest, &ingested(key)).await;
    }
    until("both are held", async || (step.runs() == 2).then_some(())).await;
    // As after a lost connection: the server takes them for nobody's, while they are held.
    let mover = bed.jetstream(User::Mover).await.client();
    for sequence in 1..=2 {
        let reply = format!("$JS.ACK.FILES.mover.1.{sequence}.{sequence}.0.0");
        mover.publish(reply, "-NAK".into()).await.unwrap();
    }
    let jetstream = bed.jetstream(User::Operator).await;
    until("both were sent again", async || {
        let consumer = jetstream.get_consumer_from_stream("mover", "FILES").await;
        let consumer: PullConsumer = consumer.ok()?;
        (consumer.cached_info().num_redelivered == 2).then_some(())
    })
    .await;
    release.add_permits(2);
    bed.stop_when_moved(service, 2).await;
    assert_eq!(step.runs(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_restart_of_the_server_is_not_kept_waiting() {
    let mut bed = Bed::new(&[]).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step);
    service.wait_until_ready().await;
    bed.nats.kill().await;
    bed.nats.restart().await.unwrap();
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    // A request that died with the server is missed after eleven seconds without a heartbeat.
    let soon = tokio::time::timeout(Duration::from_secs(8), bed.wait_for_events("moved", 1));
    soon.await.unwrap();
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_before_the_server_waits_for_it() {
    let mut bed = Bed::new(&[]).await;
    bed.nats.kill().await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step);
    let (status, body) = service.wait_until_it_says("nats is away").await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains(&bed.nats.url()), "{body}");
    assert_eq!(service.get("/livez").await.unwrap().0, 200);
    bed.nats.restart().await.unwrap();
    service.wait_until_ready().await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_before_setup_says_so_and_waits() {
    let bed = Bed::bare(Access::Users([].into()), &[]).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step);
    let line = "consumer mover of FILES: stream FILES is missing: run `landfall setup`";
    let (status, body) = service.wait_until_it_says(line).await;
    assert_eq!(status, 503, "{body}");
    bed.set_up().await;
    service.wait_until_ready().await;
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.wait_for_events("moved", 1).await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_was_deleted_is_said_and_waited_for() {
    let bed = Bed::open(&[]).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let service = bed.mover(step.clone());
    let jetstream = bed.jetstream(User::Ingest).await;
    publish(&jetstream, &ingested("a.csv")).await;
    bed.wait_until_done(&consumer::mover()).await;
    service.wait_until_ready().await;
    jetstream
        .delete_consumer_from_stream("mover", "FILES")
        .await
        .unwrap();
    let line = "consumer mover of FILES: consumer mover of stream FILES is missing: run \
                `landfall setup`";
    service.wait_until_it_says(line).await;
    publish(&jetstream, &ingested("b.csv")).await;
    assert_eq!(
        bed.set_up().await,
        ["consumer mover of stream FILES created"]
    );
    // A consumer that is made anew brings everything again, and the journal makes that harmless.
    bed.stop_when_moved(service, 2).await;
    assert_eq!(step.runs(), 2);
    assert_eq!(bed.events("moved").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_differs_is_said_in_one_line_and_waited_for() {
    let bed = Bed::new(&[]).await;
    let mut config = bed.config(User::Mover);
    config.nats.max_deliver = 7;
    let service = bed.start_with(config, User::Mover, async |context: &Context| {
        let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
        context.steps(consumer::mover(), step);
        Ok(())
    });
    let line =
        "consumer mover of stream FILES: max_deliver is 3 instead of 7; run `landfall setup`";
    service.wait_until_it_says(line).await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_meets_an_outage_is_started_again_and_what_it_asked_for_runs_once() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |event: Event, _| Ok(Some(moved(&event))));
    let starts = AtomicUsize::new(0);
    let spawned = Arc::new(AtomicUsize::new(0));
    let (given, counts) = (step.clone(), Arc::clone(&spawned));
    let service = bed.start(User::Mover, async move |context: &Context| {
        context.steps(consumer::mover(), given.clone());
        let counts = Arc::clone(&counts);
        context.spawn("count", async move {
            counts.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        match starts.fetch_add(1, Ordering::SeqCst) {
            0..=2 => Err(outage()),
            _ => Ok(()),
        }
    });
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.wait_for_events("moved", 1).await;
    service.stop().await.unwrap();
    assert_eq!(step.runs(), 1);
    assert_eq!(spawned.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_ends_the_service() {
    let bed = Bed::new(&[]).await;
    let mut service = bed.start(User::Mover, async |context: &Context| {
        context.spawn("listener", async {
            Err(Trouble::Retry {
                reason: "the port is taken".to_owned(),
            })
        });
        Ok(())
    });
    let ended = service.ended().await.unwrap_err();
    assert_eq!(ended.to_string(), "listener failed: the port is taken");
    let mut service = bed.start(User::Mover, async |context: &Context| {
        context.spawn("listener", async { panic!("out of luck") });
        Ok(())
    });
    let ended = service.ended().await.unwrap_err();
    assert!(ended.to_string().contains("out of luck"), "{ended}");
    // One that comes to its end does not.
    let service = bed.start(User::Mover, async |context: &Context| {
        context.spawn("once", async { Ok(()) });
        Ok(())
    });
    service.wait_until_ready().await;
    service.stop().await.unwrap();
}
