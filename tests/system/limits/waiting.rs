//! Many messages that wait for a service which was away.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use proto::consumer::Consumer;
use proto::{User, What, consumer};
use tests::{Installation, run, sample};

use super::{SERVICES, SHIPPED};

/// Readings of each file.
const READINGS: u32 = 2;

#[test]
#[ignore = "takes half an hour; `make soak` runs it"]
fn a_hundred_thousand_messages_waiting_for_each_service_take_no_memory() {
    run(each_finds_waiting(100_000));
}

/// Each service is started when the one before it has done all that there is, so that so many
/// messages wait for it.
async fn each_finds_waiting(files: usize) -> Result<()> {
    let builder = SERVICES
        .into_iter()
        .fold(Installation::builder(), |builder, user| {
            builder.without(user)
        });
    let mut landfall = builder
        .own_store()
        .unheard()
        .patience(Duration::from_secs(60 * 60))
        .start()
        .await?;
    let uploads: Vec<_> = stream::iter(0..files)
        .map(|number| {
            let content = sample::csv(&format!("waits-{}", number % 100), READINGS, 1.0);
            let key = format!("incoming/{}/{number}.csv", number % 100);
            let bucket = &landfall.bucket;
            async move { bucket.put(&key, content).await }
        })
        .buffer_unordered(32)
        .try_collect()
        .await?;
    landfall.announce(&uploads).await?;
    for user in SERVICES {
        // The first consumer is of what the service before says, some of it perhaps twice.
        let waiting = waiting(&landfall, &consumer::of(user)[..1]).await?;
        ensure!(waiting >= files as u64, "{waiting} wait for {user}");
        landfall.add(user).await?;
        let says = match user {
            User::Watcher => What::Arrived,
            User::Ingest => What::Ingested,
            User::Mover => What::Moved,
            _ => What::Notified,
        };
        landfall
            .until(&format!("the end of {user}'s work"), || async {
                let said = landfall.count_said(says).await.ok()?;
                let left = self::waiting(&landfall, &consumer::of(user)).await.ok()?;
                (said >= files && left == 0).then_some(())
            })
            .await?;
        SHIPPED.hold(&landfall, user)?;
    }
    let mails = landfall.mails()?;
    let ids: HashSet<&String> = mails
        .iter()
        .map(|mail| &mail.headers["Message-ID"])
        .collect();
    ensure!(
        (mails.len(), ids.len()) == (files, files),
        "{} mails",
        mails.len()
    );
    landfall.finish().await
}

/// How many messages are not acknowledged yet.
async fn waiting(landfall: &Installation, consumers: &[Consumer]) -> Result<u64> {
    let mut waiting = 0;
    for consumer in consumers {
        let info = landfall.consumer(consumer).await?;
        waiting += info.num_pending + info.num_ack_pending as u64;
    }
    Ok(waiting)
}
