//! A store, a journal, and replicas of the mover that move only when they are let.

use std::sync::Arc;
use std::time::Duration;

use faulty_s3::{Flavour, Held, Server, Store};
use jiff::Timestamp;
use mover::Mover;
use proto::{Event, User};
use runtime::config::secret::Secret;
use runtime::config::watcher;
use runtime::{Config, Step, Trouble};
use store::Journal;
use store::journal::Cell;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::journal::{Memory, Turn, View};
use crate::site::message;

/// Replicas.
pub(super) const REPLICAS: usize = 3;

/// Where files come from. Both are filed into [`TARGET`], so that a key of one wants the same name
/// there as that key of the other.
pub(super) const SOURCES: [&str; 2] = ["one", "two"];

/// Where they are filed.
pub(super) const TARGET: &str = "done";

/// Of `upload 1`, which is copied in parts, the first has as much as the second.
const PART: u64 = 4;

/// The store of a schedule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) flavour: Flavour,
    versioned: bool,
    pub(super) in_parts: bool,
}

impl Column {
    /// Buckets without versions, files that one request copies.
    pub(super) fn of(flavour: Flavour) -> Self {
        Self {
            flavour,
            versioned: false,
            in_parts: false,
        }
    }

    /// The buckets keep versions.
    pub(super) fn versioned(mut self) -> Self {
        self.versioned = true;
        self
    }

    /// Files are copied in parts of a few bytes.
    pub(super) fn in_parts(mut self) -> Self {
        self.in_parts = true;
        self
    }
}

/// Used for one schedule after another, since starting replicas costs more than a schedule.
pub(super) struct Rig {
    pub(super) column: Column,
    pub(super) server: Server,
    pub(super) memory: Arc<Memory>,
    /// Requests of all replicas, whose access keys are their numbers.
    pub(super) requests: UnboundedReceiver<Held>,
    pub(super) turns: UnboundedReceiver<Turn>,
    /// Which replica came to the end of its message, and how.
    pub(super) ends: UnboundedReceiver<(usize, Result<(), Trouble>)>,
    ended: UnboundedSender<(usize, Result<(), Trouble>)>,
    replicas: Vec<(Arc<Mover>, Arc<View>)>,
}

impl Rig {
    pub(super) async fn start(column: Column) -> Self {
        let mut store = Store::new(column.flavour);
        for bucket in SOURCES.into_iter().chain([TARGET]) {
            store.create_bucket(bucket);
            if column.versioned {
                store.keep_versions(bucket);
            }
        }
        let server = Server::start(store).await.unwrap();
        let memory = Arc::new(Memory::default());
        let (turn, turns) = unbounded_channel();
        let mut replicas = vec![];
        for replica in 0..REPLICAS {
            let view = Arc::new(View {
                memory: Arc::clone(&memory),
                replica,
                turns: turn.clone(),
            });
            let config = config(column, server.endpoint(), replica);
            let journal = Arc::clone(&view) as Arc<dyn Journal>;
            let mover = Mover::start(&config, journal).await.unwrap();
            replicas.push((Arc::new(mover), view));
        }
        let names: Vec<String> = (0..REPLICAS).map(|replica| replica.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (ended, ends) = unbounded_channel();
        Self {
            column,
            requests: server.hold(&names),
            server,
            memory,
            turns,
            ends,
            ended,
            replicas,
        }
    }

    /// Lets a replica begin with a message.
    pub(super) fn deliver(&self, replica: usize, event: Event) -> JoinHandle<()> {
        let (mover, view) = self.replicas[replica].clone();
        let ended = self.ended.clone();
        tokio::spawn(async move {
            let result = handle(&mover, &*view, &event).await;
            let _ = ended.send((replica, result));
        })
    }
}

/// What the runtime does with a message, without its publications.
pub(super) async fn handle(
    mover: &Mover,
    journal: &dyn Journal,
    event: &Event,
) -> Result<(), Trouble> {
    if let Some(settled) = journal.settled(Cell::of(event)).await? {
        return mover.stored(&settled.event, None).await;
    }
    let answer = mover.run(event, &message()).await?;
    let answer = answer.expect("the mover answers at once");
    let outcome = Event::new(User::Mover, answer.clone(), Timestamp::UNIX_EPOCH);
    let settled = journal.settle(&outcome).await?;
    mover.stored(&settled.event, Some(&answer)).await
}

fn config(column: Column, endpoint: &str, replica: usize) -> Config {
    let mut config = Config::default();
    if column.in_parts {
        config.objects.copy_above = 0;
        config.objects.copy_part = PART;
    }
    config.objects.endpoint = Some(endpoint.to_owned());
    config.objects.access_key = Some(Secret::new(replica.to_string()));
    config.objects.secret_key = Some(Secret::new("secret"));
    config.objects.timeout = Duration::from_secs(60);
    config.mover.target_bucket = Some(TARGET.to_owned());
    config.watcher.buckets = SOURCES
        .map(|name| watcher::Bucket {
            name: name.to_owned(),
            prefixes: vec!["in/".to_owned()],
            ..watcher::Bucket::default()
        })
        .to_vec();
    config
}
