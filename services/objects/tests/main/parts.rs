//! Copies above `[objects] copy_above`: in parts, and all the same.

use std::collections::BTreeMap;

use objects::{Copy, Head, Objects};
use proto::Version;

use crate::store::{Bucket, bucket, versioned_bucket};

/// The least that a store takes as a part.
const PART: usize = 5 << 20;

/// A bucket whose client copies everything of more than one part in parts.
async fn in_parts(bucket: Bucket) -> Bucket {
    let mut config = bucket.config.clone();
    config.copy_above = PART as u64;
    config.copy_part = PART as u64;
    let objects = Objects::new(&config).await.unwrap();
    Bucket {
        config,
        objects,
        ..bucket
    }
}

/// Bytes that differ from part to part, and a last part that is shorter.
fn content(seed: u8) -> Vec<u8> {
    let piece = |at: usize| u8::try_from(at / 1000 % 251).unwrap();
    let bytes = (0..2 * PART + PART / 3).map(|at| piece(at) ^ seed);
    bytes.collect()
}

async fn copy(
    bucket: &Bucket,
    head: &Head,
    version: &Version,
    if_absent: bool,
) -> objects::Result<bool> {
    let metadata = BTreeMap::from([("landfall-file-id".to_owned(), "0f".to_owned())]);
    let copy = Copy {
        source: &bucket.at("in/large.csv"),
        version,
        head,
        destination: &bucket.at("processed/in/large.csv"),
        metadata: &metadata,
        if_match: true,
        if_absent,
    };
    bucket.objects.copy(copy).await
}

/// Uploads that were begun and have not ended.
async fn unfinished(bucket: &Bucket) -> usize {
    let request = bucket.s3.list_multipart_uploads().bucket(&bucket.name);
    request.send().await.unwrap().uploads().len()
}

#[tokio::test]
async fn everything_that_one_request_carries_over_is_carried_by_hand() {
    let bucket = in_parts(bucket().await).await;
    let bytes = content(0);
    bucket.put_described("in/large.csv", bytes.clone()).await;
    let head = bucket.head("in/large.csv").await.unwrap();
    assert!(copy(&bucket, &head, &head.version, true).await.unwrap());
    bucket.is_described("processed/in/large.csv", &bytes).await;
    assert_eq!(unfinished(&bucket).await, 0);
}

#[tokio::test]
async fn another_version_is_not_copied_and_nothing_is_left_of_the_parts() {
    let bucket = in_parts(bucket().await).await;
    bucket.put("in/large.csv", content(1)).await;
    let head = bucket.head("in/large.csv").await.unwrap();
    bucket.put("in/large.csv", content(2)).await;
    assert!(!copy(&bucket, &head, &head.version, true).await.unwrap());
    assert_eq!(bucket.head("processed/in/large.csv").await, None);
    assert_eq!(unfinished(&bucket).await, 0);
    bucket.delete("in/large.csv").await;
    assert!(!copy(&bucket, &head, &head.version, true).await.unwrap());
    assert_eq!(unfinished(&bucket).await, 0);
}

#[tokio::test]
async fn what_lies_at_the_destination_stays_where_nothing_may_be_there() {
    let bucket = in_parts(bucket().await).await;
    bucket.put("in/large.csv", content(3)).await;
    bucket.put("processed/in/large.csv", "somebody's").await;
    let head = bucket.head("in/large.csv").await.unwrap();
    assert!(!copy(&bucket, &head, &head.version, true).await.unwrap());
    let there = bucket.bytes("processed/in/large.csv").await.unwrap();
    assert_eq!(&there[..], b"somebody's");
    assert_eq!(unfinished(&bucket).await, 0);
    assert!(copy(&bucket, &head, &head.version, false).await.unwrap());
    let there = bucket.bytes("processed/in/large.csv").await.unwrap();
    assert!(there[..] == content(3));
}

#[tokio::test]
async fn an_older_version_is_copied_by_its_id() {
    let bucket = in_parts(versioned_bucket().await).await;
    bucket.put("in/large.csv", content(4)).await;
    let head = bucket.head("in/large.csv").await.unwrap();
    assert!(head.version.id.is_some());
    bucket.put("in/large.csv", content(5)).await;
    assert!(copy(&bucket, &head, &head.version, true).await.unwrap());
    let copied = bucket.bytes("processed/in/large.csv").await.unwrap();
    assert!(copied[..] == content(4));
}
