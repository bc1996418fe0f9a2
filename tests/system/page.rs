//! `SeaweedFS`, set up as its page in `deploy/storage/` says. `make test-stores` does the same to the
//! stores that publish to NATS.

use anyhow::ensure;
use proto::event::FoundBy;
use proto::{Data, What};
use tests::{Installation, run, sample};

#[test]
fn what_its_page_says_is_all_that_seaweedfs_needs() {
    run(async {
        let landfall = Installation::builder()
            .by_its_page()
            .set("watcher.sweep_every", "1h")
            .start()
            .await?;
        landfall.has_swept().await?;
        for (key, content, filed) in [
            ("incoming/a b+ü.csv", sample::csv("a", 5, 1.0), "processed/"),
            ("incoming/bad.csv", "no readings".to_owned(), "rejected/"),
        ] {
            let upload = landfall.put(key, &content).await?;
            landfall.ended(&upload).await?;
            let arrived = landfall.said(&upload, What::Arrived).await?.event.data;
            let Data::Arrived(arrived) = arrived else {
                unreachable!("it is the event that was asked for")
            };
            ensure!(arrived.found_by == FoundBy::Notification, "{arrived:?}");
            let copy = landfall.bucket.get(&format!("{filed}{key}")).await?;
            ensure!(copy == Some(content.into_bytes()), "{copy:?}");
        }
        landfall.finish().await
    });
}
