//! Reads give exactly one version, or say that it is gone.

use std::time::Duration;

use bytes::Bytes;
use objects::{Body, Error, Objects};
use proto::event::Vanished;

use crate::relay::{Relay, Then};
use crate::store::{Bucket, bucket, versioned_bucket};

const MIB: usize = 1 << 20;

/// Bytes that tell where they belong.
fn numbered(size: usize) -> Bytes {
    let numbers = (0u32..).flat_map(u32::to_be_bytes);
    numbers.take(size).collect()
}

async fn collect(mut body: Body) -> objects::Result<Vec<u8>> {
    let mut bytes = vec![];
    while let Some(chunk) = body.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn read(objects: &Objects, bucket: &Bucket, key: &str) -> objects::Result<Vec<u8>> {
    let (version, size) = bucket.version(key).await;
    collect(objects.get(&bucket.name, key, &version, size).await?).await
}

async fn through(relay: &Relay, bucket: &Bucket, timeout: Duration) -> Objects {
    let config = runtime::config::objects::Config {
        endpoint: Some(relay.endpoint()),
        timeout,
        ..bucket.config.clone()
    };
    Objects::new(&config).await.unwrap()
}

/// Both at once; a break that never comes fails the test.
async fn both<R>(reading: impl Future<Output = R>, breaking: impl Future<Output = ()>) -> (R, ()) {
    let both = async { tokio::join!(reading, breaking) };
    let within = tokio::time::timeout(Duration::from_secs(60), Box::pin(both));
    within.await.expect("the connection breaks as planned")
}

fn vanished(result: objects::Result<Vec<u8>>) -> Vanished {
    match result {
        Err(Error::Vanished(how)) => how,
        other => panic!(
            "it should be gone, but: {:?}",
            other.map(|bytes| bytes.len())
        ),
    }
}

#[tokio::test]
async fn empty_and_large_objects_are_read_whole() {
    let bucket = bucket().await;
    for size in [0, 1, 9 * MIB + 1] {
        let bytes = numbered(size);
        bucket.put("in/a.csv", bytes.clone()).await;
        assert!(read(&bucket.objects, &bucket, "in/a.csv").await.unwrap() == bytes);
    }
}

#[tokio::test]
async fn a_broken_connection_is_resumed_where_it_broke() {
    let bucket = bucket().await;
    let relay = Relay::before(bucket.config.endpoint.as_deref().unwrap()).await;
    let objects = through(&relay, &bucket, Duration::from_secs(20)).await;
    let bytes = numbered(6 * MIB + 3);
    bucket.put("in/a.csv", bytes.clone()).await;
    relay.after(2 * MIB as u64, Then::Break);
    let reading = read(&objects, &bucket, "in/a.csv");
    let breaking = async {
        relay.broken().await;
        relay.after(MIB as u64 + 17, Then::Break);
        relay.broken().await;
    };
    let (read, ()) = both(reading, breaking).await;
    assert!(read.unwrap() == bytes);
    assert_eq!(relay.breaks(), 2);
}

#[tokio::test]
async fn a_stalled_connection_is_resumed() {
    let bucket = bucket().await;
    let relay = Relay::before(bucket.config.endpoint.as_deref().unwrap()).await;
    let objects = through(&relay, &bucket, Duration::from_millis(700)).await;
    let bytes = numbered(4 * MIB);
    bucket.put("in/a.csv", bytes.clone()).await;
    relay.after(MIB as u64, Then::Stall);
    assert!(read(&objects, &bucket, "in/a.csv").await.unwrap() == bytes);
    assert_eq!(relay.breaks(), 1);
}

#[tokio::test]
async fn a_version_that_is_replaced_in_the_middle_is_not_mixed_with_the_next() {
    let bucket = bucket().await;
    let relay = Relay::before(bucket.config.endpoint.as_deref().unwrap()).await;
    let objects = through(&relay, &bucket, Duration::from_secs(20)).await;
    bucket.put("in/a.csv", numbered(6 * MIB)).await;
    relay.after(2 * MIB as u64, Then::Break);
    let replacing = async {
        relay.broken().await;
        // Nobody asks for the rest until the new version is there.
        let _shut = relay.shut().await;
        bucket.put("in/a.csv", vec![b'x'; 6 * MIB]).await;
    };
    let (read, ()) = both(Box::pin(read(&objects, &bucket, "in/a.csv")), replacing).await;
    assert_eq!(vanished(read), Vanished::Replaced);
}

#[tokio::test]
async fn a_version_that_is_deleted_in_the_middle_is_gone() {
    let bucket = bucket().await;
    let relay = Relay::before(bucket.config.endpoint.as_deref().unwrap()).await;
    let objects = through(&relay, &bucket, Duration::from_secs(20)).await;
    bucket.put("in/a.csv", numbered(6 * MIB)).await;
    relay.after(2 * MIB as u64, Then::Break);
    let deleting = async {
        relay.broken().await;
        let _shut = relay.shut().await;
        bucket.delete("in/a.csv").await;
    };
    let (read, ()) = both(Box::pin(read(&objects, &bucket, "in/a.csv")), deleting).await;
    assert_eq!(vanished(read), Vanished::Gone);
}

#[tokio::test]
async fn a_version_that_left_before_the_read_is_told_apart_by_how() {
    let bucket = bucket().await;
    bucket.put("in/a.csv", "one").await;
    let (version, size) = bucket.version("in/a.csv").await;
    let read = || async {
        let body = bucket.objects.get(&bucket.name, "in/a.csv", &version, size);
        collect(body.await?).await
    };
    bucket.put("in/a.csv", "two").await;
    assert_eq!(vanished(read().await), Vanished::Replaced);
    bucket.delete("in/a.csv").await;
    assert_eq!(vanished(read().await), Vanished::Gone);
}

#[tokio::test]
async fn the_same_bytes_uploaded_in_a_later_second_are_another_version() {
    let bucket = bucket().await;
    bucket.put("in/a.csv", "one").await;
    let (version, size) = bucket.version("in/a.csv").await;
    while bucket.version("in/a.csv").await.0 == version {
        bucket.put("in/a.csv", "one").await;
    }
    let body = bucket.objects.get(&bucket.name, "in/a.csv", &version, size);
    assert!(matches!(
        body.await,
        Err(Error::Vanished(Vanished::Replaced))
    ));
}

#[tokio::test]
async fn an_older_version_is_read_by_its_id_until_it_is_deleted() {
    let bucket = versioned_bucket().await;
    bucket.put("in/a.csv", "one").await;
    let (version, size) = bucket.version("in/a.csv").await;
    let id = version.id.clone().unwrap();
    bucket.put("in/a.csv", "twotwo").await;
    let read = || async {
        let body = bucket.objects.get(&bucket.name, "in/a.csv", &version, size);
        collect(body.await?).await
    };
    assert_eq!(read().await.unwrap(), b"one");
    bucket.delete("in/a.csv").await;
    assert_eq!(read().await.unwrap(), b"one");
    let removal = objects::Removal::Version(&id);
    assert!(
        bucket
            .objects
            .delete(&bucket.at("in/a.csv"), removal)
            .await
            .unwrap()
    );
    assert_eq!(vanished(read().await), Vanished::Gone);
}
