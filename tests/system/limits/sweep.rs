//! A listing of many files, most of which merely wait.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::PullConsumer;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use proto::event::{DeadLetter, Failed};
use proto::{Data, Event, User, What};
use tests::{Installation, Upload, run};

use super::SHIPPED;

/// Of each kind beside those that wait.
const FEW: usize = 100;

#[test]
fn of_5_000_files_only_the_unknown_and_the_stuck_are_said() {
    run(sweep(5_000));
}

#[test]
#[ignore = "takes some minutes; `make soak` runs it"]
fn of_100_000_files_only_the_unknown_and_the_stuck_are_said() {
    run(sweep(100_000));
}

/// The watcher alone, over files that wait for an ingest that is away, and a hundred each that are
/// unknown, have failed, and are stuck: ingest has acknowledged them and said nothing.
async fn sweep(files: usize) -> Result<()> {
    let others = [User::Ingest, User::Mover, User::Notifier];
    let builder = others
        .into_iter()
        .fold(Installation::builder(), |builder, user| {
            builder.without(user)
        });
    let mut landfall = builder
        .own_store()
        .unheard()
        .set("watcher.sweep_every", "1h")
        .set("watcher.stuck_after", "2s")
        .patience(Duration::from_secs(10 * 60))
        .start()
        .await?;
    upload(&landfall, "failed", FEW, true).await?;
    upload(&landfall, "stuck", FEW, true).await?;
    said(&landfall, 2 * FEW).await?;
    for event in acknowledge(&landfall, 2 * FEW).await? {
        if event.about().0.key.contains("failed") {
            landfall.publish(User::Ingest, &failed(&event)).await?;
        }
    }
    upload(&landfall, "waiting", files - 3 * FEW, true).await?;
    let known = files - FEW;
    said(&landfall, known).await?;
    upload(&landfall, "unknown", FEW, false).await?;

    // A listing at start, and nothing else before an hour is over. The youngest of the stuck has
    // to be older than `stuck_after`.
    let youngest = Timestamp::now();
    landfall
        .until("the time after which files count as stuck", || {
            let old = Timestamp::now().duration_since(youngest).as_secs() >= 3;
            std::future::ready(old.then_some(()))
        })
        .await?;
    landfall.stop(User::Watcher).await?;
    landfall.add(User::Watcher).await?;
    swept(&landfall).await?;
    let again = landfall.count_said(What::Arrived).await? - known;
    ensure!(again == 2 * FEW, "the sweep said {again} files");
    SHIPPED.hold(&landfall, User::Watcher)?;

    landfall.stop(User::Watcher).await?;
    landfall.add(User::Watcher).await?;
    swept(&landfall).await?;
    let more = landfall.count_said(What::Arrived).await? - known - again;
    ensure!(more == 0, "the next sweep said {more} files more");
    Ok(())
}

async fn upload(landfall: &Installation, name: &str, count: usize, heard: bool) -> Result<()> {
    let bucket = &landfall.bucket;
    let uploads: Vec<Upload> = stream::iter(0..count)
        .map(|number| async move {
            let key = format!("incoming/{name}/{number}.csv");
            bucket.put(&key, &key).await
        })
        .buffer_unordered(32)
        .try_collect()
        .await?;
    if heard {
        landfall.announce(&uploads).await?;
    }
    Ok(())
}

async fn said(landfall: &Installation, count: usize) -> Result<()> {
    landfall
        .until(&format!("{count} files"), || async {
            let said = landfall.count_said(What::Arrived).await.ok()?;
            (said >= count).then_some(())
        })
        .await
}

/// The listing at start has come to its end.
async fn swept(landfall: &Installation) -> Result<()> {
    landfall
        .until("the sweep at start", || async {
            let name = "landfall_sweep_duration_seconds_count";
            let sweeps = landfall.metric(User::Watcher, name, "").await.ok()?;
            (sweeps >= 1.0).then_some(())
        })
        .await
}

/// Takes and acknowledges so many messages for ingest, as it does when its outcome is said.
#[expect(clippy::disallowed_methods, reason = "a test takes ingest's place")]
async fn acknowledge(landfall: &Installation, count: usize) -> Result<Vec<Event>> {
    let jetstream = landfall.jetstream_of(User::Ingest).await?;
    let consumer: PullConsumer = jetstream
        .get_consumer_from_stream("ingest", "FILES")
        .await?;
    let mut events = vec![];
    while events.len() < count {
        let wanted = count - events.len();
        let mut batch = consumer.fetch().max_messages(wanted).messages().await?;
        while let Some(message) = batch.next().await {
            let message = message.map_err(|error| anyhow::anyhow!("{error}"))?;
            events.push(serde_json::from_slice(&message.payload).context("an event")?);
            let acknowledged = message.double_ack_with(AckKind::Ack).await;
            acknowledged.map_err(|error| anyhow::anyhow!("{error}"))?;
        }
    }
    Ok(events)
}

fn failed(arrived: &Event) -> Event {
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
    Event::new(User::Ingest, failed, Timestamp::now())
}
