//! The whole service on real NATS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::message::PublishMessage;
use ingest::Ingest;
use jiff::Timestamp;
use objects::Objects;
use proto::event::{Arrived, What};
use proto::{Data, Event, User, consumer, subject};
use runtime::{Config, Context};
use servers::Nats;
use servers::nats::Options;
use tokio_util::sync::CancellationToken;

use crate::bed::Bed;

const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(nats: &Nats, user: User) -> jetstream::Context {
    let password = nats.password(user).unwrap().to_owned();
    let options = async_nats::ConnectOptions::new()
        .custom_inbox_prefix(user.inbox())
        .user_and_password(user.name().to_owned(), password);
    jetstream::new(options.connect(nats.url()).await.unwrap())
}

fn config(bed: &Bed, nats: &Nats, user: User) -> Config {
    let mut config = bed.config.clone();
    config.store.folder = bed.folder().join("service");
    config.nats.url = nats.url();
    config.nats.duplicate_window = Duration::from_millis(100);
    let password = nats.password(user).unwrap();
    config.nats.password = Some(runtime::config::secret::Secret::new(password));
    config
}

async fn publish(jetstream: &jetstream::Context, arrived: &Arrived) {
    let event = Event::new(
        User::Watcher,
        Data::Arrived(arrived.clone()),
        Timestamp::now(),
    );
    let payload = serde_json::to_vec(&event).unwrap();
    // Without an id, nothing is dropped as a duplicate.
    let message = PublishMessage::build().payload(payload.into());
    let subject = subject::files(arrived.file.id, What::Arrived, &arrived.file.profile);
    jetstream
        .send_publish(subject, message)
        .await
        .unwrap()
        .await
        .unwrap();
}

/// What ingest has said so far.
async fn said(jetstream: &jetstream::Context) -> Vec<Data> {
    let stream = jetstream.get_stream("FILES").await.unwrap();
    let mut said = vec![];
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let message = stream.direct_get(sequence).await.unwrap();
        let event: Event = serde_json::from_slice(&message.payload).unwrap();
        if event.source == "/landfall/ingest" {
            said.push(event.data);
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn arrived_files_become_ingested_rejected_or_superseded() {
    let bed = Bed::new("service").await;
    let nats = Nats::start(&bed.folder().join("nats"), Options::default())
        .await
        .unwrap();
    runtime::setup(&config(&bed, &nats, User::Setup))
        .await
        .unwrap();
    let good = bed.upload("good.csv", "s,1700000000,1\n").await;
    let bad = bed.upload("bad.csv", "s,1700000000,x\n").await;
    let old = bed.upload("old.csv", "s,1700000000,2\n").await;
    let new = bed.upload("old.csv", "s,1700000000,33\n").await;
    let watcher = connect(&nats, User::Watcher).await;
    for arrived in [&good, &bad, &old, &new, &good] {
        publish(&watcher, arrived).await;
    }

    let stop = CancellationToken::new();
    let (settings, asked) = (config(&bed, &nats, User::Ingest), stop.clone());
    let service = tokio::spawn(runtime::run(
        User::Ingest,
        settings,
        asked,
        async |context: &Context| {
            let objects = Objects::new(&context.config.objects).await?;
            let journal = Arc::clone(&context.journal);
            let readings = context.readings().await?;
            let ingest = Ingest::new(&context.config, objects, journal, readings);
            context.steps(consumer::ingest(), Arc::new(ingest));
            Ok(())
        },
    ));
    let operator = connect(&nats, User::Operator).await;
    let began = Instant::now();
    let mut said = loop {
        let said = said(&operator).await;
        if said.len() >= 4 {
            break said;
        }
        assert!(began.elapsed() < PATIENCE, "{said:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    stop.cancel();
    service.await.unwrap().unwrap();
    said.sort_by_key(|data| data.about().0.id);
    said.dedup();
    let what = |arrived: &Arrived| {
        let mut said = said.iter().filter(|data| data.about().0 == &arrived.file);
        (said.next().unwrap().what(), said.count())
    };
    assert_eq!(what(&good), (What::Ingested, 0));
    assert_eq!(what(&bad), (What::Rejected, 0));
    assert_eq!(what(&old), (What::Superseded, 0));
    assert_eq!(what(&new), (What::Ingested, 0));
}
