//! Disks that are full: what lies on them waits, and goes on when there is room.

use std::time::Duration;

use anyhow::{Result, ensure};
use proto::{User, What};
use tests::{Installation, Kind, Small, Upload, run_apart, sample};

use super::SERVICES;

/// Bytes of the disk that gets full.
const DISK: u64 = 64 << 20;

#[test]
fn what_finds_the_disk_of_the_databases_full_waits_until_there_is_room() {
    let name = "what_finds_the_disk_of_the_databases_full_waits_until_there_is_room";
    run_apart(&format!("limits::disk::{name}"), async {
        let mut landfall = Installation::builder()
            .small_disk(Small::Databases, DISK)
            .database(Kind::Sqlite)
            .without(User::Mover)
            .without(User::Notifier)
            .start()
            .await?;
        let early = put(&landfall, "early", 10).await?;
        landfall.said(&early, What::Ingested).await?;

        // Room for the watcher's few lines, but not for so many readings.
        landfall.fill_disk(256 << 10)?;
        let large = put(&landfall, "large", 25_000).await?;
        waits(&landfall, User::Ingest, "store").await?;
        landfall.fill_disk(0)?;
        let late = put(&landfall, "late", 10).await?;
        // These meet it when they open their journals.
        landfall.begin(User::Mover)?;
        landfall.begin(User::Notifier)?;
        for user in SERVICES {
            waits(&landfall, user, "store").await?;
        }
        // What NATS holds is safe, so notifications are taken.
        let again = early.notification().to_string();
        ensure!(landfall.notify(None, &again).await? == 200);
        ensure!(landfall.way(&early) == [What::Arrived, What::Ingested]);
        ensure!(landfall.way(&large) == [What::Arrived]);
        ensure!(landfall.way(&late).is_empty());

        landfall.clear_disk()?;
        for (upload, readings) in [(&early, 10), (&large, 25_000), (&late, 10)] {
            let file = landfall.ended(upload).await?.file().id;
            ensure!(landfall.count(file)? == readings, "{upload:?}");
        }
        for user in SERVICES {
            goes_on(&landfall, user, "store").await?;
        }
        landfall.finish().await
    });
}

#[test]
#[ignore = "waits for more than a minute; `make soak` runs it"]
fn what_finds_the_disk_of_the_streams_full_waits_until_there_is_room() {
    let name = "what_finds_the_disk_of_the_streams_full_waits_until_there_is_room";
    run_apart(&format!("limits::disk::{name}"), async {
        let mut landfall = Installation::builder()
            .small_disk(Small::Streams, DISK)
            // What was not acknowledged is published again a minute later.
            .patience(Duration::from_secs(180))
            .without(User::Ingest)
            .start()
            .await?;
        let early = put(&landfall, "early", 10).await?;
        landfall.said(&early, What::Arrived).await?;

        landfall.fill_disk(0)?;
        // More than fits in the last page that the disk has given to a stream.
        let large = format!("{:?}", "x".repeat(100_000));
        ensure!(landfall.notify(None, &large).await? == 503);
        let mut uploads = vec![early];
        // What no notification is taken of, the listing finds.
        for number in 0..20 {
            uploads.push(put(&landfall, &format!("late-{number}"), 10).await?);
        }
        waits(&landfall, User::Watcher, "nats").await?;
        landfall.add(User::Ingest).await?;
        waits(&landfall, User::Ingest, "nats").await?;
        let refused = landfall.log_of_nats()?;
        ensure!(refused.contains("no space left on device"), "{refused}");
        let said = landfall.count_said(What::Arrived).await?;
        ensure!(said < uploads.len(), "{said} files have arrived");

        // A stream that could not be written once is not written again before it is read anew.
        landfall.clear_disk()?;
        landfall.restart_nats().await?;
        for upload in &uploads {
            let file = landfall.ended(upload).await?.file().id;
            ensure!(landfall.count(file)? == 10, "{upload:?}");
        }
        for user in [User::Watcher, User::Ingest] {
            goes_on(&landfall, user, "nats").await?;
        }
        landfall.finish().await
    });
}

async fn put(landfall: &Installation, name: &str, readings: u32) -> Result<Upload> {
    let content = sample::csv(name, readings, 1.0);
    landfall.put(&format!("incoming/{name}.csv"), content).await
}

/// Waits until a service says that it waits for a dependency, in each of its ways, and says what
/// a person has to do.
async fn waits(landfall: &Installation, user: User, dependency: &str) -> Result<()> {
    let (away, label) = (
        format!("{dependency} is away"),
        format!("dependency=\"{dependency}\""),
    );
    let mend = [
        "make room on its disk",
        "look at the log of the NATS server",
    ];
    let says = |text: &str| mend.iter().any(|mend| text.contains(mend));
    landfall
        .until(
            &format!("the outage of {dependency} for {user}"),
            || async {
                let (_, body) = landfall.readyz(user).await.ok()?;
                let told = body.lines().any(|line| line.contains(&away) && says(line));
                let gauge = landfall.metric(user, "landfall_outage", &label).await;
                (told && gauge.ok()? == 1.0).then_some(())
            },
        )
        .await?;
    let logged = landfall.logged(user, &["outage: waiting", &label])?;
    ensure!(logged, "{user} logs no outage of {dependency}");
    Ok(())
}

/// Waits until a service waits for it no more.
async fn goes_on(landfall: &Installation, user: User, dependency: &str) -> Result<()> {
    let label = format!("dependency=\"{dependency}\"");
    landfall
        .until(&format!("{user} without {dependency} away"), || async {
            let (status, _) = landfall.readyz(user).await.ok()?;
            let gauge = landfall.metric(user, "landfall_outage", &label).await;
            (status == 200 && gauge.ok()? == 0.0).then_some(())
        })
        .await
}
