//! Buckets that keep versions: exactly the processed one is moved.

use proto::event::MoveOutcome;

use crate::site::{Site, archived, ingested, run, site};

async fn versioned() -> Site {
    let site = site().await;
    site.version_bucket(&site.bucket).await;
    site
}

/// How many versions and delete markers a key has.
async fn versions(site: &Site, key: &str) -> (usize, usize) {
    let request = site.s3.list_object_versions().bucket(&site.bucket);
    let answer = request.prefix(key).send().await.unwrap();
    (answer.versions().len(), answer.delete_markers().len())
}

#[tokio::test]
async fn a_version_is_moved_with_four_requests_and_leaves_no_marker() {
    let site = versioned().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "one").await;
    assert!(file.version.id.is_some());
    site.relay.count();
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(archived(&moved), "processed/in/a.csv");
    assert_eq!(
        site.relay.requests().len(),
        4,
        "{:?}",
        site.relay.requests()
    );
    assert_eq!(versions(&site, "in/a.csv").await, (0, 0));
    assert_eq!(
        site.bytes("processed/in/a.csv").await.as_deref(),
        Some("one")
    );
}

#[tokio::test]
async fn an_older_version_is_moved_from_under_a_newer_one() {
    let site = versioned().await;
    let mover = site.mover().await;
    let one = site.upload("in/a.csv", "one").await;
    let two = site.upload("in/a.csv", "two").await;
    let moved = run(&mover, &ingested(&one)).await.unwrap();
    assert_eq!(archived(&moved), "processed/in/a.csv");
    assert_eq!(
        site.bytes("processed/in/a.csv").await.as_deref(),
        Some("one")
    );
    assert_eq!(site.bytes("in/a.csv").await.as_deref(), Some("two"));
    let moved = run(&mover, &ingested(&two)).await.unwrap();
    assert_eq!(site.bytes(archived(&moved)).await.as_deref(), Some("two"));
    assert_eq!(versions(&site, "in/a.csv").await, (0, 0));
}

#[tokio::test]
async fn a_version_under_a_delete_marker_is_still_moved() {
    let site = versioned().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "one").await;
    site.delete("in/a.csv").await;
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(site.bytes(archived(&moved)).await.as_deref(), Some("one"));
    assert_eq!(versions(&site, "in/a.csv").await, (0, 1));
}

#[tokio::test]
async fn a_version_that_was_deleted_for_good_is_gone() {
    let site = versioned().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "one").await;
    let next = site.upload("in/a.csv", "two").await;
    let request = site.s3.delete_object().bucket(&site.bucket).key("in/a.csv");
    let id = file.version.id.clone().unwrap();
    request.version_id(id).send().await.unwrap();
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(moved.outcome, MoveOutcome::Gone);
    assert_eq!(moved.destination, None);
    assert_eq!(site.file(&site.bucket, "in/a.csv").await.id, next.id);
}

#[tokio::test]
async fn a_file_from_before_versioning_was_turned_on_is_moved() {
    let site = site().await;
    let file = site.upload("in/a.csv", "one").await;
    site.version_bucket(&site.bucket).await;
    let mover = site.mover().await;
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(site.bytes(archived(&moved)).await.as_deref(), Some("one"));
    assert_eq!(site.bytes("in/a.csv").await, None);
}
