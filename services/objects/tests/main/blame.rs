//! One object that cannot be had, and a store that is away: what one looks like from afar, and
//! how the two are told apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use objects::{Error, Objects};
use proto::Version;
use runtime::Trouble;
use runtime::config::objects::Config;
use runtime::config::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const DENIED: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
const OVERLOADED: &str = "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n";
const MISSING: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
const THERE: &str = "HTTP/1.1 200 OK\r\netag: \"a\"\r\nlast-modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    content-length: 1\r\n\r\n";

/// A store of one bucket `b`, whose answers a function gives by method and path. The first object
/// of its folder `in` is `in/bad`, and the other one `in/good`.
async fn store(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Objects {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                while let Some((method, path)) = request(&mut client).await {
                    let path = path.split('?').next().unwrap();
                    let answer = match (&*method, path) {
                        ("GET", "/b" | "/b/") => listing(),
                        ("HEAD", "/b" | "/b/") => there("HEAD"),
                        _ => answer(&method, path),
                    };
                    // More is announced than comes: it breaks off.
                    let cut = answer.contains("content-length: 9");
                    client.write_all(answer.as_bytes()).await.unwrap();
                    if cut {
                        return;
                    }
                }
            });
        }
    });
    let config = Config {
        endpoint: Some(endpoint),
        access_key: Some(Secret::new("key")),
        secret_key: Some(Secret::new("secret")),
        timeout: Duration::from_secs(20),
        ..Config::default()
    };
    Objects::new(&config).await.unwrap()
}

/// Method and path of a request without a body.
async fn request(client: &mut TcpStream) -> Option<(String, String)> {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split(' ').map(str::to_owned);
    Some((words.next().unwrap(), words.next().unwrap()))
}

fn listing() -> String {
    let object = |key: &str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>1970-01-01T00:00:00Z</LastModified>\
             <ETag>\"a\"</ETag><Size>1</Size></Contents>"
        )
    };
    let body = format!(
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>{}{}\
         </ListBucketResult>",
        object("in/bad"),
        object("in/good")
    );
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn there(method: &str) -> String {
    let body = if method == "GET" { "x" } else { "" };
    format!("{THERE}{body}")
}

async fn read(objects: &Objects, key: &str) -> objects::Result<()> {
    let version = Version::new("a", jiff::Timestamp::UNIX_EPOCH, None);
    let mut body = objects.get("b", key, &version, 1).await?;
    while body.chunk().await?.is_some() {}
    Ok(())
}

fn is_content(error: Error) {
    let line = error.to_string();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    assert!(
        line.contains("\"in/bad\"") && line.contains("this one is to blame"),
        "{line}"
    );
    assert!(matches!(error.into(), Trouble::Retry { .. }));
}

#[tokio::test]
async fn an_object_that_alone_is_denied_or_broken_is_to_blame() {
    for answer in [DENIED, BROKEN] {
        let objects = store(move |method, path| match path {
            "/b/in/bad" => answer.to_owned(),
            "/b/in/good" => there(method),
            _ => MISSING.to_owned(),
        })
        .await;
        is_content(objects.head("b", "in/bad").await.unwrap_err());
        is_content(read(&objects, "in/bad").await.unwrap_err());
        read(&objects, "in/good").await.unwrap();
    }
}

#[tokio::test]
async fn an_object_whose_bytes_break_off_for_ever_is_to_blame_if_others_can_be_read() {
    let cut = THERE.replace("content-length: 1", "content-length: 9");
    let objects = store(move |method, path| match (method, path) {
        ("GET", "/b/in/bad") => cut.clone(),
        (_, "/b/in/bad" | "/b/in/good") => there(method),
        _ => MISSING.to_owned(),
    })
    .await;
    let version = Version::new("a", jiff::Timestamp::UNIX_EPOCH, None);
    let mut body = objects.get("b", "in/bad", &version, 9).await.unwrap();
    let error = body.chunk().await.unwrap_err();
    assert!(
        error.to_string().contains("broke at byte 0 of 9"),
        "{error}"
    );
    is_content(error);
}

#[tokio::test]
async fn what_is_said_of_every_object_is_an_outage() {
    for answer in [DENIED, BROKEN, OVERLOADED] {
        let objects = store(move |_, _| answer.to_owned()).await;
        for error in [
            objects.head("b", "in/bad").await.unwrap_err(),
            read(&objects, "in/bad").await.unwrap_err(),
        ] {
            assert!(matches!(error.into(), Trouble::Outage { .. }), "{answer}");
        }
    }
}

#[tokio::test]
async fn an_overloaded_store_is_not_one_objects_fault() {
    let objects = store(|method, path| match path {
        "/b/in/bad" => OVERLOADED.to_owned(),
        "/b/in/good" => there(method),
        _ => MISSING.to_owned(),
    })
    .await;
    let error = objects.head("b", "in/bad").await.unwrap_err();
    assert!(matches!(error, Error::Away(_)), "{error:?}");
}

#[tokio::test]
async fn a_right_that_is_missing_in_a_folder_is_an_outage_though_others_can_be_read() {
    // Without the right to list, what is not there is forbidden too.
    let objects = store(|method, path| match path {
        path if path.starts_with("/b/processed/") => DENIED.to_owned(),
        _ => there(method),
    })
    .await;
    objects.head("b", "in/good").await.unwrap();
    let error = objects.head("b", "processed/new").await.unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error:?}");
    assert!(error.to_string().contains("`s3:ListBucket`"), "{error}");
}

#[tokio::test]
async fn a_right_that_every_object_lacks_is_an_outage_though_what_is_not_there_is_not_found() {
    // As where nobody may use the key that encrypts the bucket.
    let objects = store(|_, path| match path {
        "/b/in/bad" | "/b/in/good" => DENIED.to_owned(),
        _ => MISSING.to_owned(),
    })
    .await;
    let error = objects.head("b", "in/bad").await.unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error:?}");
    let error = read(&objects, "in/bad").await.unwrap_err();
    assert!(error.to_string().contains("`kms:Decrypt`"), "{error}");
}

#[tokio::test]
async fn an_outage_that_ends_before_the_other_object_is_asked_is_nobodys_fault() {
    let asked = AtomicUsize::new(0);
    let objects = store(move |method, path| match path {
        // The client itself asks a second time at once.
        "/b/in/bad" if asked.fetch_add(1, Ordering::SeqCst) < 2 => BROKEN.to_owned(),
        "/b/in/bad" | "/b/in/good" => there(method),
        _ => MISSING.to_owned(),
    })
    .await;
    assert!(objects.head("b", "in/bad").await.unwrap().is_some());
}

#[tokio::test]
async fn the_object_that_was_read_last_is_asked_where_nothing_else_lies_in_the_folder() {
    let objects = store(|method, path| match path {
        "/b/in/bad" | "/b/in/good" => MISSING.to_owned(),
        "/b/else/good" => there(method),
        "/b/other/bad" => BROKEN.to_owned(),
        _ => MISSING.to_owned(),
    })
    .await;
    let before = read(&objects, "other/bad").await.unwrap_err();
    assert!(matches!(before, Error::Away(_)), "{before:?}");
    read(&objects, "else/good").await.unwrap();
    let after = read(&objects, "other/bad").await.unwrap_err();
    assert!(matches!(after, Error::Refused(_)), "{after:?}");
}
