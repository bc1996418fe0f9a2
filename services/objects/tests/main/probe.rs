//! What the probe finds is what was measured of this store by other means.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use objects::{Objects, Preconditions};
use runtime::config::objects::Config;
use runtime::config::secret::Secret;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::store::{Bucket, bucket, versioned_bucket};

/// The measured table's column of `SeaweedFS` 4.48.
const SEAWEEDFS: Preconditions = Preconditions {
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

#[tokio::test]
async fn preconditions_that_a_store_says_it_does_not_implement_are_not_honoured() {
    let expected = Preconditions {
        copy_if_absent: false,
        copy_source_if_match: false,
        delete_if_match: false,
        versioned: false,
    };
    assert_eq!(probe_of_store_in_trouble(usize::MAX).await, expected);
}

#[tokio::test]
async fn what_a_store_ignores_once_and_then_honours_is_honoured() {
    assert_eq!(probe_of_store_in_trouble(3).await, SEAWEEDFS);
}

/// What is found of a store that does not understand so many requests with a precondition.
async fn probe_of_store_in_trouble(requests: usize) -> Preconditions {
    let left = Arc::new(AtomicUsize::new(requests));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config {
        endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        access_key: Some(Secret::new("key")),
        secret_key: Some(Secret::new("secret")),
        ..Config::default()
    };
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer_unconditional_requests(client, Arc::clone(&left)));
        }
    });
    let objects = Objects::new(&config).await.unwrap();
    objects.probe("b").await.unwrap()
}

/// Agrees to everything without a precondition; of the rest, answers 501 to as many as are `left`,
/// and then 412.
async fn answer_unconditional_requests(client: TcpStream, left: Arc<AtomicUsize>) {
    let mut client = BufReader::new(client);
    let mut lines: Vec<String> = vec![];
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end().to_lowercase();
        if !line.is_empty() {
            lines.push(line);
            continue;
        }
        let header = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
        let length = header("content-length: ").map_or(0, |length| length.parse().unwrap());
        client.read_exact(&mut vec![0; length]).await.unwrap();
        let conditions = ["if-match:", "if-none-match:", "x-amz-copy-source-if-match:"];
        let answer = if conditions.into_iter().any(|name| header(name).is_some()) {
            let less = |left: usize| left.checked_sub(1);
            match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
                Ok(_) => "HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n",
                Err(_) => "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n",
            }
        } else if lines[0].starts_with("head ") {
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"a\"\r\n\
             last-modified: Sun, 22 Nov 2026 09:00:00 GMT\r\n\r\n"
        } else if header("x-amz-copy-source:").is_some() {
            "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n<CopyObjectResult/>"
        } else {
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\netag: \"a\"\r\n\r\n"
        };
        client.write_all(answer.as_bytes()).await.unwrap();
        lines.clear();
    }
}
