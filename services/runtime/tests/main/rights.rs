//! What the contract's table denies is denied, and said.

use std::time::Duration;

use proto::event::{Arrived, FoundBy};
use proto::{Data, User, consumer};
use runtime::Context;

use crate::bed::{Bed, Does};
use crate::events::{file, ingested, publish};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_not_say_what_is_anothers_to_say() {
    let bed = Bed::new(&[]).await;
    for (user, subject) in [
        (User::Ingest, "files.0.moved.default"),
        (User::Ingest, "files.0.arrived.default"),
        (User::Ingest, "dead.mover"),
        (User::Mover, "files.0.ingested.default"),
        (User::Operator, "files.0.failed.default"),
    ] {
        let mut jetstream = bed.jetstream(user).await;
        jetstream.set_timeout(Duration::from_millis(500));
        let stored = jetstream.publish(subject, "{}".into()).await.unwrap().await;
        assert!(stored.is_err(), "{user} may publish to {subject}");
    }
    assert_eq!(bed.stored("FILES").await.len(), 0);
    assert_eq!(bed.stored("DEAD").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_named_and_waited_for() {
    let bed = Bed::new(&[]).await;
    // The mover must not say `arrived`.
    let service = bed.start(User::Mover, async |context: &Context| {
        let step = Does::new(async |_, _| {
            Ok(Some(Data::Arrived(Arrived {
                file: file("a.csv"),
                replay: 0,
                found_by: FoundBy::Sweep,
            })))
        });
        context.steps(consumer::mover(), step);
        Ok(())
    });
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    let (_, body) = service.wait_until_it_says("Permissions Violation").await;
    assert!(body.contains("user `mover`"), "{body}");
    assert!(body.contains("files.0.arrived.default"), "{body}");
    service.stop().await.unwrap();
}
