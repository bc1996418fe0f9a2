//! Between SeaweedFS, which has one webhook for all, and the watchers of many installations: each
//! notification goes to the installation whose bucket it is about, and on the way it can be lost,
//! doubled or held back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::http;

/// Takes the notifications of the store.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    lines: Arc<Mutex<HashMap<String, Line>>>,
}

/// The way of one bucket's notifications.
#[derive(Clone, Debug)]
struct Line {
    /// They take turns.
    watchers: Vec<SocketAddr>,
    token: String,
    fate: Fate,
    held: Vec<Bytes>,
    lost: usize,
}

/// What becomes of the notification of an upload; others (directories, removals, Landfall's own
/// outputs) are always delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It reaches the watcher.
    #[default]
    Delivered,
    /// It does not.
    Lost,
    /// It reaches the watcher twice.
    Doubled,
    /// It waits until another fate is set.
    Held,
}

impl Relay {
    /// Listens on a free port for as long as the runtime lives.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let relay = Self {
            address: listener.local_addr()?,
            lines: Arc::default(),
        };
        let routes = Router::new()
            .route("/", post(take))
            .with_state(relay.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(relay)
    }

    /// From now on, notifications about `bucket` go to `watchers`, each to the next of them.
    pub(crate) fn connect(&self, bucket: &str, watchers: &[SocketAddr], token: &str) {
        let line = Line {
            watchers: watchers.to_vec(),
            token: token.to_owned(),
            fate: Fate::Delivered,
            held: vec![],
            lost: 0,
        };
        self.lines().insert(bucket.to_owned(), line);
    }

    /// Decides what becomes of the bucket's notifications. What was held shares the new fate.
    pub(crate) fn set(&self, bucket: &str, fate: Fate) {
        let held = match self.lines().get_mut(bucket) {
            Some(line) => {
                line.fate = fate;
                std::mem::take(&mut line.held)
            }
            None => vec![],
        };
        let entry = Entry {
            bucket: bucket.to_owned(),
            is_upload: true,
        };
        for body in held {
            self.pass(&entry, body);
        }
    }

    /// How many notifications about `bucket` wait here.
    pub(crate) fn held(&self, bucket: &str) -> usize {
        self.lines().get(bucket).map_or(0, |line| line.held.len())
    }

    /// How many notifications about `bucket` were lost.
    pub(crate) fn lost(&self, bucket: &str) -> usize {
        self.lines().get(bucket).map_or(0, |line| line.lost)
    }

    fn pass(&self, entry: &Entry, body: Bytes) {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(&entry.bucket) else {
            return;
        };
        let fate = if entry.is_upload {
            line.fate
        } else {
            Fate::Delivered
        };
        let times = match fate {
            Fate::Delivered => 1,
            Fate::Doubled => 2,
            Fate::Held => {
                line.held.push(body);
                return;
            }
            Fate::Lost => {
                line.lost += 1;
                return;
            }
        };
        for _ in 0..times {
            line.send(body.clone());
        }
    }

    /// Lets the youngest of the notifications that are held go on.
    pub(crate) fn release_youngest(&self, bucket: &str) {
        if let Some(line) = self.lines().get_mut(bucket)
            && let Some(body) = line.held.pop()
        {
            line.send(body);
        }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn send(&mut self, body: Bytes) {
        self.watchers.rotate_left(1);
        let (watcher, token) = (self.watchers[0], self.token.clone());
        // A watcher that is away loses the notification, as it does with SeaweedFS.
        tokio::spawn(async move { http::post(watcher, "/events", &token, &body).await });
    }
}

async fn take(State(relay): State<Relay>, body: Bytes) {
    if let Some(entry) = Entry::of(&body) {
        relay.pass(&entry, body);
    }
}

/// What a notification is about.
struct Entry {
    bucket: String,
    is_upload: bool,
}

impl Entry {
    fn of(body: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(body).ok()?;
        let (bucket, key) = event["key"]
            .as_str()?
            .strip_prefix("/buckets/")?
            .split_once('/')?;
        let is_removal = event["message"]["new_entry"].is_null();
        let is_directory = event["message"]["new_entry"]["is_directory"] == true;
        Some(Self {
            bucket: bucket.to_owned(),
            is_upload: !is_removal && !is_directory && key.starts_with("incoming/"),
        })
    }
}
