//! Answers that a well store does not give: each is sorted by what it means.

use std::sync::atomic::Ordering;
use std::time::Duration;

use objects::{Error, Objects};
use proto::Version;
use runtime::Trouble;
use runtime::config::objects::Config;
use runtime::config::secret::Secret;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::canned::{self, Canned, LONG, MANY, client, plain, read_head};
use crate::store::bucket;

async fn head(answer: &'static str) -> Error {
    let canned = Canned::start(answer, MANY).await;
    let objects = client(&canned.endpoint, LONG, 4).await;
    objects.head("b", "k").await.unwrap_err()
}

async fn copy(answer: &'static str) -> objects::Result<bool> {
    let canned = Canned::start(answer, MANY).await;
    let objects = client(&canned.endpoint, LONG, 4).await;
    canned::copy(&objects, &plain(1)).await
}

#[tokio::test]
async fn an_overloaded_store_is_away() {
    let error = head("HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(error, Error::Away(_)), "{error:?}");
    assert!(matches!(
        error.into(),
        Trouble::Outage {
            dependency: "s3",
            ..
        }
    ));
}

#[tokio::test]
async fn a_store_that_does_not_listen_is_away_and_named() {
    let objects = client("http://127.0.0.1:1", LONG, 4).await;
    let line = match objects.head("b", "k").await {
        Err(Error::Away(line)) => line,
        other => panic!("{other:?}"),
    };
    assert!(line.contains("no answer from http://127.0.0.1:1"), "{line}");
    assert!(line.contains("onnection refused"), "{line}");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_away_after_the_timeout() {
    let canned = Canned::start("", 0).await;
    let objects = client(&canned.endpoint, Duration::from_millis(300), 4).await;
    let error = objects.head("b", "k").await.unwrap_err();
    assert!(matches!(&error, Error::Away(_)), "{error:?}");
    assert!(error.to_string().contains("within 300ms"), "{error}");
}

#[tokio::test]
async fn a_store_that_hangs_up_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            read_head(&mut client).await;
        }
    });
    let objects = client(&endpoint, LONG, 4).await;
    let error = objects.head("b", "k").await.unwrap_err();
    assert!(matches!(error, Error::Away(_)), "{error:?}");
}

#[tokio::test]
async fn an_error_within_a_success_is_no_success() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: 91\r\n\r\n\
        <?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>again</Message></Error>    ";
    assert_eq!(answer.split("\r\n\r\n").nth(1).unwrap().len(), 91);
    let copied = copy(answer).await;
    assert!(matches!(copied, Err(Error::Away(_))), "{copied:?}");
}

#[tokio::test]
async fn unmet_and_racing_preconditions_and_missing_sources_ask_for_another_look() {
    for answer in [
        "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    ] {
        assert!(!copy(answer).await.unwrap(), "{answer}");
    }
}

#[tokio::test]
async fn something_that_is_no_store_is_refused_with_the_settings_name() {
    let error = head("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn a_bucket_that_refuses_everything_is_no_objects_fault() {
    let error = head("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(error, Error::Denied(_)), "{error:?}");
    assert!(error.to_string().contains("`[objects] region`"), "{error}");
}

#[tokio::test]
async fn not_found_by_something_that_has_no_such_bucket_either_is_no_objects_end() {
    // An ingress whose backend is not there, and a store without the bucket.
    let canned = Canned::start("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", MANY).await;
    let objects = client(&canned.endpoint, LONG, 4).await;
    let version = Version::new("a", jiff::Timestamp::UNIX_EPOCH, None);
    for error in [
        objects.head("b", "k").await.unwrap_err(),
        objects.examine("b", "k", Some("1")).await.unwrap_err(),
        objects.get("b", "k", &version, 1).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Denied(_)), "{error:?}");
        assert!(error.to_string().contains("no bucket `b`"), "{error}");
        assert!(matches!(error.into(), Trouble::Outage { .. }));
    }
}

#[tokio::test]
async fn a_missing_right_is_told_with_action_bucket_and_key() {
    let error = head("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let line = error.to_string();
    assert!(matches!(error, Error::Denied(_)), "{line}");
    for part in ["`s3:GetObject`", "`s3:ListBucket`", "\"k\"", "`b`"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(matches!(error.into(), Trouble::Outage { .. }));
}

#[tokio::test]
async fn a_wrong_secret_is_told_at_the_first_listing() {
    let bucket = bucket().await;
    let config = Config {
        secret_key: Some(Secret::new("wrong")),
        ..bucket.config.clone()
    };
    let objects = Objects::new(&config).await.unwrap();
    let mut listing = objects.list(&bucket.name, "");
    let error = futures::StreamExt::next(&mut listing)
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        error.to_string().contains("check `[objects] secret_key`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_store_without_versions_has_buckets_without_versions() {
    // As versitygw answers, and as a store might that does not know the request at all.
    for answer in [
        "HTTP/1.1 501 Not Implemented\r\ncontent-type: application/xml\r\ncontent-length: 101\r\n\r\n\
         <?xml version=\"1.0\"?><Error><Code>VersioningNotConfigured</Code><Message>not here</Message></Error>  ",
        "HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n",
    ] {
        let canned = Canned::start(answer, MANY).await;
        let objects = client(&canned.endpoint, LONG, 4).await;
        assert!(!objects.is_versioned("b").await.unwrap());
    }
    let denied = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    let canned = Canned::start(denied, MANY).await;
    let objects = client(&canned.endpoint, LONG, 4).await;
    let error = objects.is_versioned("b").await.unwrap_err();
    assert!(
        error.to_string().contains("`s3:GetBucketVersioning`"),
        "{error}"
    );
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_connections_are_set() {
    let canned = Canned::start("HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n", 0).await;
    let objects = client(&canned.endpoint, LONG, 2).await;
    let mut asking = JoinSet::new();
    for _ in 0..12 {
        let objects = objects.clone();
        asking.spawn(async move { objects.head("b", "k").await.unwrap_err() });
    }
    while canned.waiting.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    // Each answer lets the next one in; what is asked twice may be.
    canned.released.add_permits(100);
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    assert_eq!(canned.most.load(Ordering::SeqCst), 2);
}
