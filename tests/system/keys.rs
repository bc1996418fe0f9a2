//! Keys that a careless reader trips over, and objects that are hardly files.

use anyhow::{Context, Result, ensure};
use proto::User;
use proto::event::MoveOutcome;
use tests::python::{self, Csv};
use tests::rows::{Rows, difference};
use tests::{Bucket, Installation, Upload, run, sample};

const LINES: u32 = 3;

#[test]
fn any_key_under_the_watched_prefix_goes_the_whole_way() {
    let keys = [
        "incoming/plain.csv".to_owned(),
        "incoming/two words.csv".to_owned(),
        "incoming/a+b.csv".to_owned(),
        "incoming/a%b.csv".to_owned(),
        "incoming/a%2Bb.csv".to_owned(),
        "incoming/a%20b.csv".to_owned(),
        "incoming/Größe ähnlich.csv".to_owned(),
        "incoming/e\u{301} is not \u{e9}.csv".to_owned(),
        "incoming/\u{1f321}\u{fe0f}.csv".to_owned(),
        "incoming/it's \"quoted\" `so`.csv".to_owned(),
        "incoming/a;b&c=d?e#f.csv".to_owned(),
        "incoming/a\\b|c<d>e*f$g.csv".to_owned(),
        "incoming/[a]{b}^~@!,:.csv".to_owned(),
        "incoming/two\nlines.csv".to_owned(),
        "incoming/tab\tand\rreturn.csv".to_owned(),
        "incoming/=1+1.csv".to_owned(),
        "incoming/-rf.csv".to_owned(),
        "incoming/no-ending".to_owned(),
        "incoming/deep/er/still/a.csv".to_owned(),
        "incoming/dots/../a.csv".to_owned(),
        "incoming/./dot.csv".to_owned(),
        "incoming//two-slashes.csv".to_owned(),
        long_key("incoming/", 1_000),
        long_key("incoming/", 1_024),
    ];
    run(async {
        let landfall = Installation::start().await?;
        let uploads = upload_all(&landfall, &keys).await?;
        // What every store takes is not left out by mistake.
        ensure!(
            uploads.len() >= keys.len() - 4,
            "only {} keys were taken",
            uploads.len()
        );
        all_go_the_whole_way(&landfall, &landfall.bucket, &uploads).await?;
        landfall.finish().await
    });
}

#[test]
fn any_key_of_a_bucket_that_is_watched_as_a_whole_goes_the_whole_way() {
    let keys = [
        "top.csv".to_owned(),
        "/leading slash.csv".to_owned(),
        "../outside.csv".to_owned(),
        "processed/not-by-us.csv".to_owned(),
        long_key("", 1_024),
    ];
    run(async {
        let landfall = Installation::builder()
            .target_bucket()
            .whole_bucket()
            .start()
            .await?;
        let uploads = upload_all(&landfall, &keys).await?;
        ensure!(
            uploads.len() >= keys.len() - 2,
            "only {} keys were taken",
            uploads.len()
        );
        let target = landfall.target.clone().context("it was asked for")?;
        all_go_the_whole_way(&landfall, &target, &uploads).await?;
        landfall.finish_unlisted().await
    });
}

#[test]
fn objects_without_a_reading_are_files_and_directory_markers_are_not() {
    run(async {
        let landfall = Installation::builder()
            .set("watcher.sweep_every", "1s")
            .start()
            .await?;
        let empty = landfall.put("incoming/empty.csv", "").await?;
        let header = landfall
            .put("incoming/header.csv", "sensor_id,timestamp,value\n")
            .await?;
        landfall.put("incoming/folder/", "").await?;
        landfall
            .put("incoming/unfinished.csv.part", "sensor_id,time")
            .await?;
        for upload in [&empty, &header] {
            landfall.ended(upload).await?;
            let moved = landfall.moved(upload).await?;
            ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
            ensure!(moved.rejected.is_none(), "{moved:?}");
            ensure!(
                (moved.report.read, moved.report.stored) == (0, 0),
                "{:?}",
                moved.report
            );
            let copy = landfall
                .bucket
                .get(&format!("processed/{}", upload.key))
                .await?;
            ensure!(copy.is_some_and(|copy| copy.len() as u64 == moved.file.size));
        }
        landfall
            .until("the unfinished one to be ignored", || async {
                let name = "landfall_notifications_total";
                let ignored = landfall
                    .metric(User::Watcher, name, "outcome=\"ignored\"")
                    .await;
                (ignored.ok()? >= 1.0).then_some(())
            })
            .await?;
        landfall.sweeps(2).await?;
        ensure!(landfall.rows()?.is_empty(), "{:?}", landfall.rows()?);
        ensure!(landfall.mails()?.len() == 2, "{:?}", landfall.mails()?);
        let others: Vec<String> = landfall
            .all()
            .iter()
            .map(|seen| seen.file().key.clone())
            .filter(|key| *key != empty.key && *key != header.key)
            .collect();
        ensure!(others.is_empty(), "{others:?} are no files");
        landfall.finish_unlisted().await
    });
}

/// A key of so many bytes, in names that file systems can hold.
fn long_key(prefix: &str, length: usize) -> String {
    let mut key = prefix.to_owned();
    while key.len() + 206 < length {
        key += &"ü".repeat(100);
        key.push('/');
    }
    while key.len() + 4 < length {
        key.push('x');
    }
    key + ".csv"
}

/// Uploads a file under each key that the store takes as it is.
async fn upload_all(landfall: &Installation, keys: &[String]) -> Result<Vec<Upload>> {
    let unwatched = landfall.bucket.sibling("unwatched").await?;
    let mut uploads = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        match unwatched.put(key, "").await {
            Ok(_) if unwatched.lists(key).await? => {
                uploads.push(landfall.put(key, content(number)).await?);
            }
            Ok(_) => eprintln!("the store makes another key of {key:?}"),
            Err(refused) => eprintln!("the store does not take the key {key:?}: {refused:#}"),
        }
    }
    Ok(uploads)
}

fn content(number: usize) -> String {
    sample::csv(&format!("key-{number}"), LINES, 1.0)
}

async fn all_go_the_whole_way(
    landfall: &Installation,
    target: &Bucket,
    uploads: &[Upload],
) -> Result<()> {
    let mut expected = Rows::new();
    for upload in uploads {
        landfall
            .ended(upload)
            .await
            .with_context(|| format!("{:?}", upload.key))?;
        let moved = landfall.moved(upload).await?;
        let place = moved.destination.as_ref().context("it was archived")?;
        ensure!(place.bucket == target.name, "{place:?}");
        let whole = format!("processed/{}", upload.key);
        if whole.len() <= 1_024 {
            ensure!(place.key == whole, "{place:?}");
        } else {
            ensure!(
                place.key.len() <= 1_024 && place.key.starts_with("processed/"),
                "{place:?}"
            );
        }
        let copy = target
            .get(&place.key)
            .await?
            .with_context(|| format!("{place:?} is missing"))?;
        expected.extend(python::readings(&copy, &Csv::default())?);
        ensure!(
            landfall.bucket.get(&upload.key).await?.is_none(),
            "{:?} is there",
            upload.key
        );
        ensure!(
            landfall.count(moved.file.id)? == u64::from(LINES),
            "{:?}",
            upload.key
        );
    }
    ensure!(
        expected.len() == uploads.len() * LINES as usize,
        "a copy is not its source"
    );
    let difference = difference(&landfall.rows()?, &expected);
    ensure!(difference.is_empty(), "{difference}");
    let mails = landfall.mails()?;
    ensure!(mails.len() == uploads.len(), "{} mails", mails.len());
    for mail in &mails {
        let subject = &mail.headers["Subject"];
        ensure!(!subject.contains(['\r', '\n']), "{subject:?}");
    }
    Ok(())
}
