//! MinIO: one user that publishes and waits for JetStream, and a queue on disk.

use anyhow::{Context, ensure};
use proto::event::FoundBy;
use proto::{User, What};
use tests::{Builder, Installation, Publishing, Server, run};

use crate::uploads::{all_ways_in_are_told_of, end, end_whatever_found_them, send, send_from};

const EACH: usize = 5;

fn builder() -> Builder {
    // Only notifications find files here, once the sweep at start is over.
    Installation::builder()
        .on(Publishing::Minio)
        .set("watcher.sweep_every", "1h")
}

#[test]
#[ignore = "needs MinIO; `make test-stores` runs it"]
fn a_bucket_without_versions_is_refused_and_the_setting_that_accepts_it_is_named() {
    run(async {
        let mut landfall = builder().without(User::Mover).start().await?;
        let mover = landfall.arm(User::Mover, "")?;
        let status = mover.ready_or_ended().await?;
        let lines = mover.last_lines();
        let status = status.with_context(|| format!("it goes on:\n{lines}"))?;
        ensure!(status.code() == Some(1), "it ends with {status}:\n{lines}");
        ensure!(
            lines.contains("`[mover] accept_unconditional_delete = true`"),
            "{lines}"
        );
        landfall.finish().await
    });
}

#[test]
#[ignore = "needs MinIO; `make test-stores` runs it"]
fn uploads_of_all_kinds_go_the_whole_way_where_the_risk_is_accepted() {
    run(async {
        let accepting = builder().set("mover.accept_unconditional_delete", true);
        all_ways_in_are_told_of(accepting.start().await?).await
    });
}

#[test]
#[ignore = "needs MinIO; `make test-stores` runs it"]
fn uploads_of_all_kinds_go_the_whole_way_in_a_versioned_bucket() {
    run(async { all_ways_in_are_told_of(builder().versioned().start().await?).await });
}

#[test]
#[ignore = "needs MinIO; `make test-stores` runs it"]
fn each_version_of_a_key_is_told_of_and_goes_the_whole_way() {
    run(async {
        let landfall = builder().versioned().start().await?;
        landfall.has_swept().await?;
        let mut versions = vec![];
        // The readings of the later one count.
        for first in [1.0, 2.0] {
            let sent = send_from(&landfall, "incoming/a.csv", first).await?;
            ensure!(sent.upload.version.is_some(), "{:?}", sent.upload);
            // Covered before anybody looked, it would come to light only when the next is moved.
            landfall.said(&sent.upload, What::Arrived).await?;
            versions.push(sent);
        }
        end(landfall, &versions, FoundBy::Notification).await
    });
}

#[test]
#[ignore = "needs MinIO; `make test-stores` runs it"]
fn what_is_uploaded_while_nats_is_out_of_reach_is_told_of_later() {
    run(async {
        let landfall = builder().versioned().start().await?;
        landfall.has_swept().await?;
        landfall.cut(User::Storage, Server::Nats)?;
        let mut all = vec![];
        for number in 0..EACH {
            all.push(send(&landfall, &format!("incoming/{number}.csv")).await?);
        }
        keeps(&landfall, EACH).await?;
        landfall.mend(User::Storage, Server::Nats)?;
        // The watcher never lost sight of NATS, and does not look by itself.
        keeps(&landfall, 0).await?;
        end(landfall, &all, FoundBy::Notification).await
    });
}

#[test]
#[ignore = "needs MinIO; `make test-stores` runs it"]
fn what_is_uploaded_while_nats_is_down_outlives_the_store_as_well() {
    run(async {
        let mut landfall = builder().versioned().start().await?;
        landfall.has_swept().await?;
        landfall.kill_nats().await;
        let mut all = vec![];
        for number in 0..EACH {
            all.push(send(&landfall, &format!("incoming/{number}.csv")).await?);
        }
        keeps(&landfall, EACH).await?;
        landfall.kill_store().await?;
        ensure!(landfall.kept()? == EACH, "{} are kept", landfall.kept()?);
        // Started while NATS is away, MinIO was seen not to turn to it for a minute and more.
        landfall.restart_nats().await?;
        landfall.restart_store().await?;
        keeps(&landfall, 0).await?;
        // The watcher looks by itself when NATS is back, and may be faster.
        end_whatever_found_them(landfall, &all).await
    });
}

async fn keeps(landfall: &Installation, count: usize) -> anyhow::Result<()> {
    let about = format!("{count} notifications in the store's queue");
    landfall
        .until(&about, || async {
            (landfall.kept().ok()? == count).then_some(())
        })
        .await
}
