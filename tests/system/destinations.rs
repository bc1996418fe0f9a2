//! Two files whose moves want the same name.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use proto::{User, What};
use tests::{Installation, run, sample};

#[test]
fn two_files_that_want_the_same_destination_both_get_one() {
    run(async {
        let mut landfall = Installation::builder()
            .without(User::Mover)
            .buckets(2)
            .target_bucket()
            .start()
            .await?;
        let mut uploads = BTreeMap::new();
        for number in 0..10 {
            let key = format!("incoming/{number}.csv");
            for (which, bucket) in [landfall.bucket.clone(), landfall.more[0].clone()]
                .iter()
                .enumerate()
            {
                let content = sample::csv(&format!("{number}-{which}"), 5, 1.0);
                let upload = bucket.put(&key, &content).await?;
                uploads.insert((number, which), (upload, content));
            }
        }
        for (upload, _) in uploads.values() {
            landfall.said(upload, What::Ingested).await?;
        }
        // Two replicas, so that two moves that want the same name are under way at once.
        landfall.add(User::Mover).await?;
        landfall.add(User::Mover).await?;

        let target = landfall.target.clone().context("it was asked for")?;
        let mut taken = Vec::new();
        for (upload, content) in uploads.values() {
            landfall.ended(upload).await?;
            let moved = landfall.moved(upload).await?;
            let key = moved.destination.context("it was archived")?.key;
            let plain = format!("processed/{}", upload.key);
            let id = moved.file.id;
            ensure!(
                key == plain || key == format!("{plain}~{}", id.short()),
                "{key}"
            );
            ensure!(
                target.get(&key).await?.as_deref() == Some(content.as_bytes()),
                "{key}"
            );
            taken.push(key);
        }
        taken.sort();
        ensure!(
            target.keys().await? == taken,
            "{:?} and {taken:?}",
            target.keys().await?
        );
        let plain = taken.iter().filter(|key| key.ends_with(".csv")).count();
        ensure!(plain == 10, "{plain} files have the plain name: {taken:?}");
        ensure!(landfall.bucket.keys().await?.is_empty(), "sources are left");
        ensure!(
            landfall.more[0].keys().await?.is_empty(),
            "sources are left"
        );
        ensure!(
            landfall.mails()?.len() == uploads.len(),
            "{} mails",
            landfall.mails()?.len()
        );
        landfall.finish().await
    });
}
