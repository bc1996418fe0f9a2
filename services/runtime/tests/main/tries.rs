//! Content errors: counted, and the last one is a dead letter and a `failed`.

use std::sync::Arc;

use proto::{Data, Event, User, consumer};
use runtime::Context;

use crate::bed::{Bed, Does, reject, retry, until};
use crate::events::{cell, file, ingested, moved, publish, publish_raw};

#[tokio::test(flavor = "multi_thread")]
async fn the_last_try_ends_as_a_dead_letter_and_a_failed() {
    let bed = Bed::new(&[("SERVICE__TRIES", "3"), ("NATS__MAX_DELIVER", "9")]).await;
    let step = Does::new(async |_, _| Err(retry("the moon\nis full")));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    let event = ingested("a.csv");
    let sequence = publish(&ingest, &event).await;

    let failed = bed.wait_for_events("failed", 1).await;
    bed.wait_until_done(&consumer::mover()).await;
    let (_, metrics) = service.get("/metrics").await.unwrap();
    service.stop().await.unwrap();

    assert_eq!(step.runs(), 3);
    let dead = bed.dead(User::Mover).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].payload, serde_json::to_vec(&event).unwrap());
    let header = |name: &str| Some(dead[0].headers.get(name)?.as_str().to_owned());
    let reason = "failed 3 times, at last: the moon is full";
    assert_eq!(header("Landfall-Reason").unwrap(), reason);
    assert_eq!(header("Landfall-Stream").unwrap(), "FILES");
    assert_eq!(header("Landfall-Sequence").unwrap(), sequence.to_string());
    assert_eq!(
        header("Landfall-Subject").unwrap(),
        "files.0.ingested.default"
    );
    assert_eq!(header("Landfall-Delivered").unwrap(), "3");
    assert_eq!(header("X-Own").unwrap(), "one");
    assert_eq!(
        header("traceparent").unwrap(),
        "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    );
    assert_eq!(header("Nats-Own"), None);

    let Data::Failed(failed) = &failed[0].data else {
        panic!("{failed:?}");
    };
    assert_eq!(failed.file, file("a.csv"));
    assert_eq!(failed.step, User::Mover);
    assert_eq!(failed.reason, reason);
    assert_eq!(failed.dead_letter.stream, "DEAD");
    assert_eq!(failed.dead_letter.sequence, dead[0].sequence);
    // The label `service` is that of whichever test of this process came first.
    let counted = "stream=\"FILES\",outcome=\"retried\"}";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_works_ends_it() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |event: Event, run| match run {
        1 => Err(retry("not yet")),
        _ => Ok(Some(moved(&event))),
    });
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.stop_when_moved(service, 1).await;
    assert_eq!(bed.dead(User::Mover).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_never_work_is_not_tried_again() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |_, _| Err(reject("no such column")));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    let failed = bed.wait_for_events("failed", 1).await;
    bed.wait_until_done(&consumer::mover()).await;
    service.stop().await.unwrap();
    assert_eq!(step.runs(), 1);
    assert!(matches!(&failed[0].data, Data::Failed(failed) if failed.reason == "no such column"));
    assert_eq!(bed.dead(User::Mover).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_are_counted_over_restarts() {
    let bed = Bed::new(&[("SERVICE__TRIES", "2"), ("NATS__MAX_DELIVER", "9")]).await;
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    let first = Does::new(async |_, _| Err(retry("first")));
    let service = bed.start_with(
        {
            let mut config = bed.config(User::Mover);
            config.service.retry_after = std::time::Duration::from_secs(1);
            config
        },
        User::Mover,
        {
            let step = first.clone();
            async move |context: &Context| {
                context.steps(consumer::mover(), step.clone());
                Ok(())
            }
        },
    );
    until("the first try", async || (first.runs() == 1).then_some(())).await;
    service.stop().await.unwrap();

    let second = Does::new(async |_, _| Err(retry("second")));
    let service = bed.mover(second.clone());
    bed.wait_for_events("failed", 1).await;
    service.stop().await.unwrap();
    assert_eq!((first.runs(), second.runs()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failed_try_like_any_other() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |event: Event, _| {
        assert!(
            event.about().0.key != "a.csv",
            "key {}",
            event.about().0.key
        );
        Ok(Some(moved(&event)))
    });
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    publish(&ingest, &ingested("b.csv")).await;
    let failed = bed.wait_for_events("failed", 1).await;
    bed.wait_for_events("moved", 1).await;
    service.stop().await.unwrap();
    let expected = "failed 2 times, at last: the handler panicked: key a.csv";
    assert!(matches!(&failed[0].data, Data::Failed(failed) if failed.reason == expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_known_event_is_a_dead_letter_that_names_it() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |_, _| Ok(None));
    let service = bed.mover(step.clone());
    let ingest = bed.jetstream(User::Ingest).await;
    let known = serde_json::to_value(ingested("a.csv")).unwrap();
    let with = |name: &str, value: &str| {
        let mut event = known.clone();
        event[name] = value.into();
        serde_json::to_vec(&event).unwrap()
    };
    let mut without = known.clone();
    without["data"].as_object_mut().unwrap().remove("file");
    for payload in [
        with("type", "io.landfall.file.ingested.v2"),
        with("specversion", "2.0"),
        with("subject", &"0".repeat(32)),
        serde_json::to_vec(&without).unwrap(),
        b"{}".to_vec(),
        b"\xff\x00".to_vec(),
    ] {
        publish_raw(&ingest, &payload).await;
    }
    let dead = until("six dead letters", async || {
        let dead = bed.dead(User::Mover).await;
        (dead.len() == 6).then_some(dead)
    })
    .await;
    bed.wait_until_done(&consumer::mover()).await;
    service.stop().await.unwrap();

    let reasons: Vec<&str> = dead
        .iter()
        .map(|letter| letter.headers.get("Landfall-Reason").unwrap().as_str())
        .collect();
    for part in [
        "`io.landfall.file.ingested.v2` are unknown to this version of Landfall",
        "version `2.0` of CloudEvents is unknown",
        "has another file or replay in its envelope",
        "missing field `file`",
        "missing field `specversion`",
        "expected value at line 1 column 1",
    ] {
        let named = reasons
            .iter()
            .filter(|reason| reason.contains(part))
            .count();
        assert_eq!(named, 1, "{part} in {reasons:#?}");
    }
    assert_eq!(step.runs(), 0);
    assert_eq!(bed.events("failed").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_message_that_is_refused_is_a_dead_letter_and_nothing_else() {
    let bed = Bed::new(&[]).await;
    let handler = Does::new(async |_, _| Err(reject("no notification")));
    let given = Arc::clone(&handler);
    let service = bed.start(User::Mover, async move |context: &Context| {
        context.handle(consumer::mover(), given.clone());
        Ok(())
    });
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.wait_until_done(&consumer::mover()).await;
    until("a dead letter", async || {
        (bed.dead(User::Mover).await.len() == 1).then_some(())
    })
    .await;
    service.stop().await.unwrap();
    assert_eq!(handler.runs(), 1);
    assert_eq!(bed.stored("FILES").await.len(), 1);
    assert_eq!(bed.settled(User::Mover, cell("a.csv", 0)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_as_large_as_the_server_takes_leaves_a_dead_letter_without_its_payload() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |_, _| Ok(None));
    let service = bed.mover(step);
    let ingest = bed.jetstream(User::Ingest).await;
    let limit = ingest.client().max_payload();
    // Its own headers take what is left of the limit.
    let payload = vec![b'x'; limit - 160];
    publish_raw(&ingest, &payload).await;
    let dead = until("a dead letter", async || bed.dead(User::Mover).await.pop()).await;
    bed.wait_until_done(&consumer::mover()).await;
    service.stop().await.unwrap();
    let reason = dead.headers.get("Landfall-Reason").unwrap().as_str();
    assert!(
        reason.contains(&format!("payload of {} bytes", payload.len())),
        "{reason}"
    );
    assert_eq!(dead.headers.get("Landfall-Sequence").unwrap().as_str(), "1");
    assert_eq!(dead.payload.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_is_too_large_to_publish_is_never_settled() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |event: Event, _| {
        let mut data = moved(&event);
        if let Data::Moved(moved) = &mut data {
            moved.rejected = Some("x".repeat(2_000_000));
        }
        Ok(Some(data))
    });
    let service = bed.mover(step);
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    let failed = bed.wait_for_events("failed", 1).await;
    service.stop().await.unwrap();
    let Data::Failed(failed) = &failed[0].data else {
        panic!("{failed:?}");
    };
    assert!(
        failed.reason.contains("raise its `max_payload`"),
        "{}",
        failed.reason
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_another_file_is_not_taken() {
    let bed = Bed::new(&[]).await;
    let step = Does::new(async |_, _| Ok(Some(moved(&ingested("other.csv")))));
    let service = bed.mover(step);
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    let failed = bed.wait_for_events("failed", 1).await;
    service.stop().await.unwrap();
    assert_eq!(failed[0].about().0.key, "a.csv");
    assert_eq!(bed.settled(User::Mover, cell("other.csv", 0)).await, None);
}
