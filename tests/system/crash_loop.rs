//! A file on which ingest dies each time.

use anyhow::{Context, Result, ensure};
use proto::event::Failed;
use proto::{Data, User, What};
use tests::{Installation, PATIENCE, Upload, is_killed, run, sample};

/// Starts ingest again and again, as Kubernetes does, until the file is given up; answers how often
/// it died.
async fn supervise(
    landfall: &mut Installation,
    failpoint: &str,
    deadly: &Upload,
) -> Result<(usize, Failed)> {
    let mut deaths = 0;
    loop {
        let ingest = landfall.arm(User::Ingest, failpoint)?;
        ingest.ready_or_ended().await?;
        tokio::select! {
            failed = failed(landfall, deadly) => {
                let status = ingest.stop().await;
                ensure!(status.success(), "ingest ends with {status}");
                return Ok((deaths, failed?));
            }
            status = ingest.ended_within(PATIENCE) => {
                let status = status.context("ingest neither dies nor gives the file up")?;
                ensure!(is_killed(status), "{status}: {}", ingest.last_lines());
                deaths += 1;
            }
        }
    }
}

async fn failed(landfall: &Installation, upload: &Upload) -> Result<Failed> {
    match landfall.said(upload, What::Failed).await?.event.data {
        Data::Failed(failed) => Ok(failed),
        other => anyhow::bail!("it is not `failed`: {other:?}"),
    }
}

#[test]
fn a_file_that_always_kills_ingest_fails_and_the_others_go_on_meanwhile() {
    const DELIVERIES: usize = 8;
    run(async {
        let mut landfall = Installation::builder()
            .without(User::Ingest)
            .set("service.tries", 2)
            .set("nats.max_deliver", 8)
            .set("nats.ack_wait", "500ms")
            .start()
            .await?;
        let mut others = vec![];
        for number in 0..10 {
            let key = format!("incoming/before-{number}.csv");
            let content = sample::csv(&format!("b-{number}"), 5, 1.0);
            others.push(landfall.put(&key, content).await?);
        }
        let deadly = landfall
            .put("incoming/deadly.csv", sample::csv("deadly", 3, 1.0))
            .await?;
        for number in 0..10 {
            let key = format!("incoming/after-{number}.csv");
            let content = sample::csv(&format!("a-{number}"), 5, 1.0);
            others.push(landfall.put(&key, content).await?);
        }
        for upload in others.iter().chain([&deadly]) {
            landfall.said(upload, What::Arrived).await?;
        }
        let point = "objects.get.after@incoming/deadly=kill";
        let (deaths, failed) = supervise(&mut landfall, point, &deadly).await?;
        // What is delivered to a process that was killed before it could take it counts as well.
        let all = DELIVERIES - 2..=DELIVERIES;
        ensure!(all.contains(&deaths), "it died {deaths} times");
        ensure!(failed.step == User::Ingest, "{failed:?}");
        ensure!(failed.reason.contains("crash loop"), "{failed:?}");
        ensure!(landfall.dead_letters().await? == 1, "not one dead letter");
        let given_up = landfall.said(&deadly, What::Failed).await?;
        for upload in &others {
            let ingested = landfall.said(upload, What::Ingested).await?;
            ensure!(
                ingested.sequence < given_up.sequence,
                "it waited for the end of the deadly one: {ingested}, and {given_up}"
            );
            landfall.ended(upload).await?;
        }
        ensure!(
            landfall.rows()?.len() == 100,
            "{:?}",
            landfall.rows()?.len()
        );
        // That of the deadly one has no event to wait for.
        let mails = others.len() + 1;
        let told = landfall.until("a mail about each", || async {
            (landfall.mails().ok()?.len() == mails).then_some(())
        });
        told.await?;
        let source = landfall.bucket.get(&deadly.key).await?;
        ensure!(source.is_some(), "a file that failed is not where it was");
        landfall.add(User::Ingest).await?;
        landfall.finish_with_dead_letters().await
    });
}
