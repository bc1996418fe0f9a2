//! Copies and deletes do what they say, or nothing.

use std::collections::BTreeMap;

use objects::{Copy, Head, Removal};
use proto::Version;

use crate::store::{Bucket, bucket, versioned_bucket};

async fn copy(bucket: &Bucket, head: &Head, version: &Version, to: &str, if_absent: bool) -> bool {
    let metadata = BTreeMap::from([("landfall-file-id".to_owned(), "0f".to_owned())]);
    let copy = Copy {
        source: &bucket.at("in/a.csv"),
        version,
        head,
        destination: &bucket.at(to),
        metadata: &metadata,
        if_match: true,
        if_absent,
    };
    bucket.objects.copy(copy).await.unwrap()
}

#[tokio::test]
async fn a_copy_has_the_sources_headers_tags_and_bytes_and_the_metadata_given() {
    let bucket = bucket().await;
    bucket.put_described("in/a.csv", b"bytes".to_vec()).await;
    let head = bucket.head("in/a.csv").await.unwrap();
    assert_eq!(head.metadata["station"], "north");
    assert!(copy(&bucket, &head, &head.version, "processed/in/a.csv", true).await);
    bucket.is_described("processed/in/a.csv", b"bytes").await;
}

#[tokio::test]
async fn a_copy_is_refused_where_either_side_has_changed() {
    let bucket = bucket().await;
    bucket.put("in/a.csv", "one").await;
    let head = bucket.head("in/a.csv").await.unwrap();
    bucket.put("taken", "somebody's").await;
    assert!(!copy(&bucket, &head, &head.version, "taken", true).await);
    assert_eq!(bucket.bytes("taken").await.unwrap(), "somebody's");
    bucket.put("in/a.csv", "two").await;
    assert!(!copy(&bucket, &head, &head.version, "free", true).await);
    bucket.delete("in/a.csv").await;
    assert!(!copy(&bucket, &head, &head.version, "free", true).await);
    assert_eq!(bucket.head("free").await, None);
}

#[tokio::test]
async fn exactly_the_version_asked_for_is_copied_and_deleted() {
    let bucket = versioned_bucket().await;
    bucket.put("in/a.csv", "one").await;
    let head = bucket.head("in/a.csv").await.unwrap();
    bucket.put("in/a.csv", "two").await;
    assert!(copy(&bucket, &head, &head.version, "old", true).await);
    assert_eq!(bucket.bytes("old").await.unwrap(), "one");
    let removal = Removal::Version(head.version.id.as_deref().unwrap());
    assert!(
        bucket
            .objects
            .delete(&bucket.at("in/a.csv"), removal)
            .await
            .unwrap()
    );
    assert_eq!(bucket.bytes("in/a.csv").await.unwrap(), "two");
    let id = head.version.id.as_deref();
    let gone = bucket.objects.examine(&bucket.name, "in/a.csv", id).await;
    assert_eq!(gone.unwrap(), None);
}

#[tokio::test]
async fn a_delete_takes_only_what_it_means() {
    let bucket = bucket().await;
    bucket.put("in/a.csv", "one").await;
    let (version, _) = bucket.version("in/a.csv").await;
    let at = bucket.at("in/a.csv");
    bucket.put("in/a.csv", "two").await;
    let removal = Removal::IfMatch(&version.etag);
    assert!(!bucket.objects.delete(&at, removal).await.unwrap());
    assert_eq!(bucket.bytes("in/a.csv").await.unwrap(), "two");
    bucket.delete("in/a.csv").await;
    assert!(!bucket.objects.delete(&at, removal).await.unwrap());
}

#[tokio::test]
async fn checksums_go_with_the_copy_and_tell_of_the_content() {
    let bucket = bucket().await;
    let request = bucket.s3.put_object().bucket(&bucket.name).key("in/a.csv");
    request
        .checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Sha256)
        .body(b"one".to_vec().into())
        .send()
        .await
        .unwrap();
    let objects = &bucket.objects;
    let head = objects
        .examine(&bucket.name, "in/a.csv", None)
        .await
        .unwrap()
        .unwrap();
    // echo -n one | openssl dgst -sha256 -binary | base64
    assert_eq!(
        head.digests["sha256"],
        "dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0="
    );
    assert!(copy(&bucket, &head, &head.version, "copy", true).await);
    let copied = objects
        .examine(&bucket.name, "copy", None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(copied.same_content(&head), Some(true));
    bucket.put("copy", "eno").await;
    let other = objects
        .examine(&bucket.name, "copy", None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(other.same_content(&head), Some(false));
}
