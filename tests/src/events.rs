//! Everything that the services say, as it comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};
use futures::StreamExt;
use jiff::Timestamp;
use proto::{Event, File, FileId, What};
use tokio::sync::watch;

/// An event in `FILES`.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The event.
    pub event: Event,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// When JetStream stored it.
    pub stored: Timestamp,
}

impl Seen {
    /// The kind of event.
    pub fn what(&self) -> What {
        self.event.data.what()
    }

    /// The file that it is about.
    pub fn file(&self) -> &File {
        self.event.about().0
    }

    /// Whether nothing follows it but a replay.
    pub fn is_last(&self) -> bool {
        matches!(self.what(), What::Notified | What::Superseded)
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (file, replay) = self.event.about();
        let what = self.what().token();
        write!(
            f,
            "{:4} {what:10} {} {replay} {:?}",
            self.sequence,
            file.id.short(),
            file.key
        )
    }
}

/// Follows `FILES` from its beginning, with the rights of a person who looks.
#[derive(Debug)]
pub(crate) struct Follower {
    log: Arc<Log>,
    count: watch::Receiver<usize>,
    task: Option<tokio::task::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    trouble: Mutex<Option<String>>,
}

impl Follower {
    pub(crate) async fn start(client: &async_nats::Client) -> Result<Self> {
        let jetstream = jetstream::new(client.clone());
        let files = jetstream
            .get_stream(proto::stream::FILES.name)
            .await
            .context("FILES is not there")?;
        let mut hints = client.subscribe("files.>").await?;
        let log = Arc::new(Log::default());
        let (tell, count) = watch::channel(0);
        let shared = Arc::clone(&log);
        let task = tokio::spawn(async move {
            loop {
                let outcome = catch_up(&files, &shared, &tell).await;
                *shared
                    .trouble
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) =
                    outcome.err().map(|error| format!("{error:?}"));
                // A hint may be lost while the server restarts.
                let _ = tokio::time::timeout(Duration::from_millis(200), hints.next()).await;
            }
        });
        Ok(Self {
            log,
            count,
            task: Some(task),
        })
    }

    /// One that hears nothing.
    pub(crate) fn deaf() -> Self {
        Self {
            log: Arc::default(),
            count: watch::channel(0).1,
            task: None,
        }
    }

    /// Everything so far.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.log.seen().clone()
    }

    /// Why it cannot follow, if it cannot.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.log
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until `enough` answers something about all that was said; none after `deadline`.
    pub(crate) async fn until<T>(
        &self,
        deadline: Duration,
        mut enough: impl FnMut(&[Seen]) -> Option<T>,
    ) -> Option<T> {
        let mut count = self.count.clone();
        let waiting = async {
            loop {
                count.borrow_and_update();
                let answer = enough(&self.log.seen());
                if answer.is_some() {
                    return answer;
                }
                count.changed().await.ok()?;
            }
        };
        tokio::time::timeout(deadline, waiting).await.ok().flatten()
    }

    /// Kinds of event that were said of a file, in their order, repetitions left out.
    pub(crate) fn way(&self, file: FileId) -> Vec<What> {
        let mut way = Vec::new();
        for seen in self.log.seen().iter() {
            if seen.file().id == file && !way.contains(&seen.what()) {
                way.push(seen.what());
            }
        }
        way
    }
}

impl Log {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Reads what was stored since the last one. Nothing is ever deleted from `FILES` within a test,
/// so sequences have no gaps.
async fn catch_up(files: &Stream, log: &Log, tell: &watch::Sender<usize>) -> Result<()> {
    loop {
        let next = log.seen().last().map_or(1, |seen| seen.sequence + 1);
        let message = match files.direct_get(next).await {
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => return Ok(()),
            message => message?,
        };
        let seen = Seen {
            event: Event::parse(&message.payload)?,
            sequence: message.sequence,
            stored: Timestamp::from_nanosecond(message.time.unix_timestamp_nanos())?,
        };
        let mut all = log.seen();
        all.push(seen);
        let _ = tell.send(all.len());
    }
}
