//! Ingest, killed while it gives up on files that had killed it too often.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use proto::{User, What};
use tests::{Installation, is_killed, sample};

/// As few as may be, and each given up on so late that nothing but a death uses one up, however
/// slow the machine is.
const DELIVERIES: i64 = 3;
const FILES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// In the order in which they are hit: who is killed has not come to the next for any file.
const POINTS: [&str; 10] = [
    "advisory.original.before",
    "advisory.original.after",
    "dead_letter.before",
    "dead_letter.after",
    "journal.settle.before@failed/",
    "journal.settle.after@failed/",
    "publish.before@failed/",
    "publish.after@failed/",
    "nats.ack.before@DEAD/",
    "nats.ack.after@DEAD/",
];

/// Kills at each point; then every file must have failed. Answers the points.
pub(super) async fn run() -> Result<BTreeSet<String>> {
    let mut landfall = Installation::builder()
        .without(User::Ingest)
        .set("service.tries", 1)
        .set("nats.max_deliver", DELIVERIES)
        .set("nats.ack_wait", "2s")
        .start()
        .await?;
    let mut uploads = vec![];
    for number in 0..FILES {
        let content = sample::csv(&format!("d-{number}"), 1, 1.0);
        let key = format!("incoming/deadly-{number}.csv");
        let upload = landfall.put(&key, content).await?;
        landfall.said(&upload, What::Arrived).await?;
        uploads.push(upload);
    }
    for _ in 0..DELIVERIES {
        die_at(&mut landfall, "objects.get.after@incoming/deadly").await?;
    }
    let mut killed = BTreeSet::new();
    for point in POINTS {
        die_at(&mut landfall, point).await?;
        killed.insert(super::chain::bare(point).to_owned());
    }
    landfall.add(User::Ingest).await?;
    for upload in &uploads {
        landfall.said(upload, What::Failed).await?;
        let way = landfall.way(upload);
        ensure!(way == [What::Arrived, What::Failed], "{way:?}");
        let source = landfall.bucket.get(&upload.key).await?;
        ensure!(source.is_some(), "{} is not where it was", upload.key);
    }
    ensure!(landfall.rows()?.is_empty(), "there are readings");
    landfall
        .until("a mail for each file", async || {
            (landfall.mails().ok()?.len() >= FILES).then_some(())
        })
        .await?;
    landfall.finish_with_dead_letters().await?;
    Ok(killed)
}

async fn die_at(landfall: &mut Installation, point: &str) -> Result<()> {
    let ingest = landfall.arm(User::Ingest, &format!("{point}=kill"))?;
    let status = ingest.ended_within(PATIENCE).await;
    ensure!(
        status.is_some_and(is_killed),
        "at {point}: {status:?}; its last lines:\n{}",
        ingest.last_lines()
    );
    Ok(())
}
