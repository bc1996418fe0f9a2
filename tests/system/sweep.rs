//! Notifications that never come.

use anyhow::ensure;
use proto::event::FoundBy;
use proto::{Data, User, What};
use tests::{Fate, Installation, run, sample};

const EACH: usize = 200;

#[test]
fn the_sweep_publishes_the_one_file_whose_notification_was_lost_and_no_other() {
    run(async {
        let mut landfall = Installation::builder()
            .set("watcher.sweep_every", "1s")
            .set("watcher.stuck_after", "1s")
            .set("watcher.notified_within", "1ms")
            .set("watcher.missed_share", 0.0)
            // Ingest has no such profile, so it fails on these files.
            .config_of(
                User::Watcher,
                "[[profiles]]\nname = \"unheard-of\"\nkey = \"incoming/fails/**\"\nvalues = [\"value\"]",
            )
            .set("notifier.to", Vec::<String>::new())
            .set("notifier.operators", Vec::<String>::new())
            .start()
            .await?;
        for number in 0..EACH {
            let key = format!("incoming/fails/{number}.csv");
            landfall
                .put(&key, sample::csv(&format!("f-{number}"), 1, 1.0))
                .await?;
        }
        let is = |what: What| move |seen: &tests::Seen| seen.what() == what;
        landfall
            .events("200 failed files", EACH, is(What::Failed))
            .await?;

        landfall.stop(User::Ingest).await?;
        for number in 0..EACH {
            let key = format!("incoming/waits/{number}.csv");
            landfall
                .put(&key, sample::csv(&format!("w-{number}"), 1, 1.0))
                .await?;
        }
        landfall
            .events("400 arrived files", 2 * EACH, is(What::Arrived))
            .await?;

        // Some of them a sweep may have seen before their notifications came.
        let before = landfall.all().len();
        landfall.notifications(Fate::Lost);
        let content = sample::csv("lost", 1, 1.0);
        let lost = landfall.put("incoming/lost.csv", content).await?;
        landfall.said(&lost, What::Arrived).await?;
        ensure!(
            landfall.lost() == 1,
            "{} notifications were lost",
            landfall.lost()
        );
        // Long enough for everything to look stuck that merely waits.
        landfall.sweeps(4).await?;

        let since: Vec<String> = landfall.all()[before..]
            .iter()
            .map(ToString::to_string)
            .collect();
        ensure!(since.len() == 1, "the sweep published {since:#?}");
        let arrived = landfall.said(&lost, What::Arrived).await?;
        let Data::Arrived(arrived) = arrived.event.data else {
            unreachable!("it is the event that was asked for")
        };
        ensure!(arrived.found_by == FoundBy::Sweep, "{arrived:?}");
        let words = ["WARN", "found by the listing alone", "missed=1"];
        landfall
            .until("a warning that notifications are lost", || async {
                let said = landfall.logged(User::Watcher, &words).ok()?;
                said.then_some(())
            })
            .await?;

        landfall.add(User::Ingest).await?;
        landfall
            .events("the rest", EACH + 1, is(What::Moved))
            .await?;
        landfall.ended(&lost).await?;
        landfall.finish_with_dead_letters().await
    });
}

#[test]
fn what_was_uploaded_while_the_watcher_was_away_is_found_when_it_is_back() {
    run(async {
        let mut landfall = Installation::start().await?;
        landfall.kill(User::Watcher).await;
        let mut uploads = Vec::new();
        for number in 0..20 {
            let key = format!("incoming/{number}.csv");
            uploads.push(
                landfall
                    .put(&key, sample::csv(&format!("s-{number}"), 5, 1.0))
                    .await?,
            );
        }
        landfall.add(User::Watcher).await?;
        for upload in &uploads {
            landfall.ended(upload).await?;
        }
        ensure!(
            landfall.rows()?.len() == 100,
            "{} rows",
            landfall.rows()?.len()
        );
        ensure!(
            landfall.mails()?.len() == 20,
            "{} mails",
            landfall.mails()?.len()
        );
        landfall.finish().await
    });
}
