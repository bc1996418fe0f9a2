//! One pass over everything that is watched.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use objects::Listed;
use proto::FileId;
use proto::event::FoundBy;
use runtime::Trouble;
use store::journal::Settled;
use tokio::time::Instant;

use super::note::{self, Note, Notes};
use super::verdict::{Horizon, Patience, Suspect, Verdict};
use super::{AGAIN, SUSPECTS, Sweep};
use crate::connected::first_way;
use crate::look::{self, Look, Seen};
use crate::measure;
use crate::missed;
use crate::notification::Announced;

/// How many objects are looked up in the journal in one go.
const PAGE: usize = 500;
/// How many are looked at at once.
const AT_ONCE: usize = 32;

/// What a sweep found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Whether every bucket was listed.
    pub whole: bool,
    /// Objects in the listings.
    pub listed: u64,
    /// Among them, what is nobody's file.
    pub unwatched: u64,
    /// Versions that nobody had settled: `arrived` now.
    pub unknown: u64,
    /// Among them, those whose notifications should have come by then, by the bucket that was
    /// listed; none where notifications still wait to be worked on.
    pub missed: HashMap<String, u64>,
    /// Versions that could not be taken, and the first one's reason.
    pub refused: u64,
    /// Files that are on their way, as far as one can tell.
    pub waiting: u64,
    /// Files whose way has ended, though the object is still there.
    pub ended: u64,
    /// Files that were stuck: said again now.
    pub stuck: u64,
    /// Files that were said again to no effect.
    pub given_up: u64,
    first_refused: Option<String>,
}

/// A sweep under way.
pub(super) struct Pass<'a> {
    sweep: &'a Sweep,
    horizon: Horizon,
    patience: Patience,
    /// With the patience that their buckets have.
    suspects: HashMap<FileId, (Suspect, Patience)>,
    /// Whether the journal is asked to keep what has ended.
    renews: bool,
    tally: Tally,
}

impl<'a> Pass<'a> {
    /// Lists every bucket; by the clock, those whose time it is.
    pub(super) async fn run(sweep: &'a Sweep, by_the_clock: bool) -> Result<Tally, Trouble> {
        let began = Instant::now();
        let patience = Patience {
            now: Timestamp::now(),
            stuck_after: sweep.settings.stuck_after,
        };
        let mut pass = Pass {
            sweep,
            horizon: sweep.history.horizon().await?,
            patience,
            suspects: HashMap::new(),
            renews: sweep.renewed.is_due(),
            tally: Tally {
                whole: true,
                ..Tally::default()
            },
        };
        let heard_out = sweep.history.is_heard_out().await?;
        let connected = &sweep.connected;
        for (bucket, prefixes) in connected.watched.buckets() {
            let every = sweep.settings.sweep_every(bucket);
            // Who keeps the journal from forgetting keeps it from all of it.
            if by_the_clock && !pass.renews && !sweep.listed.is_due(bucket, every) {
                pass.tally.whole = false;
                continue;
            }
            if heard_out {
                pass.tally.missed.insert(bucket.to_owned(), 0);
            }
            pass.patience.stuck_after = sweep.settings.stuck_after(bucket);
            let versioned = connected.objects.is_versioned(bucket).await?;
            for prefix in prefixes {
                pass.list(bucket, prefix, versioned).await?;
            }
            sweep.listed.note(bucket, began);
        }
        pass.judge().await?;
        if pass.renews {
            sweep.renewed.note(began);
        }
        Ok(pass.tally)
    }

    fn notes(&self) -> Notes<'_> {
        Notes(&*self.sweep.connected.journal)
    }

    async fn list(&mut self, bucket: &str, prefix: &str, versioned: bool) -> Result<(), Trouble> {
        let objects = &self.sweep.connected.objects;
        let mut listing = pin!(objects.list_with_versions(bucket, prefix, versioned));
        let mut page = Vec::with_capacity(PAGE);
        while let Some(line) = listing.try_next().await? {
            self.tally.listed += 1;
            let listed = match line {
                Ok(listed) => listed,
                Err(error) => {
                    self.refuse(error.into())?;
                    continue;
                }
            };
            if self
                .sweep
                .connected
                .watched
                .judge(bucket, &listed.key)
                .is_err()
            {
                self.tally.unwatched += 1;
                continue;
            }
            page.push(listed);
            if page.len() == PAGE {
                self.page(bucket, std::mem::take(&mut page)).await?;
            }
        }
        self.page(bucket, page).await
    }

    async fn page(&mut self, bucket: &str, page: Vec<Listed>) -> Result<(), Trouble> {
        let cell = |listed: &Listed| {
            let file = FileId::of(bucket, &listed.key, &listed.version);
            first_way(file)
        };
        let cells: Vec<_> = page.iter().map(cell).collect();
        let settled = self.sweep.connected.journal.settled_many(&cells).await?;
        let mut known = vec![];
        let mut unknown = vec![];
        for (listed, settled) in page.into_iter().zip(settled) {
            match settled {
                Some(settled) => known.push(settled),
                None => unknown.push(listed.key),
            }
        }
        self.look(bucket, unknown, &mut known).await?;
        self.suspect(known).await?;
        if self.suspects.len() >= SUSPECTS {
            self.judge().await?;
        }
        Ok(())
    }

    /// Counts what cannot be taken: nobody else has to wait for it. An outage is everybody's.
    fn refuse(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        if let Trouble::Outage { .. } = trouble {
            return Err(trouble);
        }
        self.tally.refused += 1;
        let first = &mut self.tally.first_refused;
        first.get_or_insert_with(|| trouble.to_string());
        Ok(())
    }

    /// Looks at keys whose version nobody knows, as a notification would make the watcher do.
    async fn look(
        &mut self,
        bucket: &str,
        unknown: Vec<String>,
        known: &mut Vec<Settled>,
    ) -> Result<(), Trouble> {
        let world = &*self.sweep.connected;
        let mut looks = pin!(
            stream::iter(unknown)
                .map(async |key| {
                    let announced = Announced::default();
                    look::look(world, bucket, &key, &announced, FoundBy::Sweep).await
                })
                .buffer_unordered(AT_ONCE)
        );
        while let Some(look) = looks.next().await {
            match look {
                Ok(Look { seen, .. }) => match seen {
                    Seen::Arrived(settled) => {
                        self.tally.unknown += 1;
                        measure::arrived(FoundBy::Sweep);
                        let uploaded = settled.event.about().0.version.last_modified;
                        let within = self.sweep.settings.notified_within;
                        if missed::is_late(uploaded, self.patience.now, within)
                            && let Some(missed) = self.tally.missed.get_mut(bucket)
                        {
                            *missed += 1;
                        }
                    }
                    // The listing showed another version, or writes versions otherwise than `HEAD`.
                    Seen::Known(settled) => known.push(settled),
                    Seen::Gone => {}
                },
                Err(trouble) => self.refuse(trouble)?,
            }
        }
        Ok(())
    }

    /// Takes down which of the known files are to be judged.
    async fn suspect(&mut self, known: Vec<Settled>) -> Result<(), Trouble> {
        let mut suspects = vec![];
        for settled in known {
            let decided = settled.event.time;
            let suspect = settled.published.and_then(|published| {
                Suspect::new(published, decided, &self.horizon, &self.patience)
            });
            match suspect {
                Some(suspect) => suspects.push((settled.event.subject, suspect)),
                None => self.tally.waiting += 1,
            }
        }
        let noted: Vec<_> = stream::iter(suspects)
            .map(async |(file, suspect)| {
                Ok::<_, Trouble>((file, suspect, self.notes().read(file).await?))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut over = vec![];
        for (file, suspect, note) in noted {
            match note {
                Some((Note::Ended(_), _)) => {
                    self.tally.ended += 1;
                    over.push(file);
                }
                Some((Note::GivenUp, _)) => {
                    self.tally.given_up += 1;
                    over.push(file);
                }
                Some((Note::Again(_), _)) | None => {
                    self.suspects.insert(file, (suspect, self.patience));
                }
            }
        }
        self.renew(&over).await
    }

    /// Keeps the journal from forgetting files whose objects are still there: they would begin
    /// their lives again, as if they had just come.
    async fn renew(&self, over: &[FileId]) -> Result<(), Trouble> {
        if !self.renews || over.is_empty() {
            return Ok(());
        }
        let cells: Vec<_> = over.iter().copied().map(first_way).collect();
        let notes: Vec<_> = over.iter().copied().map(note::register).collect();
        self.sweep.connected.journal.renew(&cells, &notes).await?;
        Ok(())
    }

    /// Reads what `FILES` says of the suspects, and does what is to be done about each.
    async fn judge(&mut self) -> Result<(), Trouble> {
        let mut suspects = std::mem::take(&mut self.suspects);
        if suspects.is_empty() {
            return Ok(());
        }
        let history = &self.sweep.history;
        // What was published since the sweep began is no mark of another stream's.
        let horizon = Horizon {
            last: history.last().await?,
            ..self.horizon
        };
        let from = suspects
            .values()
            .map(|(suspect, _)| suspect.read_from(&horizon))
            .min()
            .unwrap_or_default();
        let complete = history
            .read(from, horizon.last, |file, heard| {
                if let Some((suspect, _)) = suspects.get_mut(&file) {
                    suspect.hear(heard);
                }
            })
            .await?;
        if !complete {
            tracing::warn!(
                "a replica of FILES lags behind: nothing is said again before the next sweep"
            );
        }
        for (file, (suspect, patience)) in suspects {
            match suspect.verdict(&horizon, &patience) {
                Verdict::Ended(what) => {
                    self.tally.ended += 1;
                    self.notes().write(file, Note::Ended(what)).await?;
                }
                Verdict::Stuck if complete => self.say_again(file).await?,
                Verdict::Stuck | Verdict::Waiting => self.tally.waiting += 1,
            }
        }
        Ok(())
    }

    /// Publishes a stuck file's `arrived` once more: every later step says its stored outcome
    /// again, or does what it never did. Counted before it is published, so that no number of
    /// crashes makes more of it.
    async fn say_again(&mut self, file: FileId) -> Result<(), Trouble> {
        let note = self.notes().read(file).await?;
        let (again, revision) = match note {
            None => (0, None),
            Some((Note::Again(again), revision)) => (again, Some(revision)),
            // Another watcher knows better by now.
            Some(_) => return Ok(()),
        };
        let given_up = again >= AGAIN;
        let next = if given_up {
            Note::GivenUp
        } else {
            Note::Again(again + 1)
        };
        if !self.notes().replace(file, revision, next).await? {
            return Ok(());
        }
        if given_up {
            self.tally.given_up += 1;
            tracing::error!(
                %file,
                "stuck: `arrived` was published {AGAIN} more times and nothing came of it; \
                 look for it in the logs of ingest and mover, and upload the file again"
            );
            return Ok(());
        }
        tracing::warn!(%file, "stuck: nobody is working on it, so `arrived` is published again");
        self.tally.stuck += 1;
        let cell = first_way(file);
        self.sweep.connected.outbox.repeat(cell).await?;
        Ok(())
    }
}

impl Tally {
    /// Logs and measures.
    pub(super) fn tell(&self, took: Duration) {
        for (state, count) in [
            ("listed", self.listed),
            ("unwatched", self.unwatched),
            ("unknown", self.unknown),
            ("refused", self.refused),
            ("waiting", self.waiting),
            ("ended", self.ended),
            ("stuck", self.stuck),
            ("given_up", self.given_up),
        ] {
            measure::objects(state, count);
        }
        let seconds = took.as_secs_f64();
        let Self {
            listed,
            unknown,
            stuck,
            ended,
            ..
        } = *self;
        if unknown + stuck > 0 {
            tracing::info!(listed, unknown, stuck, ended, seconds, "swept");
        } else {
            tracing::debug!(listed, unknown, stuck, ended, seconds, "swept");
        }
        if let Some(reason) = &self.first_refused {
            let refused = self.refused;
            tracing::warn!(
                refused,
                reason,
                "files that cannot be taken; the first one's reason"
            );
        }
    }
}
