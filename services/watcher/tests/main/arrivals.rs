//! From an upload to `arrived`.

use std::collections::HashSet;

use proto::event::{Arrived, FoundBy};
use proto::{FileId, User};

use crate::bed::{Bed, until};

/// MD5 of `one`, `two` and `three`.
const ONE: &str = "f97c5d29941bfb1b2fdab0874906ab82";
const TWO: &str = "b8a9f715dbb64fd5c56e7783c6820a61";
const THREE: &str = "35d6d33467aae9a2e3dccb4b6b027878";

/// Only notifications find files here.
const NO_SWEEP: &str = "watcher.sweep_every = '1h'";

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_said_once_with_its_identity() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch().await;
    let before = jiff::Timestamp::now();
    bed.upload("incoming/a b+ü.csv", "one").await;
    let arrived = bed.wait_for_arrived(1).await;
    let head = bed.objects.head(&bed.bucket, "incoming/a b+ü.csv").await;
    watcher.stop().await;

    let [
        Arrived {
            file,
            replay,
            found_by,
        },
    ] = arrived.as_slice()
    else {
        panic!("not one: {arrived:?}");
    };
    assert_eq!((*replay, *found_by), (0, FoundBy::Notification));
    assert_eq!(file.bucket, bed.bucket);
    assert_eq!(file.key, "incoming/a b+ü.csv");
    assert_eq!(file.version.etag, ONE);
    assert_eq!(file.version.id, None);
    assert_eq!(file.size, 3);
    assert_eq!(file.content_type.as_deref(), Some("text/csv"));
    assert_eq!(file.profile, "default");
    assert_eq!(file.version, head.unwrap().unwrap().version);
    assert_eq!(file.order, file.version.last_modified);
    let age = file.order.duration_since(before);
    assert!((-1..=5).contains(&age.as_secs()), "{age}");
    assert_eq!(file.id, FileId::of(&file.bucket, &file.key, &file.version));
    let message = bed.stored("FILES").await.pop().unwrap();
    assert_eq!(message.subject.as_str(), "files.0.arrived.default");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_notifications_of_one_upload_are_one_file() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    bed.upload("incoming/a.csv", "one").await;
    let webhook = bed.webhook("incoming/a.csv");
    futures::future::join_all((0..10).map(|_| watcher.notify(&webhook))).await;
    bed.wait_for_arrived(1).await;
    assert_eq!(bed.last_sequence("STORAGE").await, 10);
    // And once more, when nobody can remember its message id.
    watcher.notify(&webhook).await;
    bed.wait_until_worked_off().await;
    let arrived = bed.arrived().await;
    watcher.stop().await;
    let ids: HashSet<FileId> = arrived.iter().map(|arrived| arrived.file.id).collect();
    assert_eq!(ids.len(), 1);
    // As often as the duplicate window, here its minimum, was over between two that met.
    assert!(arrived.iter().all(|other| *other == arrived[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_store_publishes_itself_is_heard() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    let store = bed.jetstream(User::Storage).await;
    // MinIO and RustFS wait for JetStream's answer, versitygw does not.
    for (subject, key) in [("storage.minio", "a"), ("storage.rustfs", "b")] {
        let key = format!("incoming/{key}.csv");
        bed.upload(&key, "one").await;
        let stored = store.publish(subject, bed.webhook(&key).into()).await;
        stored.unwrap().await.unwrap();
    }
    bed.upload("incoming/c.csv", "one").await;
    let unanswered = bed.webhook("incoming/c.csv").into();
    let versitygw = store.client();
    versitygw
        .publish("storage.versitygw", unanswered)
        .await
        .unwrap();
    let arrived = bed.wait_for_arrived(3).await;
    watcher.stop().await;
    assert!(
        arrived
            .iter()
            .all(|arrived| arrived.found_by == FoundBy::Notification)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_uploaded_again_at_once_is_another_file_with_a_later_order_time() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch().await;
    for (count, body) in ["one", "two", "three"].into_iter().enumerate() {
        bed.upload("incoming/a.csv", body).await;
        bed.wait_for_arrived(count + 1).await;
    }
    let arrived = bed.arrived().await;
    watcher.stop().await;
    let etags: Vec<&str> = arrived
        .iter()
        .map(|a| a.file.version.etag.as_str())
        .collect();
    assert_eq!(etags, [ONE, TWO, THREE]);
    for pair in arrived.windows(2) {
        assert!(pair[0].file.order < pair[1].file.order);
        assert_ne!(pair[0].file.id, pair[1].file.id);
    }
    for Arrived { file, .. } in &arrived {
        assert!(file.order >= file.version.last_modified);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_of_the_past_makes_the_watcher_take_what_is_there_now() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch_deafly().await;
    bed.upload("incoming/gone.csv", "one").await;
    let location = proto::event::Location {
        bucket: bed.bucket.clone(),
        key: "incoming/gone.csv".to_owned(),
    };
    let newest = objects::Removal::Newest;
    bed.objects.delete(&location, newest).await.unwrap();
    watcher.notify(&bed.webhook("incoming/gone.csv")).await;
    watcher.notify(&bed.webhook("incoming/never.csv")).await;
    bed.wait_until_worked_off().await;
    assert_eq!(bed.arrived().await, []);

    bed.upload("incoming/a.csv", "one").await;
    bed.upload("incoming/a.csv", "two").await;
    let announces_one = serde_json::json!({"Records": [{
        "eventSource": "ceph:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": "2099-01-01T00:00:00Z",
        "s3": {"bucket": {"name": bed.bucket}, "object": {"key": "incoming/a.csv", "eTag": ONE}},
    }]});
    watcher.notify(announces_one.to_string().as_bytes()).await;
    let arrived = bed.wait_for_arrived(1).await;
    watcher.stop().await;
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].file.version.etag, TWO);
    // The time is the other version's.
    assert_eq!(arrived[0].file.order, arrived[0].file.version.last_modified);
}

#[tokio::test(flavor = "multi_thread")]
async fn awkward_keys_arrive_as_they_are() {
    let bed = Bed::new(NO_SWEEP).await;
    let watcher = bed.watch().await;
    let long = format!("incoming/{}a.csv", "long name/".repeat(101));
    assert_eq!(long.len(), 1024);
    let keys = [
        "incoming/space d.csv",
        "incoming/pl+us.csv",
        "incoming/100%.csv",
        "incoming/%2B.csv",
        "incoming/%25.csv",
        "incoming/grüße.csv",
        "incoming/😀.csv",
        "incoming/\"quotes'.csv",
        "incoming/new\nline.csv",
        "incoming/deep/er/&=?#;:@$,.csv",
        &long,
    ];
    for key in keys {
        bed.upload(key, key).await;
    }
    let arrived = bed.wait_for_arrived(keys.len()).await;
    watcher.stop().await;
    let found: HashSet<&str> = arrived.iter().map(|a| a.file.key.as_str()).collect();
    assert_eq!(found, keys.into_iter().collect());
    assert_eq!(arrived.len(), keys.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_object_is_a_file_and_what_is_nobodys_file_is_none() {
    let bed = Bed::new("watcher.sweep_every = '1s'").await;
    let watcher = bed.watch().await;
    for key in [
        "incoming/folder/",
        "incoming/.hidden.csv",
        "incoming/upload.csv.part",
        "elsewhere/a.csv",
        "processed/incoming/a.csv",
        "rejected/incoming/a.csv",
        "rejected-rows/incoming/a.csv",
        "a.csv",
    ] {
        bed.upload(key, "").await;
    }
    bed.upload("incoming/empty.csv", "").await;
    bed.wait_for_arrived(1).await;
    // Neither by a notification nor by a sweep.
    bed.wait_for_a_sweep().await;
    bed.wait_until_worked_off().await;
    let arrived = bed.arrived().await;
    watcher.stop().await;
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    assert_eq!(arrived[0].file.key, "incoming/empty.csv");
    assert_eq!(arrived[0].file.size, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_with_the_profile_that_matches_it() {
    let bed = Bed::new(&format!(
        "{NO_SWEEP}\nprofiles = [{{ name = 'weather', key = 'incoming/weather/*' }}]"
    ))
    .await;
    let watcher = bed.watch().await;
    bed.upload("incoming/weather/a.csv", "one").await;
    let arrived = bed.wait_for_arrived(1).await;
    watcher.stop().await;
    assert_eq!(arrived[0].file.profile, "weather");
    let message = bed.stored("FILES").await.pop().unwrap();
    assert_eq!(message.subject.as_str(), "files.0.arrived.weather");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_watchers_at_once_say_each_file_alike() {
    let bed = Bed::new("watcher.sweep_every = '1s'").await;
    let first = bed.watch().await;
    let second = bed.watch_deafly().await;
    // The store tells one of them, and both hear of everything a second time.
    let uploads = (0..100).map(async |number| {
        let key = format!("incoming/{}.csv", number % 50);
        bed.upload(&key, &format!("{number}")).await;
        let webhook = bed.webhook(&key);
        tokio::join!(first.notify(&webhook), second.notify(&webhook));
    });
    futures::future::join_all(uploads).await;
    bed.wait_for_a_sweep().await;
    bed.wait_until_worked_off().await;
    let arrived = bed.arrived().await;
    first.stop().await;
    second.stop().await;

    let mut files: Vec<&Arrived> = vec![];
    for arrived in &arrived {
        match files.iter().find(|other| other.file.id == arrived.file.id) {
            Some(other) => assert_eq!(*other, arrived, "said differently"),
            None => files.push(arrived),
        }
    }
    for number in 0..50 {
        let key = format!("incoming/{number}.csv");
        let head = bed.objects.head(&bed.bucket, &key).await.unwrap().unwrap();
        let mut of_key: Vec<_> = files.iter().filter(|a| a.file.key == key).collect();
        of_key.sort_by_key(|arrived| arrived.file.order);
        // What is there is the last, and no two have one order time.
        assert_eq!(of_key.last().unwrap().file.version, head.version);
        assert!(
            of_key
                .windows(2)
                .all(|pair| pair[0].file.order < pair[1].file.order)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_was_settled_and_never_said_is_said_when_it_is_notified_again() {
    use store::journal::Journal;

    let bed = Bed::new(NO_SWEEP).await;
    bed.upload("incoming/a.csv", "one").await;
    let first = bed.watch_deafly().await;
    first.notify(&bed.webhook("incoming/a.csv")).await;
    let said = bed.wait_for_arrived(1).await;
    first.stop().await;

    // The same journal, as it is after a crash between settling and publishing.
    let settled = bed.stored("FILES").await.pop().unwrap();
    let event: proto::Event = serde_json::from_slice(&settled.payload).unwrap();
    let path = bed.folder().join("store/watcher.db");
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    let second = bed.watch_deafly().await;
    bed.journal().await.settle(&event).await.unwrap();
    second.notify(&bed.webhook("incoming/a.csv")).await;
    let again = until("it is said again", async || {
        let arrived = bed.arrived().await;
        (arrived.len() == 2).then_some(arrived)
    })
    .await;
    second.stop().await;
    assert_eq!(again[1], said[0]);
    assert_eq!(bed.last_sequence("DEAD").await, 0);
}
