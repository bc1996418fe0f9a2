//! What was there before Landfall was.

use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use proto::event::FoundBy;
use proto::{Data, User, What};
use tests::{Installation, Upload, run, sample};

fn said(output: &Output) -> Result<String> {
    let text = String::from_utf8(output.stdout.clone())?;
    let beside = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{text}{beside}");
    Ok(text)
}

async fn old(landfall: &Installation, name: &str) -> Result<Upload> {
    let content = sample::csv(&format!("old {name}"), 3, 1.0);
    let key = format!("archive/2024/{name}.csv");
    landfall.bucket.put(&key, content).await
}

#[test]
fn what_lies_where_nobody_watches_goes_the_way_of_every_upload() {
    run(async {
        let landfall = Installation::start().await?;
        let mut uploads = Vec::new();
        for name in ["a b", "c+d", "e%2Bf", "ü", "it's", "🌊"] {
            uploads.push(old(&landfall, name).await?);
        }
        let bucket = &landfall.bucket;
        bucket.put("archive/2024/half.csv.part", "not yet").await?;
        bucket.put("archive/2024/notes.txt", "of nobody").await?;
        let from = format!("s3://{}/archive/", bucket.name);

        let csv = ["--include", "**/*.csv*", "--yes"];
        let dry = [&["backfill", &from, "--dry-run"][..], &csv].concat();
        let shown = said(&landfall.landfall(User::Operator, &dry).await?)?;
        ensure!(shown.contains("archive/2024/c+d.csv  "), "{shown}");
        ensure!(shown.contains("profile default"), "{shown}");
        ensure!(
            shown.contains("; passed over: 1 that are no files (`[watcher] ignore`), 1 that the"),
            "{shown}"
        );
        ensure!(landfall.all().is_empty(), "a dry run did something");

        let real = [&["backfill", &from][..], &csv].concat();
        let shown = said(&landfall.landfall(User::Operator, &real).await?)?;
        ensure!(shown.contains("6 files announced"), "{shown}");
        for upload in &uploads {
            landfall.ended(upload).await?;
            let arrived = landfall.said(upload, What::Arrived).await?;
            let Data::Arrived(arrived) = &arrived.event.data else {
                unreachable!("it is the event that was asked for")
            };
            ensure!(arrived.found_by == FoundBy::Backfill, "{arrived:?}");
            let filed = format!("processed/{}", upload.key);
            ensure!(bucket.get(&filed).await?.is_some(), "no {filed}");
        }
        ensure!(landfall.rows()?.len() == 18, "{}", landfall.rows()?.len());

        // Of everything: what was filed away is Landfall's own, and is not taken again.
        let before = landfall.all().len();
        let all = format!("s3://{}", bucket.name);
        let shown = said(
            &landfall
                .landfall(User::Operator, &["backfill", &all])
                .await?,
        )?;
        ensure!(
            shown.contains("passed over: 6 that Landfall has put there"),
            "{shown}"
        );
        // `notes.txt` is a file by the default profile, and no readings.
        landfall
            .event("the one that is new", |seen| {
                seen.what() == What::Notified && seen.event.about().0.key.ends_with("notes.txt")
            })
            .await?;
        ensure!(landfall.all().len() > before);
        ensure!(landfall.rows()?.len() == 18, "{}", landfall.rows()?.len());
        landfall.finish_unlisted().await
    });
}

#[test]
fn a_rate_is_kept() {
    run(async {
        let landfall = Installation::start().await?;
        let mut uploads = Vec::new();
        for name in ["one", "two", "three", "four"] {
            uploads.push(old(&landfall, name).await?);
        }
        let from = format!("s3://{}/archive/", landfall.bucket.name);
        let began = Instant::now();
        let slowly = ["backfill", &from, "--rate", "2/s", "--yes"];
        said(&landfall.landfall(User::Operator, &slowly).await?)?;
        // Nobody waits before the first.
        let least = Duration::from_millis(500 * 3);
        ensure!(began.elapsed() >= least, "{:?}", began.elapsed());
        for upload in &uploads {
            landfall.ended(upload).await?;
        }
        landfall.finish_unlisted().await
    });
}
