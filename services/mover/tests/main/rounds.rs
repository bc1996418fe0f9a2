//! The plain case, and what it costs.

use objects::archive::label;
use runtime::config::mover::After;
use servers::publishing::Kind;

use crate::site::{Site, archived, ingested, rejected, run, site, site_on_a};

#[tokio::test]
async fn a_file_is_filed_with_five_requests() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "readings").await;
    site.relay.count();
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    let bucket = &site.bucket;
    assert_eq!(
        site.relay.requests(),
        [
            format!("HEAD /{bucket}/in/a.csv"),
            format!("PUT /{bucket}/processed/in/a.csv?x-id=CopyObject"),
            format!("HEAD /{bucket}/processed/in/a.csv"),
            format!("HEAD /{bucket}/in/a.csv"),
            format!("DELETE /{bucket}/in/a.csv?x-id=DeleteObject"),
        ]
    );
    assert_eq!(archived(&moved), "processed/in/a.csv");
    assert_eq!(moved.rejected, None);
    assert_eq!(site.keys(bucket).await, ["processed/in/a.csv"]);
    let seen = site.seen(bucket, "processed/in/a.csv").await.unwrap();
    assert_eq!(seen.bytes, b"readings");
    assert_eq!(seen.metadata[label::FILE_ID], file.id.to_string());
    assert_eq!(seen.metadata[label::REPLAY], "0");
    assert_eq!(seen.metadata[label::KEY], "in/a.csv");
}

#[tokio::test]
async fn a_rejected_file_goes_to_rejected_and_says_why() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "").await;
    let moved = run(&mover, &rejected(&file, "no header")).await.unwrap();
    assert_eq!(archived(&moved), "rejected/in/a.csv");
    assert_eq!(moved.rejected.as_deref(), Some("no header"));
    assert_eq!(site.keys(&site.bucket).await, ["rejected/in/a.csv"]);
}

#[tokio::test]
async fn a_file_that_was_moved_is_recognised() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "readings").await;
    let first = run(&mover, &ingested(&file)).await.unwrap();
    site.relay.count();
    let again = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(first, again);
    // The source, whether its bucket is there at all, and the copy.
    assert_eq!(site.relay.requests().len(), 3);
}

#[tokio::test]
async fn the_sources_own_metadata_goes_along_and_cannot_pass_for_landfalls() {
    let site = site().await;
    let mover = site.mover().await;
    let own = [
        ("station", "north of the pier".to_owned()),
        ("ort", "Rügen 🌊".to_owned()),
        (label::FILE_ID, "f".repeat(32)),
    ];
    site.put_labelled(&site.bucket, "in/a.csv", "x", &own).await;
    let file = site.file(&site.bucket, "in/a.csv").await;
    run(&mover, &ingested(&file)).await.unwrap();
    let seen = site.seen(&site.bucket, "processed/in/a.csv").await.unwrap();
    assert_eq!(seen.metadata["station"], "north of the pier");
    assert_eq!(seen.metadata["ort"], "Rügen 🌊");
    assert_eq!(seen.metadata[label::FILE_ID], file.id.to_string());
}

#[tokio::test]
async fn a_large_file_is_copied_in_parts() {
    const PART: usize = 5 << 20;
    let mut site = site().await;
    site.config.objects.copy_above = PART as u64;
    site.config.objects.copy_part = PART as u64;
    let mover = site.mover().await;
    let body = "sixteen bytes.\n\n".repeat((2 * PART + PART / 2) / 16);
    let file = site.upload("in/a.csv", &body).await;
    site.relay.count();
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    let requests = site.relay.requests();
    let count = |what: &str| {
        let asked = requests.iter().filter(|request| request.contains(what));
        asked.count()
    };
    // Tags, begin, three parts, the source once more, end, in place of the copy.
    assert_eq!(requests.len(), 11, "{requests:?}");
    assert_eq!(count("UploadPartCopy"), 3, "{requests:?}");
    assert_eq!(archived(&moved), "processed/in/a.csv");
    assert_eq!(site.keys(&site.bucket).await, ["processed/in/a.csv"]);
    assert!(site.bytes("processed/in/a.csv").await == Some(body));
}

/// What the table in ARCHITECTURE.md says of files that nobody disturbs: moved, moved in one part,
/// left, deleted. Those of `SeaweedFS` and AWS are counted one by one in the other tests.
async fn costs(site: impl AsyncFn() -> Site, requests: [usize; 4]) {
    let [moved, in_a_part, left, deleted] = requests;
    for (after, copy_above, requests) in [
        (After::Move, u64::MAX, moved),
        (After::Move, 0, in_a_part),
        (After::Leave, u64::MAX, left),
        (After::Delete, u64::MAX, deleted),
    ] {
        let mut site = site().await;
        site.config.mover.after = after;
        site.config.objects.copy_above = copy_above;
        let mover = site.mover().await;
        let file = site.upload("in/a.csv", "readings").await;
        site.relay.count();
        run(&mover, &ingested(&file)).await.unwrap();
        let made = site.relay.requests();
        assert_eq!(made.len(), requests, "{after:?} {copy_above}: {made:#?}");
    }
}

#[tokio::test]
#[ignore = "needs MinIO; `make test-stores` runs it"]
async fn on_minio_with_versions_a_file_costs_what_the_table_says() {
    costs(async || site_on_a(Kind::Minio).await, [6, 12, 1, 2]).await;
}

#[tokio::test]
#[ignore = "needs versitygw; `make test-stores` runs it"]
async fn on_versitygw_a_file_costs_what_the_table_says() {
    costs(async || site_on_a(Kind::Versitygw).await, [7, 11, 1, 2]).await;
}
