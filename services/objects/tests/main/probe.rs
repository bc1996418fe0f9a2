//! What the probe finds is what was measured of this store by other means.

use objects::Preconditions;

use crate::store::{Bucket, bucket, versioned_bucket};

/// The measured table's column of `SeaweedFS` 4.48.
const SEAWEEDFS: Preconditions = Preconditions {
    put_if_absent: true,
    copy_if_absent: true,
    copy_source_if_match: true,
    delete_if_match: true,
    versioned: false,
};

async fn versions(bucket: &Bucket) -> usize {
    let request = bucket.s3.list_object_versions().bucket(&bucket.name);
    let answer = request.send().await.unwrap();
    answer.versions().len() + answer.delete_markers().len()
}

#[tokio::test]
async fn seaweedfs_honours_every_precondition() {
    let bucket = bucket().await;
    assert_eq!(bucket.objects.probe(&bucket.name).await.unwrap(), SEAWEEDFS);
    assert!(!bucket.objects.is_versioned(&bucket.name).await.unwrap());
    assert_eq!(versions(&bucket).await, 0);
}

#[tokio::test]
async fn a_versioned_bucket_is_found_out_and_left_as_it_was() {
    let bucket = versioned_bucket().await;
    let found = bucket.objects.probe(&bucket.name).await.unwrap();
    let expected = Preconditions {
        versioned: true,
        ..SEAWEEDFS
    };
    assert_eq!(found, expected);
    assert!(bucket.objects.is_versioned(&bucket.name).await.unwrap());
    assert_eq!(versions(&bucket).await, 0);
}

#[tokio::test]
async fn a_missing_bucket_is_named_and_not_made() {
    let bucket = bucket().await;
    let error = bucket.objects.probe("no-such-bucket").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no bucket `no-such-bucket`: create it, or correct its name in the configuration"
    );
    let buckets = bucket.s3.list_buckets().send().await.unwrap();
    let named = |it: &aws_sdk_s3::types::Bucket| it.name() == Some("no-such-bucket");
    assert!(!buckets.buckets().iter().any(named));
}
