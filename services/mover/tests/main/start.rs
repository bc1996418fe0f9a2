//! What the mover says when it cannot begin, and when a bucket goes missing later.

use std::sync::Arc;

use mover::Mover;
use runtime::Trouble;
use runtime::config::secret::Secret;

use crate::site::{Site, ingested, run, site};

async fn refusal(site: &Site) -> Trouble {
    let started = Mover::start(&site.config, Arc::clone(&site.journal)).await;
    started.err().unwrap()
}

#[tokio::test]
async fn a_missing_target_bucket_is_waited_for_and_named() {
    let mut site = site().await;
    site.config.mover.target_bucket = Some("not-there".to_owned());
    let trouble = refusal(&site).await;
    assert!(matches!(trouble, Trouble::Outage { .. }), "{trouble:?}");
    assert!(
        trouble
            .to_string()
            .contains("there is no bucket `not-there`"),
        "{trouble}"
    );
    site.s3
        .create_bucket()
        .bucket("not-there")
        .send()
        .await
        .unwrap();
    site.mover().await;
}

#[tokio::test]
async fn a_target_bucket_that_goes_missing_costs_nothing_and_is_named() {
    let mut site = site().await;
    let target = site.another_bucket().await;
    site.config.mover.target_bucket = Some(target.clone());
    let mover = site.mover().await;
    site.s3
        .delete_bucket()
        .bucket(&target)
        .send()
        .await
        .unwrap();
    let file = site.upload("in/a.csv", "the file").await;
    let trouble = run(&mover, &ingested(&file)).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Outage { .. }), "{trouble:?}");
    assert!(
        trouble
            .to_string()
            .contains(&format!("there is no bucket `{target}`")),
        "{trouble}"
    );
    assert_eq!(site.bytes("in/a.csv").await.as_deref(), Some("the file"));
    site.s3
        .create_bucket()
        .bucket(&target)
        .send()
        .await
        .unwrap();
    run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(site.keys(&target).await, ["processed/in/a.csv"]);
}

#[tokio::test]
async fn a_wrong_secret_is_waited_for_and_named() {
    let mut site = site().await;
    site.config.objects.secret_key = Some(Secret::new("wrong"));
    let trouble = refusal(&site).await;
    assert!(matches!(trouble, Trouble::Outage { .. }), "{trouble:?}");
    // A HEAD cannot tell a wrong secret from a missing right.
    assert!(trouble.to_string().contains("access denied"), "{trouble}");
}

#[tokio::test]
async fn the_probe_leaves_nothing_behind() {
    let site = site().await;
    site.mover().await;
    assert_eq!(site.keys(&site.bucket).await, Vec::<String>::new());
}
