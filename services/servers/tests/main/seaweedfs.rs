use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use servers::SeaweedFs;
use servers::seaweedfs::{Options, Webhook};

/// Writes an object past the S3 API, which needs signed requests.
fn put(store: &SeaweedFs, path: &str, body: &str) {
    let filer = store.filer();
    let mut stream = TcpStream::connect(filer.strip_prefix("http://").unwrap()).unwrap();
    write!(
        stream,
        "PUT {path} HTTP/1.0\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    assert!(answer.starts_with("HTTP/1.0 201"), "{answer}");
}

fn get(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    std::io::read_to_string(stream).unwrap()
}

/// Takes one request and answers 200.
fn request(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            break;
        }
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    text
}

#[tokio::test]
async fn an_upload_to_a_watched_path_is_told_to_the_webhook_with_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options {
        buckets: vec!["sensors".to_owned()],
        webhook: Some(Webhook {
            url: format!("http://{}/events", listener.local_addr().unwrap()),
            token: "a \"token\"".to_owned(),
            paths: vec!["/buckets/sensors/incoming/".to_owned()],
        }),
        ..Options::default()
    };
    let store = SeaweedFs::start(folder.path(), options).await.unwrap();
    put(&store, "/buckets/sensors/processed/b.csv", "1,2,3\n");
    put(&store, "/buckets/sensors/incoming/a.csv", "1,2,3\n");
    let told = loop {
        let told = request(&listener);
        assert!(!told.contains("processed"), "{told}");
        if told.contains("a.csv") {
            break told;
        }
    };
    assert!(told.starts_with("POST /events "), "{told}");
    assert!(
        told.contains("Authorization: Bearer a \"token\"\r\n"),
        "{told}"
    );
    assert!(
        told.contains(r#""key":"/buckets/sensors/incoming/a.csv""#),
        "{told}"
    );
}

#[tokio::test]
async fn killed_and_started_again_it_has_its_ports_and_its_objects() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SeaweedFs::start(folder.path(), Options::default())
        .await
        .unwrap();
    store.make_bucket("sensors").await.unwrap();
    store.make_bucket("sensors").await.unwrap();
    put(&store, "/buckets/sensors/a.csv", "1,2,3\n");
    let endpoint = store.endpoint();
    store.kill().await;
    store.restart().await.unwrap();
    assert_eq!(store.endpoint(), endpoint);
    let body = get(&store.filer(), "/buckets/sensors/a.csv");
    assert!(body.ends_with("\r\n\r\n1,2,3\n"), "{body}");
    put(&store, "/buckets/sensors/b.csv", "4,5,6\n");
}

#[tokio::test]
async fn s3_refuses_who_has_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        buckets: vec!["sensors".to_owned()],
        ..Options::default()
    };
    let store = SeaweedFs::start(folder.path(), options).await.unwrap();
    let answer = get(&store.endpoint(), "/sensors/");
    assert!(answer.starts_with("HTTP/1.0 403"), "{answer}");
}
