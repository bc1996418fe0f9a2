//! Many files at once.

use std::collections::HashSet;

use anyhow::ensure;
use futures::{StreamExt, TryStreamExt, stream};
use tests::{Installation, run, sample};

const FILES: usize = 500;

#[test]
fn five_hundred_files_at_once_through_two_replicas_of_each_service_all_end_once() {
    run(async {
        let landfall = Installation::builder().replicas(2).start().await?;
        let puts = (0..FILES).map(|number| {
            let landfall = &landfall;
            async move {
                let content = sample::csv(&format!("crowd-{}", number % 50), 20, 1.0);
                landfall
                    .put(&format!("incoming/{number}.csv"), content)
                    .await
            }
        });
        let uploads: Vec<_> = stream::iter(puts)
            .buffer_unordered(16)
            .try_collect()
            .await?;
        for upload in &uploads {
            landfall.ended(upload).await?;
        }
        let mails = landfall.mails()?;
        let ids: HashSet<&String> = mails
            .iter()
            .map(|mail| &mail.headers["Message-ID"])
            .collect();
        ensure!(mails.len() == FILES, "{} mails", mails.len());
        ensure!(ids.len() == FILES, "{} Message-IDs", ids.len());
        // Among what it checks: no step said two different things.
        landfall.finish().await
    });
}
