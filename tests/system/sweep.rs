//! Notifications that never come.

use anyhow::ensure;
use proto::event::FoundBy;
use proto::{Data, Event, User, What};
use tests::{Fate, Installation, run, sample};

const EACH: usize = 200;

#[test]
fn the_sweep_publishes_the_one_file_whose_notification_was_lost_and_no_other() {
    run(async {
        let mut landfall = Installation::builder()
            .set("watcher.sweep_every", "1s")
            .set("watcher.stuck_after", "1s")
            .set("service.tries", 1)
            // Nobody can move these files: there is no such bucket.
            .config(
                r#"
                [[profiles]]
                name = "nowhere"
                key = "incoming/nowhere/**"
                values = ["value"]
                target_bucket = "there-is-no-such-bucket"
                "#,
            )
            .set("notifier.to", Vec::<String>::new())
            .set("notifier.operators", Vec::<String>::new())
            .start()
            .await?;
        for number in 0..EACH {
            let key = format!("incoming/nowhere/{number}.csv");
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

        landfall.notifications(Fate::Lost);
        let lost = landfall
            .put("incoming/lost.csv", sample::csv("lost", 1, 1.0))
            .await?;
        landfall
            .until("the loss", || async {
                (landfall.lost() == 1).then_some(())
            })
            .await?;
        landfall.said(&lost, What::Arrived).await?;
        // Long enough for everything to look stuck that merely waits.
        sweeps(&landfall, 4).await?;

        let arrived: Vec<Event> = landfall
            .all()
            .into_iter()
            .filter(is(What::Arrived))
            .map(|seen| seen.event)
            .collect();
        ensure!(
            arrived.len() == 2 * EACH + 1,
            "{} times `arrived`",
            arrived.len()
        );
        let found: Vec<&str> = arrived
            .iter()
            .filter_map(|event| match &event.data {
                Data::Arrived(arrived) if arrived.found_by == FoundBy::Sweep => {
                    Some(arrived.file.key.as_str())
                }
                _ => None,
            })
            .collect();
        ensure!(found == ["incoming/lost.csv"], "the sweep found {found:?}");

        landfall.add(User::Ingest).await?;
        landfall
            .events("the rest", EACH + 1, is(What::Moved))
            .await?;
        landfall.ended(&lost).await?;
        landfall.finish_with_dead_letters().await
    });
}

/// Waits until the watcher has listed everything `count` times more.
async fn sweeps(landfall: &Installation, count: u32) -> anyhow::Result<()> {
    let name = "landfall_sweep_duration_seconds_count";
    let before = landfall.metric(User::Watcher, name, "").await?;
    landfall
        .until("more sweeps", || async {
            let now = landfall.metric(User::Watcher, name, "").await.ok()?;
            (now >= before + f64::from(count)).then_some(())
        })
        .await
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
