//! The step from `arrived` to `ingested`, `rejected` or `superseded`: decide, then write. And from
//! `commanded`: the same once more, or from there on, or taken back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use objects::Objects;
use proto::event::{
    Command, Commanded, Ingested, Location, Rejected, Replayed, Retracted, Stage, Superseded,
    Vanished,
};
use proto::{Data, Event};
use runtime::config::Profile;
use runtime::text::counted;
use runtime::{Config, Message, Step, Trouble, telemetry};
use store::Readings;
use store::write_timestamp::{self, MAX_REPLAY};
use tracing::Instrument;

use crate::decision::{Decision, Plan, Shelf};
use crate::journal::Journal;
use crate::measure;
use crate::memory::Memory;
use crate::shelf::Shelves;
use crate::source::{Held, Source};
use crate::table::{Rules, Seen, Terms};
use crate::way::Way;
use crate::writer::{Turns, Writer};

/// Below this, a gzip file may unpack to any number of times its size.
const ANY_RATIO: u64 = 64 << 20;

/// Reads files into the database.
pub struct Ingest {
    config: Config,
    objects: Objects,
    journal: Journal,
    readings: Arc<dyn Readings>,
    memory: Memory,
    turns: Turns,
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
            turns: Turns::default(),
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
    async fn decide(
        &self,
        way: &Way,
        corrected: bool,
    ) -> Result<(Decision, Option<Held>), Trouble> {
        let file = &way.file;
        let profile = &self.profile(way, corrected).await?;
        let now = (self.clock)();
        let terms = self.terms(file.size, now);
        let shelf = self.shelf(way, profile);
        let (wanted, held) = match Rules::new(profile, &file.key) {
            Err(reason) => {
                let plan = Plan::unread(profile, now, terms, shelf);
                let reason = self.with_what_stays(way, reason).await?;
                (Decision::reject(reason, plan), None)
            }
            Ok(rules) => match self.source(way).read(&rules, &terms, None).await? {
                Err(how) => {
                    let how = way.vanished(how)?;
                    (Decision::Superseded { how }, None)
                }
                Ok(held) => {
                    let mut decision = Decision::new(&held.seen, profile, now, terms, shelf);
                    if let Decision::Reject { reason, .. } = &mut decision {
                        *reason = self.with_what_stays(way, std::mem::take(reason)).await?;
                    }
                    (decision, Some(held))
                }
            },
        };
        let journal = &self.journal;
        let decision = journal
            .decide(file.id, way.replay, &wanted, profile)
            .await?;
        let held = held.filter(|_| decision == wanted);
        Ok((decision, held))
    }

    /// Why a replay is refused, and what that leaves in the database.
    async fn with_what_stays(&self, way: &Way, reason: String) -> Result<String, Trouble> {
        let stays = match way.replay {
            0 => 0,
            _ => self.readings.count(way.file.id).await?,
        };
        if stays == 0 {
            return Ok(reason);
        }
        let stays = counted(stays, "reading");
        let id = way.file.id;
        Ok(format!(
            "{reason}; {stays} that it wrote before stay in the database (`landfall retract {id}` \
             takes them out)"
        ))
    }

    /// The profile that reads the file: on a first way the configured one; on a replay the one that
    /// last read it, as it was, unless a corrected one was asked for.
    async fn profile(&self, way: &Way, corrected: bool) -> Result<Profile, Trouble> {
        let name = &way.file.profile;
        let configured = self.configured(name);
        if way.replay == 0 || corrected {
            return configured.cloned();
        }
        let before = self.journal.profile_before(way.file.id, way.replay, name);
        match before.await? {
            Some(profile) => Ok(Profile {
                // Where files go is not part of how they are read, and not kept.
                mover: configured.map(|now| now.mover.clone()).unwrap_or_default(),
                ..profile
            }),
            None => configured.cloned(),
        }
    }

    /// The configured profile with this name.
    fn configured(&self, name: &str) -> Result<&Profile, Trouble> {
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
    fn shelf(&self, way: &Way, profile: &Profile) -> Shelf {
        let mover = &self.config.mover;
        let filed = mover.place(&profile.mover, &way.file.bucket, false);
        Shelf {
            bucket: filed.bucket.to_owned(),
            prefix: self.config.ingest.rejected_rows.clone(),
        }
    }

    fn source<'a>(&'a self, way: &'a Way) -> Source<'a> {
        Source {
            objects: &self.objects,
            memory: &self.memory,
            way,
        }
    }

    /// Does what was decided, now or on an earlier try. `held` is what was read for it.
    async fn obey(
        &self,
        way: &Way,
        decision: Decision,
        held: Option<Held>,
    ) -> Result<Data, Trouble> {
        match decision {
            Decision::Superseded { how } => Ok(superseded(way, how, 0)),
            Decision::Reject { reason, plan } => self.reject(way, reason, plan, held).await,
            Decision::Ingest(plan) => self.ingest(way, plan, held).await,
        }
    }

    /// Puts the refused rows of a refused file where they belong.
    async fn reject(
        &self,
        way: &Way,
        reason: String,
        plan: Plan,
        held: Option<Held>,
    ) -> Result<Data, Trouble> {
        let mut report = plan.report.clone();
        if report.rejected_lines > 0 {
            report.rejects = self.rejects(way, &plan, held).await?;
        }
        measure::report(&report);
        Ok(Data::Rejected(Rejected {
            file: way.file.clone(),
            replay: way.replay,
            reason,
            report,
            replayed: way.replayed.clone(),
        }))
    }

    /// Where the refused rows of a refused file are. None: the file vanished before they were
    /// there; that it was refused stays true.
    async fn rejects(
        &self,
        way: &Way,
        plan: &Plan,
        held: Option<Held>,
    ) -> Result<Option<Location>, Trouble> {
        let shelves = self.shelves(way, plan);
        let held = match held {
            Some(held) => held,
            None => {
                if let Some(location) = shelves.find().await? {
                    return Ok(Some(location));
                }
                match self.read_again(way, plan, None).await? {
                    Ok(held) => held,
                    Err(how) => {
                        tracing::warn!(
                            file = %way.file.id,
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
    async fn ingest(&self, way: &Way, plan: Plan, held: Option<Held>) -> Result<Data, Trouble> {
        let readings = Arc::clone(&self.readings);
        let turns = self.turns.clone();
        let writer = Writer::new(readings, turns, way, plan.parts, plan.now)?;
        // One for all that is written: a large file takes thousands of batches.
        let span = tracing::info_span!(
            target: telemetry::TARGET,
            "write",
            otel.name = "write readings",
            otel.kind = "client",
            db.operation.name = "write",
            db.collection.name = "readings",
            db.operation.batch.size = plan.report.stored,
            landfall.parts = plan.parts,
        );
        let held = match held {
            // All that is to be written is in memory.
            Some(held) if plan.parts == 1 => held,
            first => {
                // Nobody may hold memory while asking for more.
                drop(first);
                let again = self.read_again(way, &plan, Some(&writer));
                match again.instrument(span.clone()).await? {
                    Ok(held) => held,
                    Err(how) => return Ok(superseded(way, how, plan.report.stored)),
                }
            }
        };
        let Seen {
            last,
            rejects,
            gzip,
            ..
        } = held.seen;
        writer.write(last).instrument(span).await?;
        let mut report = plan.report.clone();
        if !rejects.is_empty() {
            let shelves = self.shelves(way, &plan);
            report.rejects = Some(shelves.put(&rejects, gzip).await?);
        }
        measure::report(&report);
        Ok(Data::Ingested(Ingested {
            file: way.file.clone(),
            replay: way.replay,
            report,
            replayed: way.replayed.clone(),
        }))
    }

    /// A later pass, on the first one's terms and with the profile as it was then. It must see
    /// what the first one saw.
    async fn read_again(
        &self,
        way: &Way,
        plan: &Plan,
        writer: Option<&Writer>,
    ) -> Result<Result<Held, Vanished>, Trouble> {
        let file = &way.file;
        let hash = &plan.report.profile_hash;
        let profile = self.journal.profile(hash, &file.profile).await?;
        let profile = profile.ok_or_else(|| Trouble::Reject {
            reason: format!("the profile {hash} of the decision is not in ingest's journal"),
        })?;
        let rules = Rules::new(&profile, &file.key).map_err(|reason| Trouble::Reject { reason })?;
        let held = match self.source(way).read(&rules, &plan.terms, writer).await? {
            Err(how) => return way.vanished(how).map(Err),
            Ok(held) => held,
        };
        if plan.agrees(&held.seen) {
            return Ok(Ok(held));
        }
        Err(Trouble::Retry {
            reason: plan.disagreement(&held.seen, file),
        })
    }

    fn shelves<'a>(&'a self, way: &'a Way, plan: &'a Plan) -> Shelves<'a> {
        Shelves {
            objects: &self.objects,
            journal: &self.journal,
            way,
            shelf: &plan.shelf,
        }
    }
}

impl Ingest {
    /// A file's way through ingest.
    async fn go(&self, way: &Way, corrected: bool) -> Result<Data, Trouble> {
        let decided = self.journal.decision(way.file.id, way.replay).await?;
        let (decision, held) = match decided {
            Some(decision) => (decision, None),
            None => self.decide(way, corrected).await?,
        };
        self.obey(way, decision, held).await
    }

    /// Does what a command says that counts; `event` is the command's.
    async fn command(&self, commanded: &Commanded, event: &Event) -> Result<Data, Trouble> {
        let replay = commanded.replay;
        let Command::Replay { from, corrected } = commanded.command else {
            return self.retract(commanded, event).await;
        };
        if !(1..=MAX_REPLAY).contains(&replay) {
            return Err(Trouble::Reject {
                reason: format!(
                    "replay {replay}: a file can be replayed {MAX_REPLAY} times; upload it again \
                     instead"
                ),
            });
        }
        let replayed = commanded
            .replayed(&event.id)
            .ok_or_else(|| useless(event))?;
        if from != Stage::Ingest {
            return self.take_over(commanded, replayed).await;
        }
        let way = Way::again(commanded, replayed, &self.objects, &self.config).await?;
        self.go(&way, corrected).await
    }

    /// What ingest said of the way before, said of this one: its readings are in the database, or
    /// it was refused, and that stays so.
    async fn take_over(&self, commanded: &Commanded, replayed: Replayed) -> Result<Data, Trouble> {
        let Commanded { file, replay, .. } = commanded;
        let file = file.clone();
        let (replay, replayed) = (*replay, Some(replayed));
        match self.journal.before(file.id, replay).await? {
            Some(Data::Ingested(before)) => Ok(Data::Ingested(Ingested {
                file,
                replay,
                replayed,
                ..before
            })),
            Some(Data::Rejected(before)) => Ok(Data::Rejected(Rejected {
                file,
                replay,
                replayed,
                ..before
            })),
            before => {
                let before = before.map_or("nothing is known", |data| data.what().token());
                Err(Trouble::Reject {
                    reason: format!(
                        "there is nothing to take over from the way before ({before}): replay \
                         {} from `ingest`",
                        file.id
                    ),
                })
            }
        }
    }

    /// Takes out of the database what the file's ways before this one wrote.
    ///
    /// Safe to repeat: how many readings there were is kept before the first is removed; what is
    /// removed stays so; and what later ways write has greater write timestamps.
    async fn retract(&self, commanded: &Commanded, event: &Event) -> Result<Data, Trouble> {
        let Commanded { file, replay, .. } = commanded;
        let (id, replay) = (file.id, *replay);
        let readings = match self.journal.retraction(id, replay).await? {
            Some(readings) => readings,
            None => {
                let readings = self.readings.count(id).await?;
                let journal = &self.journal;
                journal.decide_retraction(id, replay, readings).await?
            }
        };
        let before = write_timestamp::first_of(file.order, replay);
        self.readings.retract(id, before).await?;
        Ok(Data::Retracted(Retracted {
            file: file.clone(),
            replay,
            readings,
            command: event.id.clone(),
            by: commanded.by.clone(),
            why: commanded.why.clone(),
        }))
    }
}

#[async_trait]
impl Step for Ingest {
    /// Reads the file, decides, obeys; or obeys a command.
    ///
    /// Safe to repeat: the decision is created if absent before the first row is written, and
    /// every later try obeys it, on the terms and with the profile of the first. Readings get the
    /// same write timestamps each time, and refused rows the same names. Of several commands for
    /// one way the first to be kept counts, and whoever comes with another obeys that one.
    async fn run(&self, event: &Event, _: &Message) -> Result<Option<Data>, Trouble> {
        let data = match &event.data {
            Data::Arrived(arrived) => self.go(&Way::first(arrived), false).await?,
            Data::Commanded(_) => {
                let event = self.journal.command(event).await?;
                let Data::Commanded(commanded) = &event.data else {
                    return Err(useless(&event));
                };
                self.command(commanded, &event).await?
            }
            _ => return Err(useless(event)),
        };
        Ok(Some(data))
    }
}

fn useless(event: &Event) -> Trouble {
    Trouble::Reject {
        reason: format!("ingest has no use for `{}`", event.data.what().token()),
    }
}

fn superseded(way: &Way, how: Vanished, rows_up_to: u64) -> Data {
    Data::Superseded(Superseded {
        file: way.file.clone(),
        replay: way.replay,
        how,
        rows_up_to,
    })
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
