//! The JetStream streams.

use std::time::Duration;

/// A stream as `landfall setup` creates it and every service expects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Subjects it stores.
    pub subjects: &'static [&'static str],
    /// When a message is removed.
    pub retention: Retention,
    /// How long a message is kept at most.
    pub max_age: Option<Duration>,
    /// Whether messages may be schedules (ADR-51).
    pub schedules: bool,
}

/// When a stream removes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Once its consumer has acknowledged it.
    WorkQueue,
    /// By age alone.
    Limits,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Raw notifications of the stores.
pub const STORAGE: Stream = Stream {
    name: "STORAGE",
    description: "Raw notifications of the stores, until the watcher has read them",
    subjects: &["storage.>"],
    retention: Retention::WorkQueue,
    max_age: None,
    schedules: false,
};

/// What happened to each file.
pub const FILES: Stream = Stream {
    name: "FILES",
    description: "What happened to each file",
    subjects: &["files.*.*.*"],
    retention: Retention::Limits,
    max_age: Some(Duration::from_secs(7 * DAY.as_secs())),
    schedules: false,
};

/// Mails that wait. No age limit: one shorter than a delay would delete its schedule.
pub const DELAY: Stream = Stream {
    name: "DELAY",
    description: "Schedules of the mails that wait, and the wakes they deliver",
    subjects: &["delay.wait.*.*", "delay.due"],
    retention: Retention::WorkQueue,
    max_age: None,
    schedules: true,
};

/// What was given up on, and the server's advisories of what it gave up delivering.
pub const DEAD: Stream = Stream {
    name: "DEAD",
    description: "Messages that were given up on, and the server's advisories",
    subjects: &[
        "dead.*",
        "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
        "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
    ],
    retention: Retention::Limits,
    max_age: Some(Duration::from_secs(90 * DAY.as_secs())),
    schedules: false,
};

/// Every stream.
pub const ALL: [Stream; 4] = [STORAGE, FILES, DELAY, DEAD];
