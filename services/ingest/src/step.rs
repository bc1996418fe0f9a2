//! The step from `arrived` to `ingested`, `rejected` or `superseded`: decide, then write.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use objects::Objects;
use proto::event::{Arrived, Ingested, Location, Rejected, Superseded, Vanished};
use proto::{Data, Event};
use runtime::config::Profile;
use runtime::{Config, Message, Step, Trouble};
use store::Readings;

use crate::decision::{Decision, Plan, Shelf};
use crate::journal::Journal;
use crate::measure;
use crate::memory::Memory;
use crate::shelf::Shelves;
use crate::source::{Held, Source};
use crate::table::{Rules, Seen, Terms};
use crate::writer::Writer;

/// Below this, a gzip file may unpack to any number of times its size.
const ANY_RATIO: u64 = 64 << 20;

/// Reads files into the database.
pub struct Ingest {
    config: Config,
    objects: Objects,
    journal: Journal,
    readings: Arc<dyn Readings>,
    memory: Memory,
    clock: fn() -> Timestamp,
}

impl Ingest {
    /// With these connections.
    pub fn new(
        config: &Config,
        objects: Objects,
        journal: Arc<dyn store::Journal>,
        readings: Arc<dyn Readings>,
    ) -> Self {
        measure::describe();
        Self {
            config: config.clone(),
            objects,
            journal: Journal::new(journal),
            readings,
            memory: Memory::new(&config.ingest),
            clock: Timestamp::now,
        }
    }

    /// The same by another clock.
    #[must_use]
    pub fn by_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    /// Decides what becomes of the file, unless that is decided: the first pass over it. Answers
    /// the decision that counts, and what was read, if it is what that decision is about.
    async fn decide(&self, arrived: &Arrived) -> Result<(Decision, Option<Held>), Trouble> {
        let file = &arrived.file;
        let profile = self.profile(&file.profile)?;
        let now = (self.clock)();
        let terms = self.terms(file.size, now);
        let shelf = self.shelf(arrived, profile);
        let (wanted, held) = match Rules::new(profile, &file.key) {
            Err(reason) => {
                let plan = Plan::unread(profile, now, terms, shelf);
                (Decision::reject(reason, plan), None)
            }
            Ok(rules) => match self.source(arrived).read(&rules, &terms, None).await? {
                Err(how) => (Decision::Superseded { how }, None),
                Ok(held) => {
                    let decision = Decision::new(&held.seen, profile, now, terms, shelf);
                    (decision, Some(held))
                }
            },
        };
        let journal = &self.journal;
        let decision = journal
            .decide(file.id, arrived.replay, &wanted, profile)
            .await?;
        let held = held.filter(|_| decision == wanted);
        Ok((decision, held))
    }

    /// The configured profile with this name.
    fn profile(&self, name: &str) -> Result<&Profile, Trouble> {
        let built_in = Profile::built_in();
        let mut profiles = self.config.profiles.iter().chain([built_in]);
        profiles
            .find(|profile| profile.name == name)
            .ok_or_else(|| Trouble::Reject {
                reason: format!(
                    "the file arrived under the profile `{name}`, which ingest's configuration \
                     does not have: give all services the same [[profiles]]"
                ),
            })
    }

    fn terms(&self, size: u64, now: Timestamp) -> Terms {
        let config = &self.config.ingest;
        let ratio = size.saturating_mul(config.gzip_ratio).max(ANY_RATIO);
        Terms {
            latest: later(now, config.future),
            longest_line: config.longest_line,
            unpacked: ratio.min(config.unpacked),
            refused_rows: config.refused_rows,
            part: config.in_memory,
        }
    }

    /// Refused rows go where the mover files files, so that no output lies where files arrive.
    fn shelf(&self, arrived: &Arrived, profile: &Profile) -> Shelf {
        let target = profile.target_bucket.as_ref();
        let target = target.or(self.config.mover.target_bucket.as_ref());
        Shelf {
            bucket: target.unwrap_or(&arrived.file.bucket).clone(),
            prefix: self.config.ingest.rejected_rows.clone(),
        }
    }

    fn source<'a>(&'a self, arrived: &'a Arrived) -> Source<'a> {
        Source {
            objects: &self.objects,
            memory: &self.memory,
            file: &arrived.file,
        }
    }

    /// Does what was decided, now or on an earlier try. `held` is what was read for it.
    async fn obey(
        &self,
        arrived: &Arrived,
        decision: Decision,
        held: Option<Held>,
    ) -> Result<Data, Trouble> {
        match decision {
            Decision::Superseded { how } => Ok(superseded(arrived, how, 0)),
            Decision::Reject { reason, plan } => self.reject(arrived, reason, plan, held).await,
            Decision::Ingest(plan) => self.ingest(arrived, plan, held).await,
        }
    }

    /// Puts the refused rows of a refused file where they belong.
    async fn reject(
        &self,
        arrived: &Arrived,
        reason: String,
        plan: Plan,
        held: Option<Held>,
    ) -> Result<Data, Trouble> {
        let mut report = plan.report.clone();
        if report.rejected_lines > 0 {
            report.rejects = self.rejects(arrived, &plan, held).await?;
        }
        measure::report(&report);
        Ok(Data::Rejected(Rejected {
            file: arrived.file.clone(),
            replay: arrived.replay,
            reason,
            report,
        }))
    }

    /// Where the refused rows of a refused file are. None: the file vanished before they were
    /// there; that it was refused stays true.
    async fn rejects(
        &self,
        arrived: &Arrived,
        plan: &Plan,
        held: Option<Held>,
    ) -> Result<Option<Location>, Trouble> {
        let shelves = self.shelves(arrived, plan);
        let held = match held {
            Some(held) => held,
            None => {
                if let Some(location) = shelves.find().await? {
                    return Ok(Some(location));
                }
                match self.read_again(arrived, plan, None).await? {
                    Ok(held) => held,
                    Err(how) => {
                        tracing::warn!(
                            file = %arrived.file.id,
                            ?how,
                            "refused rows could not be put aside: the file vanished first"
                        );
                        return Ok(None);
                    }
                }
            }
        };
        let Seen { rejects, gzip, .. } = &held.seen;
        shelves.put(rejects, *gzip).await.map(Some)
    }

    /// Writes the readings, then the refused rows. The readings are durable by then.
    async fn ingest(
        &self,
        arrived: &Arrived,
        plan: Plan,
        held: Option<Held>,
    ) -> Result<Data, Trouble> {
        let readings = Arc::clone(&self.readings);
        let writer = Writer::new(readings, arrived, plan.parts, plan.now)?;
        let held = match held {
            // All that is to be written is in memory.
            Some(held) if plan.parts == 1 => held,
            first => {
                // Nobody may hold memory while asking for more.
                drop(first);
                match self.read_again(arrived, &plan, Some(&writer)).await? {
                    Ok(held) => held,
                    Err(how) => return Ok(superseded(arrived, how, plan.report.stored)),
                }
            }
        };
        let Seen {
            last,
            rejects,
            gzip,
            ..
        } = held.seen;
        writer.write(last).await?;
        let mut report = plan.report.clone();
        if !rejects.is_empty() {
            let shelves = self.shelves(arrived, &plan);
            report.rejects = Some(shelves.put(&rejects, gzip).await?);
        }
        measure::report(&report);
        Ok(Data::Ingested(Ingested {
            file: arrived.file.clone(),
            replay: arrived.replay,
            report,
        }))
    }

    /// A later pass, on the first one's terms and with the profile as it was then. It must see
    /// what the first one saw.
    async fn read_again(
        &self,
        arrived: &Arrived,
        plan: &Plan,
        writer: Option<&Writer>,
    ) -> Result<Result<Held, Vanished>, Trouble> {
        let file = &arrived.file;
        let hash = &plan.report.profile_hash;
        let profile = self.journal.profile(hash, &file.profile).await?;
        let profile = profile.ok_or_else(|| Trouble::Reject {
            reason: format!("the profile {hash} of the decision is not in ingest's journal"),
        })?;
        let rules = Rules::new(&profile, &file.key).map_err(|reason| Trouble::Reject { reason })?;
        let held = match self
            .source(arrived)
            .read(&rules, &plan.terms, writer)
            .await?
        {
            Err(how) => return Ok(Err(how)),
            Ok(held) => held,
        };
        if plan.agrees(&held.seen) {
            return Ok(Ok(held));
        }
        Err(Trouble::Retry {
            reason: plan.disagreement(&held.seen, file),
        })
    }

    fn shelves<'a>(&'a self, arrived: &'a Arrived, plan: &'a Plan) -> Shelves<'a> {
        Shelves {
            objects: &self.objects,
            journal: &self.journal,
            arrived,
            shelf: &plan.shelf,
        }
    }
}

#[async_trait]
impl Step for Ingest {
    /// Reads the file, decides, obeys.
    ///
    /// Safe to repeat: the decision is created if absent before the first row is written, and
    /// every later try obeys it, on the terms and with the profile of the first. Readings get the
    /// same write timestamps each time, and refused rows the same names.
    async fn run(&self, event: &Event, _: &Message) -> Result<Option<Data>, Trouble> {
        let Data::Arrived(arrived) = &event.data else {
            return Err(Trouble::Reject {
                reason: format!("ingest has no use for `{}`", event.data.what().token()),
            });
        };
        let journal = &self.journal;
        let (decision, held) = match journal.decision(arrived.file.id, arrived.replay).await? {
            Some(decision) => (decision, None),
            None => self.decide(arrived).await?,
        };
        self.obey(arrived, decision, held).await.map(Some)
    }
}

fn superseded(arrived: &Arrived, how: Vanished, rows_up_to: u64) -> Data {
    Data::Superseded(Superseded {
        file: arrived.file.clone(),
        replay: arrived.replay,
        how,
        rows_up_to,
    })
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
