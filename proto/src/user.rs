//! Who connects to NATS, and what each may do there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::consumer::{self, Consumer};
use crate::event::What;
use crate::{stream, subject};

/// A NATS user. Each service has one of its own, from the first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum User {
    /// Takes notifications, lists, says `arrived`.
    Watcher,
    /// Reads files into the database.
    Ingest,
    /// Files files away.
    Mover,
    /// Waits and mails.
    Notifier,
    /// Creates streams and consumers (`landfall setup`).
    Setup,
    /// A person with the `landfall` command: reads, and orders replays,
    /// retractions and backfills.
    Operator,
    /// An object store that publishes its notifications to NATS itself. It takes no step, so it
    /// stands in no event.
    #[serde(skip)]
    Storage,
}

impl User {
    /// Every user.
    pub const ALL: [Self; 7] = [
        Self::Watcher,
        Self::Ingest,
        Self::Mover,
        Self::Notifier,
        Self::Setup,
        Self::Operator,
        Self::Storage,
    ];

    /// The name as it stands in subjects, user names and binaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Watcher => "watcher",
            Self::Ingest => "ingest",
            Self::Mover => "mover",
            Self::Notifier => "notifier",
            Self::Setup => "setup",
            Self::Operator => "operator",
            Self::Storage => "storage",
        }
    }

    /// The kinds of event that it says.
    pub fn says(self) -> &'static [What] {
        match self {
            Self::Watcher => &[What::Arrived],
            Self::Ingest => &[
                What::Ingested,
                What::Rejected,
                What::Superseded,
                What::Retracted,
                What::Failed,
            ],
            Self::Mover => &[What::Moved, What::Failed],
            Self::Notifier => &[What::Notified, What::Failed],
            Self::Operator => &[What::Commanded],
            Self::Setup | Self::Storage => &[],
        }
    }

    /// Prefix of the user's reply subjects. Each has one of its own, so that none can read the
    /// answers meant for another. A store cannot be told which to use: it has every client's
    /// default.
    pub fn inbox(self) -> String {
        match self {
            Self::Storage => "_INBOX".to_owned(),
            user => format!("_INBOX_{}", user.name()),
        }
    }
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a user may publish and subscribe to: NATS subject patterns; everything else is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects it may publish to.
    pub publish: Vec<String>,
    /// Subjects it may subscribe to.
    pub subscribe: Vec<String>,
}

/// The table: what each user may do. The server denies everything else.
pub fn permissions(user: User) -> Permissions {
    let mut publish = publications(user);
    let work: Vec<Consumer> = consumer::of(user)
        .into_iter()
        .chain(consumer::advisories(user))
        .collect();
    for consumer in &work {
        let (stream, name) = (consumer.stream.name, consumer.name());
        publish.push(format!("$JS.API.STREAM.INFO.{stream}"));
        publish.push(format!("$JS.API.CONSUMER.INFO.{stream}.{name}"));
        publish.push(format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"));
        publish.push(format!("$JS.ACK.{stream}.{name}.>"));
        // The copy of a message that was given up on is read from its stream.
        publish.push(format!("$JS.API.DIRECT.GET.{stream}"));
    }
    publish.extend(beyond_work(user));
    publish.sort();
    publish.dedup();
    let mut subscribe = vec![format!("{}.>", user.inbox())];
    if user == User::Operator {
        // The second: `landfall doctor` waits for what a store says of an upload of its own.
        subscribe.extend(["files.>", "storage.>"].map(str::to_owned));
    }
    Permissions { publish, subscribe }
}

/// What each user publishes beside its acknowledgements.
fn publications(user: User) -> Vec<String> {
    let mut subjects: Vec<String> = user
        .says()
        .iter()
        .copied()
        .map(subject::files_filter)
        .collect();
    match user {
        User::Watcher => subjects.push(subject::STORAGE_HTTP.to_owned()),
        User::Notifier => subjects.push("delay.wait.*.*".to_owned()),
        User::Ingest | User::Mover => {}
        User::Storage => return subject::STORAGE_SENDERS.map(subject::storage).to_vec(),
        User::Operator => {
            subjects.push(subject::STORAGE_BACKFILL.to_owned());
            return subjects;
        }
        User::Setup => return subjects,
    }
    subjects.push(subject::dead(user));
    subjects
}

/// What a user may ask of JetStream beside its own work.
fn beyond_work(user: User) -> Vec<String> {
    match user {
        // The sweep asks how far the next steps have come, and reads what became of a file.
        User::Watcher => [User::Ingest, User::Mover]
            .into_iter()
            .map(|next| format!("$JS.API.CONSUMER.INFO.FILES.{}", next.name()))
            .chain(["$JS.API.STREAM.INFO.FILES", "$JS.API.DIRECT.GET.FILES"].map(str::to_owned))
            .collect(),
        // Outcomes are published to FILES, dead letters to DEAD (both above).
        User::Ingest | User::Mover | User::Notifier | User::Storage => vec![],
        User::Setup => setup(),
        User::Operator => ["STREAM.INFO.*", "CONSUMER.INFO.*.*", "DIRECT.GET.*", "INFO"]
            .map(|call| format!("$JS.API.{call}"))
            .to_vec(),
    }
}

fn setup() -> Vec<String> {
    let mut calls = vec!["$JS.API.INFO".to_owned()];
    for stream in stream::ALL {
        for call in ["CREATE", "UPDATE", "INFO"] {
            calls.push(format!("$JS.API.STREAM.{call}.{}", stream.name));
        }
    }
    for consumer in consumer::all() {
        let (stream, name) = (consumer.stream.name, consumer.name());
        calls.push(format!("$JS.API.CONSUMER.INFO.{stream}.{name}"));
        // One filter stands in the subject of the request, several do not.
        calls.push(format!("$JS.API.CONSUMER.CREATE.{stream}.{name}"));
        calls.push(format!("$JS.API.CONSUMER.CREATE.{stream}.{name}.>"));
    }
    calls
}
