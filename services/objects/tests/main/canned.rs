//! A store that answers as it is told, and notes what it was asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use objects::{Copy, Head, Objects};
use proto::Version;
use proto::event::Location;
use runtime::config::objects::Config;
use runtime::config::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Answers each request once `released` allows it.
pub(crate) struct Canned {
    pub(crate) endpoint: String,
    pub(crate) waiting: Arc<AtomicUsize>,
    pub(crate) most: Arc<AtomicUsize>,
    pub(crate) released: Arc<Semaphore>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// With the same answer each time.
    pub(crate) async fn start(answer: &'static str, released: usize) -> Self {
        Self::answering(move |_| answer.to_owned(), released).await
    }

    /// With what `answer` makes of a request's head.
    pub(crate) async fn answering(
        answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static,
        released: usize,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let canned = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            waiting: Arc::default(),
            most: Arc::default(),
            released: Arc::new(Semaphore::new(released)),
            heads: Arc::default(),
        };
        let (waiting, most) = (Arc::clone(&canned.waiting), Arc::clone(&canned.most));
        let (released, heads) = (Arc::clone(&canned.released), Arc::clone(&canned.heads));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (waiting, most) = (Arc::clone(&waiting), Arc::clone(&most));
                let (released, heads) = (Arc::clone(&released), Arc::clone(&heads));
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut client = client;
                    while let Some(head) = read_head(&mut client).await {
                        let answer = answer(&head);
                        heads.lock().unwrap().push(head);
                        let now = waiting.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        released.acquire().await.unwrap().forget();
                        waiting.fetch_sub(1, Ordering::SeqCst);
                        client.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        canned
    }

    /// The heads of all requests until now.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// How a store is reached.
pub(crate) fn config(endpoint: &str) -> Config {
    Config {
        endpoint: Some(endpoint.to_owned()),
        access_key: Some(Secret::new("key")),
        secret_key: Some(Secret::new("secret")),
        timeout: LONG,
        ..Config::default()
    }
}

pub(crate) async fn client(endpoint: &str, timeout: Duration, connections: usize) -> Objects {
    let config = Config {
        timeout,
        connections,
        ..config(endpoint)
    };
    Objects::new(&config).await.unwrap()
}

/// The head of a request without a body; none where the other end hangs up.
pub(crate) async fn read_head(client: &mut TcpStream) -> Option<String> {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

pub(crate) const LONG: Duration = Duration::from_secs(20);
pub(crate) const MANY: usize = 1000;

/// An object of so many bytes of which nothing else is known.
pub(crate) fn plain(size: u64) -> Head {
    Head {
        version: Version::new("a", jiff::Timestamp::UNIX_EPOCH, None),
        size,
        content_type: None,
        content_encoding: None,
        content_language: None,
        content_disposition: None,
        cache_control: None,
        expires: None,
        metadata: BTreeMap::new(),
        digests: BTreeMap::new(),
        kms: None,
    }
}

/// A copy of an object within a bucket, on every condition.
pub(crate) async fn copy(objects: &Objects, head: &Head) -> objects::Result<bool> {
    let at = |key: &str| Location {
        bucket: "b".to_owned(),
        key: key.to_owned(),
    };
    let copy = Copy {
        source: &at("k"),
        version: &head.version,
        head,
        destination: &at("l"),
        metadata: &BTreeMap::new(),
        if_match: true,
        if_absent: true,
    };
    objects.copy(copy).await
}
