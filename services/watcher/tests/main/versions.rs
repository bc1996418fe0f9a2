//! A bucket that keeps versions.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use proto::event::FoundBy;

use crate::bed::Bed;
use crate::proxy;

fn client(bed: &Bed) -> Client {
    let (endpoint, access_key, secret_key) = bed.access();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

async fn keep_versions(bed: &Bed) -> Client {
    let client = client(bed);
    let enabled = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    client
        .put_bucket_versioning()
        .bucket(&bed.bucket)
        .versioning_configuration(enabled)
        .send()
        .await
        .unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_of_a_versioned_bucket_is_a_file_by_its_version_id() {
    let bed = Bed::new("watcher.sweep_every = '1s'").await;
    let client = keep_versions(&bed).await;
    let watcher = bed.watch().await;
    let mut ids = vec![];
    for (count, body) in ["one", "one", "two"].into_iter().enumerate() {
        bed.upload("incoming/a b+ü.csv", body).await;
        let head = client
            .head_object()
            .bucket(&bed.bucket)
            .key("incoming/a b+ü.csv")
            .send()
            .await
            .unwrap();
        ids.push(head.version_id.unwrap());
        bed.wait_for_arrived(count + 1).await;
    }
    // The sweep knows them by its listing, and says nothing.
    bed.wait_for_a_sweep().await;
    bed.wait_until_worked_off().await;
    let arrived = bed.arrived().await;
    watcher.stop().await;
    let found: Vec<String> = arrived
        .iter()
        .filter_map(|arrived| arrived.file.version.id.clone())
        .collect();
    assert_eq!(found, ids);
    assert_eq!(arrived.len(), 3);
    assert!(
        arrived
            .windows(2)
            .all(|pair| pair[0].file.order < pair[1].file.order)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_comes_to_light_again_is_found_by_the_sweep_and_ordered_as_the_older() {
    let bed = Bed::new("watcher.sweep_every = '1s'").await;
    let client = keep_versions(&bed).await;
    bed.upload("incoming/a.csv", "one").await;
    let first = bed.objects.head(&bed.bucket, "incoming/a.csv").await;
    let first = first.unwrap().unwrap().version;
    // Last-Modified tells them apart by whole seconds.
    let second = loop {
        bed.upload("incoming/a.csv", "two").await;
        let head = bed.objects.head(&bed.bucket, "incoming/a.csv").await;
        let version = head.unwrap().unwrap().version;
        if version.last_modified > first.last_modified {
            break version;
        }
        delete(&client, &bed, version.id.as_deref()).await;
    };
    let watcher = bed.watch().await;
    bed.wait_for_arrived(1).await;
    // The later one is done with and taken away, as the mover does.
    delete(&client, &bed, second.id.as_deref()).await;
    let arrived = bed.wait_for_arrived(2).await;
    watcher.stop().await;
    assert_eq!(arrived[0].file.version, second);
    assert_eq!(arrived[1].file.version, first);
    assert_eq!(arrived[1].found_by, FoundBy::Sweep);
    assert!(arrived[1].file.order < arrived[0].file.order);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_versions_than_a_page_of_the_listing_are_all_found() {
    let bed = Bed::new("watcher.sweep_every = '1h'").await;
    keep_versions(&bed).await;
    // An older version each is no file of the listing's.
    for body in ["older", "newer"] {
        let uploads = (0..520).map(async |number| {
            bed.upload(&format!("incoming/{number}+ü.csv"), body).await;
        });
        futures::future::join_all(uploads).await;
    }
    let watcher = bed.watch_deafly().await;
    let arrived = bed.wait_for_arrived(520).await;
    watcher.stop().await;
    let mut keys: Vec<&str> = arrived.iter().map(|a| a.file.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((keys.len(), arrived.len()), (520, 520));
    assert!(arrived.iter().all(|arrived| arrived.file.size == 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_over_known_versions_costs_a_listing_and_no_look() {
    let mut bed = Bed::new("watcher.sweep_every = '1s'").await;
    keep_versions(&bed).await;
    for name in ["a", "b", "c"] {
        bed.upload(&format!("incoming/{name}.csv"), name).await;
    }
    let requests = Arc::new(Mutex::new(vec![]));
    let noted = Arc::clone(&requests);
    let store = bed.access().0.to_owned();
    bed.endpoint = Some(proxy::before(&store, move |line| {
        noted.lock().unwrap().push(line.to_owned());
        None
    }));
    let watcher = bed.watch_deafly().await;
    bed.wait_for_arrived(3).await;
    bed.wait_for_a_sweep().await;
    requests.lock().unwrap().clear();
    bed.wait_for_a_sweep().await;
    watcher.stop().await;
    let requests = requests.lock().unwrap();
    let listings = requests.iter().filter(|line| line.contains("versions"));
    assert!(listings.count() > 0, "{requests:?}");
    let looks = requests.iter().filter(|line| line.starts_with("HEAD "));
    assert_eq!(looks.count(), 0, "{requests:?}");
}

/// A store that denies every look at `incoming/bad.csv`.
fn denies_bad(request: &str) -> Option<String> {
    let bad = request.starts_with("HEAD ") && request.contains("/incoming/bad.csv");
    bad.then(|| {
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_looked_at_keeps_nobody_from_being_swept() {
    let mut bed = Bed::new("watcher.sweep_every = '1s'").await;
    keep_versions(&bed).await;
    for name in ["a", "bad", "c"] {
        bed.upload(&format!("incoming/{name}.csv"), name).await;
    }
    let store = bed.access().0.to_owned();
    bed.endpoint = Some(proxy::before(&store, denies_bad));
    // Ready is who has swept once.
    let watcher = bed.watch_deafly().await;
    bed.upload("incoming/later.csv", "later").await;
    let arrived = bed.wait_for_arrived(3).await;
    watcher.stop().await;
    let mut keys: Vec<&str> = arrived.iter().map(|a| a.file.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["incoming/a.csv", "incoming/c.csv", "incoming/later.csv"]
    );
}

async fn delete(client: &Client, bed: &Bed, version: Option<&str>) {
    client
        .delete_object()
        .bucket(&bed.bucket)
        .key("incoming/a.csv")
        .set_version_id(version.map(str::to_owned))
        .send()
        .await
        .unwrap();
}
