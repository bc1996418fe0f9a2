//! Keys of any UTF-8 go to the store and come back as they were.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use objects::{Copy, Error, Listed, Removal};

use crate::store::{Bucket, bucket};

/// What a `SeaweedFS` takes as it is.
fn awkward() -> Vec<String> {
    let mut keys: Vec<String> = [
        "in/plain.csv",
        "in/a b.csv",
        "in/two  spaces.csv",
        "in/ends with a space ",
        "in/a+b.csv",
        "in/a%b.csv",
        "in/a%2Bb.csv",
        "in/%00",
        "in/ü ö ß.csv",
        "in/u\u{308}.csv",
        "in/😀.csv",
        "in/'single' \"double\" `back`.csv",
        "in/new\nline.csv",
        "in/carriage\rreturn.csv",
        "in/tab\there",
        "in/\u{1}control\u{7f}",
        "in/#?&=;:@!$*(),[]{}|^<>.csv",
        "in/~tilde~",
        "in/.hidden",
        "in/a..b...csv",
        "in/\u{fffd}",
        "in/\u{202e}right to left",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push(format!("in/{}", "n".repeat(255)));
    let long = format!("in/{}", "/ü".repeat(340).trim_start_matches('/'));
    keys.push(format!("{long}{}", "x".repeat(1024 - long.len())));
    keys
}

async fn listed(bucket: &Bucket, prefix: &str) -> Vec<Listed> {
    let listing = bucket.objects.list(&bucket.name, prefix);
    listing.map(|line| line.unwrap().unwrap()).collect().await
}

async fn read(bucket: &Bucket, key: &str) -> Vec<u8> {
    let (version, size) = bucket.version(key).await;
    let body = bucket.objects.get(&bucket.name, key, &version, size);
    let mut body = body.await.unwrap();
    let mut bytes = vec![];
    while let Some(chunk) = body.chunk().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

#[tokio::test]
async fn awkward_keys_are_written_read_listed_copied_and_deleted_as_they_are() {
    let bucket = bucket().await;
    for key in awkward() {
        bucket.put(&key, key.clone()).await;
    }
    let keys: BTreeSet<String> = listed(&bucket, "")
        .await
        .into_iter()
        .map(|it| it.key)
        .collect();
    assert_eq!(keys, awkward().into_iter().collect());
    for key in awkward() {
        assert_eq!(read(&bucket, &key).await, key.as_bytes(), "{key:?}");
        let head = bucket.head(&key).await.unwrap();
        let only = listed(&bucket, &key).await;
        assert_eq!(only.len(), 1, "{key:?}");
        assert_eq!((only[0].size, &only[0].version), (head.size, &head.version));
        // The name of the copy is plain, so that it is the source's that is tried.
        let copy = Copy {
            source: &bucket.at(&key),
            version: &head.version,
            head: &head,
            destination: &bucket.at("copy"),
            metadata: &BTreeMap::new(),
            if_match: true,
            if_absent: false,
        };
        assert!(bucket.objects.copy(copy).await.unwrap(), "{key:?}");
        assert_eq!(read(&bucket, "copy").await, key.as_bytes());
        let removal = Removal::IfMatch(&head.version.etag);
        assert!(
            bucket
                .objects
                .delete(&bucket.at(&key), removal)
                .await
                .unwrap()
        );
        assert_eq!(bucket.head(&key).await, None, "{key:?}");
    }
}

#[tokio::test]
async fn keys_that_the_store_folds_are_reached_by_both_names() {
    let bucket = bucket().await;
    for (written, stored) in [
        ("/leading.csv", "leading.csv"),
        ("in//double.csv", "in/double.csv"),
        ("in/back\\slash.csv", "in/back/slash.csv"),
    ] {
        bucket.put(written, written).await;
        assert_eq!(read(&bucket, written).await, written.as_bytes());
        assert_eq!(read(&bucket, stored).await, written.as_bytes());
        assert_eq!(listed(&bucket, stored).await[0].key, stored);
    }
}

#[tokio::test]
async fn keys_that_the_store_does_not_take_are_refused_in_one_line() {
    let bucket = bucket().await;
    let put = async |key: &str| {
        let (at, metadata) = (bucket.at(key), BTreeMap::new());
        let put = bucket.objects.put(&at, "x".into(), None, &metadata);
        put.await.unwrap_err()
    };
    let long = format!("in/{}", "n".repeat(256));
    assert!(matches!(put(&long).await, Error::BadKey(_)));
    for key in ["in/../up.csv", "..", "in/./dot.csv"] {
        let error = put(key).await;
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        assert!(!error.to_string().contains('\n'));
    }
}

#[tokio::test]
async fn a_listing_goes_on_over_pages_and_stays_under_its_prefix() {
    let bucket = bucket().await;
    let keys: BTreeSet<String> = (0..1100).map(|n| format!("in/a b/{n:05}.csv")).collect();
    bucket.put("in/a", "x").await;
    bucket.put("other/a", "x").await;
    futures::stream::iter(&keys)
        .for_each_concurrent(32, |key| bucket.put(key, "x"))
        .await;
    let found: Vec<String> = listed(&bucket, "in/a b/")
        .await
        .into_iter()
        .map(|it| it.key)
        .collect();
    assert_eq!(found.len(), 1100);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), keys);
}

#[tokio::test]
async fn a_listing_of_nothing_is_empty() {
    let bucket = bucket().await;
    assert_eq!(listed(&bucket, "nothing/").await, []);
}
