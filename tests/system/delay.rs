//! How long mails wait.

use anyhow::{Context, ensure};
use jiff::{SignedDuration, Timestamp};
use proto::{What, stream, subject};
use tests::{Installation, run, sample};

#[test]
fn as_shipped_a_mail_is_due_ten_minutes_after_jetstream_stored_moved() {
    run(async {
        let landfall = Installation::builder().as_shipped().start().await?;
        let upload = landfall
            .put("incoming/a.csv", sample::csv("a", 3, 1.0))
            .await?;
        let moved = landfall.said(&upload, What::Moved).await?;

        let name = subject::delay_wait(moved.file().id, 0);
        let schedule = landfall
            .until("the schedule", || async {
                landfall.message(stream::DELAY.name, &name).await.ok()?
            })
            .await?;
        let header = |name: &str| schedule.headers.get(name).map(|value| value.as_str());
        let due: Timestamp = header("Nats-Schedule")
            .and_then(|at| at.strip_prefix("@at "))
            .context("a schedule has a time")?
            .parse()?;
        let waits = due.duration_since(moved.stored);
        let off = (waits - SignedDuration::from_mins(10)).abs();
        ensure!(off <= SignedDuration::from_millis(1), "it waits {waits:?}");
        ensure!(header("Nats-Schedule-Target") == Some(subject::DELAY_DUE));
        ensure!(
            header("Nats-Msg-Id").is_none(),
            "a replacement would be taken for a copy"
        );
        ensure!(landfall.mails()?.is_empty(), "it did not wait");
        landfall.finish().await
    });
}

#[test]
fn a_mail_comes_after_its_delay_and_not_before() {
    run(async {
        let landfall = Installation::builder()
            .set("notifier.delay", "3s")
            .start()
            .await?;
        let upload = landfall
            .put("incoming/a.csv", sample::csv("a", 3, 1.0))
            .await?;
        let moved = landfall.said(&upload, What::Moved).await?;
        let notified = landfall.said(&upload, What::Notified).await?;
        let waited = notified.stored.duration_since(moved.stored);
        ensure!(
            waited >= SignedDuration::from_secs(3),
            "it waited {waited:?}"
        );
        ensure!(
            waited < SignedDuration::from_secs(20),
            "it waited {waited:?}"
        );
        landfall.finish().await
    });
}
