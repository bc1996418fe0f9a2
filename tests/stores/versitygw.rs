//! versitygw: every event of every bucket, published without waiting for anybody.

use anyhow::ensure;
use proto::User;
use proto::event::FoundBy;
use tests::{Builder, Installation, Publishing, Server, run};

use crate::uploads::{all_ways_in_are_told_of, end, end_whatever_found_them, send};

fn builder() -> Builder {
    // Only notifications find files here, once the sweep at start is over.
    Installation::builder()
        .on(Publishing::Versitygw)
        .set("watcher.sweep_every", "1h")
}

#[test]
#[ignore = "needs versitygw; `make test-stores` runs it"]
fn uploads_of_all_kinds_go_the_whole_way() {
    run(async { all_ways_in_are_told_of(builder().start().await?).await });
}

#[test]
#[ignore = "needs versitygw; `make test-stores` runs it"]
fn a_notification_that_is_lost_on_its_way_is_made_up_for_by_the_sweep() {
    run(async {
        let mut landfall = builder().start().await?;
        landfall.has_swept().await?;
        landfall.cut(User::Storage, Server::Nats)?;
        let sent = send(&landfall, "incoming/a.csv").await?;
        landfall
            .until("the notification to be lost", || async {
                (landfall.cuts() > 0).then_some(())
            })
            .await?;
        ensure!(landfall.way(&sent.upload).is_empty());
        landfall.mend(User::Storage, Server::Nats)?;
        // It looks at start; by the clock it would be minutes later.
        landfall.kill(User::Watcher).await;
        landfall.add(User::Watcher).await?;
        end(landfall, &[sent], FoundBy::Sweep).await
    });
}

#[test]
#[ignore = "needs versitygw; `make test-stores` runs it"]
fn what_is_uploaded_while_nats_is_down_goes_the_whole_way_when_it_is_back() {
    run(async {
        let mut landfall = builder().start().await?;
        landfall.has_swept().await?;
        landfall.kill_nats().await;
        let mut all = vec![];
        for number in 0..5 {
            all.push(send(&landfall, &format!("incoming/{number}.csv")).await?);
        }
        landfall.restart_nats().await?;
        // The store tells of what it has in memory, and the watcher looks by itself.
        end_whatever_found_them(landfall, &all).await
    });
}
