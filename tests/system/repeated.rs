//! Notifications that come again and again.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use proto::{User, What, consumer};
use serde_json::json;
use tests::{Installation, Upload, run, sample};

#[test]
fn a_notification_that_comes_eleven_times_is_one_file_with_one_outcome_and_one_mail() {
    run(async {
        let mut landfall = Installation::builder().without(User::Mover).start().await?;
        let content = sample::csv("again", 20, 1.0);
        let upload = landfall.put("incoming/again.csv", &content).await?;
        landfall.said(&upload, What::Ingested).await?;
        let body = notification(&upload);
        tell(&landfall, &body, 5).await?;

        landfall.add(User::Mover).await?;
        landfall.ended(&upload).await?;
        tell(&landfall, &body, 5).await?;

        // Long after: nothing of it is in anybody's memory any more.
        for user in [User::Watcher, User::Ingest, User::Mover, User::Notifier] {
            landfall.stop(user).await?;
            landfall.add(user).await?;
        }
        tell(&landfall, &body, 1).await?;

        let way = [What::Arrived, What::Ingested, What::Moved, What::Notified];
        ensure!(landfall.way(&upload) == way, "{:?}", landfall.way(&upload));
        let all = landfall.all();
        let ids: HashSet<&String> = all.iter().map(|seen| &seen.event.id).collect();
        ensure!(ids.len() == way.len(), "{all:?}");
        ensure!(landfall.mails()?.len() == 1, "{:?}", landfall.mails()?);
        landfall.finish().await
    });
}

/// Posts a notification so many times, and waits until the watcher has dealt with all of them.
async fn tell(landfall: &Installation, body: &str, times: usize) -> Result<()> {
    for _ in 0..times {
        ensure!(landfall.notify(None, body).await? / 100 == 2);
    }
    let watcher = consumer::watcher();
    landfall
        .until("the watcher to have read them", || async {
            let info = landfall.consumer(&watcher).await.ok()?;
            (info.num_pending == 0 && info.num_ack_pending == 0).then_some(())
        })
        .await
}

fn notification(upload: &Upload) -> String {
    let record = json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": Timestamp::now(),
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": { "name": upload.bucket },
            "object": { "key": upload.key, "eTag": upload.etag, "size": 1 },
        },
    }]});
    record.to_string()
}
