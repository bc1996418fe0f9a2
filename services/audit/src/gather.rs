//! Finds the facts. The order makes it safe to look while files are on their way:
//!
//! 1. The journals, the last step's first: what a later step knows, an earlier one had said before.
//! 2. Everything else, each thing after the journals: an effect is there before it is claimed, so
//!    what is claimed must be found.
//!
//! What has no claim yet (an object or a row of a file that came after 1) is met by a second look,
//! which judges by journals that were read after it: see [`crate::audit`].

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use async_nats::jetstream;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use objects::{Head, Objects};
use proto::FileId;
use runtime::Config;
use serde::Deserialize;
use tokio::runtime::Handle;

use crate::books::{self, Books, Readings};
use crate::count::{self, Counter, Ingested, Job, Withdrawn};
use crate::event::{Event, File, Mailed, Ordered, Place, Said, Step};
use crate::facts::{Cell, Decision, Facts, Filed, MailRow, Outcome, Plan, Rows, Source, Way};
use crate::recount::{Recount, Stamps};
use crate::scope::Scope;
use crate::table::Profile;
use crate::{mailbox, streams, uploads};

/// Requests to the store at once.
const AT_ONCE: usize = 16;

/// Where to look.
pub(crate) struct Sight<'a> {
    pub(crate) config: &'a Config,
    pub(crate) jetstream: &'a jetstream::Context,
    pub(crate) objects: &'a Objects,
    pub(crate) scope: &'a Scope,
    pub(crate) settled: bool,
    pub(crate) mails: Option<&'a PathBuf>,
    pub(crate) uploads: Option<&'a PathBuf>,
    /// Readings are counted again of these files only; of all that are judged if none.
    pub(crate) only: Option<&'a BTreeSet<FileId>>,
}

/// What the journals hold.
#[derive(Default)]
struct Journals {
    ways: BTreeMap<Cell, Way>,
    claims: HashMap<Place, FileId>,
    profiles: HashMap<String, Vec<u8>>,
    unreadable: Vec<String>,
}

impl Sight<'_> {
    /// Looks at everything once.
    pub(crate) async fn look(&self) -> anyhow::Result<Facts> {
        let now = Timestamp::now();
        let store = self.config.store.clone();
        let (books, found) = blocking(move || {
            let books = books::open(&store)?;
            let found = journals(&*books)?;
            Ok((books, found))
        })
        .await?;
        let Journals {
            ways,
            claims,
            profiles,
            unreadable,
        } = found;
        let chosen: BTreeSet<FileId> = ways
            .iter()
            .filter(|(_, way)| way.file().is_some_and(|file| self.scope.holds(file)))
            .map(|((file, _), _)| *file)
            .collect();
        // Half of what the journals remember: well before it, nothing of a file is forgotten.
        let memory = self.config.service.journal_retention / 2;
        let mut facts = Facts {
            now,
            settled: self.settled,
            whole: self.scope.is_whole(),
            horizon: now.checked_sub(memory).unwrap_or(Timestamp::MIN),
            chosen,
            ways,
            unreadable,
            claims,
            files: streams::files(self.jetstream).await?,
            dead: streams::dead(self.jetstream).await?,
            wakes: streams::wakes(self.jetstream).await?,
            retracted: BTreeSet::new(),
            rows: HashMap::new(),
            recounts: BTreeMap::new(),
            filed: BTreeMap::new(),
            sources: BTreeMap::new(),
            mails: self.mails.map(|folder| mailbox::read(folder)).transpose()?,
            uploads: self.uploads.map(|list| uploads::read(list)).transpose()?,
        };
        let retractions = facts.ways.values().filter(|way| way.is_retraction());
        let files = retractions.filter_map(|way| Some(way.ordered.as_ref()?.file.order));
        facts.retracted = files.map(Timestamp::as_second).collect();
        let heads = self.filed(&facts).await?;
        facts.filed = heads
            .iter()
            .map(|(place, head)| (place.clone(), filed(head)))
            .collect();
        facts.sources = self.sources(&facts).await?;
        let jobs = self.jobs(&facts, &heads, &profiles);
        let withdrawn = withdrawn(&facts, &heads, &profiles);
        let readings = blocking(move || books.readings()).await?;
        (facts.rows, facts.recounts) = self.count(&facts, readings, jobs, withdrawn).await?;
        Ok(facts)
    }

    /// Every object where Landfall files files away, and every destination that an event names.
    async fn filed(&self, facts: &Facts) -> anyhow::Result<BTreeMap<Place, Head>> {
        let mut places: BTreeSet<Place> = BTreeSet::new();
        for shelf in self.config.all_places() {
            let listing = self.objects.list(shelf.bucket, &self.listed(shelf.prefix));
            for listed in listing.try_collect::<Vec<_>>().await? {
                places.insert(Place {
                    bucket: shelf.bucket.to_owned(),
                    key: listed?.key,
                });
            }
        }
        for (_, way) in facts.judged() {
            if let Some(Said::Moved {
                destination: Some(place),
                ..
            }) = way.said(Step::Mover)
            {
                places.insert(place.clone());
            }
        }
        let heads = futures::stream::iter(places).map(async |place| {
            let head = self.objects.head(&place.bucket, &place.key).await?;
            Ok::<_, objects::Error>(head.map(|head| (place, head)))
        });
        let heads = heads.buffer_unordered(AT_ONCE);
        let heads = heads.try_filter_map(|head| std::future::ready(Ok(head)));
        Ok(heads.try_collect().await?)
    }

    /// The part of a prefix that can hold a chosen file.
    fn listed(&self, prefix: &str) -> String {
        let keys = self.scope.prefix.clone().unwrap_or_default();
        format!("{prefix}{keys}")
    }

    /// What lies where each judged file was uploaded.
    async fn sources(&self, facts: &Facts) -> anyhow::Result<BTreeMap<FileId, Source>> {
        let files = facts.chosen.iter().filter_map(|id| facts.file(*id));
        let sources = futures::stream::iter(files)
            .map(async |file| {
                let version = file.version.id.as_deref();
                let head = self
                    .objects
                    .examine(&file.bucket, &file.key, version)
                    .await?;
                Ok::<_, objects::Error>((file.id, source(file, head.as_ref())))
            })
            .buffer_unordered(AT_ONCE);
        Ok(sources.try_collect().await?)
    }

    /// The copies that are to be read again.
    fn jobs(
        &self,
        facts: &Facts,
        heads: &BTreeMap<Place, Head>,
        profiles: &HashMap<String, Vec<u8>>,
    ) -> Vec<Job> {
        let wanted = |file: &FileId| self.only.is_none_or(|only| only.contains(file));
        let chosen = facts.chosen.iter().filter(|file| wanted(file));
        let jobs = chosen.filter_map(|id| {
            let file = facts.file(*id)?;
            let mut standing = facts.standing(*id).rev();
            let until = standing.clone().next().map_or(0, |(cell, _)| cell.1);
            let ingested = standing.find_map(|(cell, way)| ingested(cell, way, until, profiles));
            let (place, version, size) = copy(facts, heads, file)?;
            // A copy of a file that was refused is only held against what was uploaded.
            (ingested.is_some() || self.uploads.is_some()).then(|| Job {
                file: *id,
                key: file.key.clone(),
                place,
                version,
                size,
                ingested,
            })
        });
        jobs.collect()
    }

    /// Counts on a thread that may block, all of it as of one moment of the database.
    async fn count(
        &self,
        facts: &Facts,
        readings: Box<dyn Readings>,
        jobs: Vec<Job>,
        withdrawn: Vec<Withdrawn>,
    ) -> anyhow::Result<(HashMap<FileId, Rows>, BTreeMap<FileId, Recount>)> {
        let orders = facts.ways.iter();
        let orders: HashMap<FileId, Timestamp> = orders
            .filter_map(|((id, _), way)| Some((*id, way.file()?.order)))
            .collect();
        let retracted = facts.retracted.clone();
        let (objects, handle) = (self.objects.clone(), Handle::current());
        blocking(move || {
            let rows = readings.by_file()?;
            let counter = Counter {
                objects: &objects,
                readings: &*readings,
                orders: &orders,
                rows: &rows,
                retracted: &retracted,
                withdrawn: &withdrawn,
                withdrawals: OnceCell::new(),
                handle: &handle,
            };
            let recounts = jobs.iter().map(|job| Ok((job.file, counter.count(job)?)));
            let recounts = recounts.collect::<anyhow::Result<_>>()?;
            Ok((rows, recounts))
        })
        .await
    }
}

/// Where a file's bytes are now, as which version, and how many.
fn copy(
    facts: &Facts,
    heads: &BTreeMap<Place, Head>,
    file: &File,
) -> Option<(Place, proto::Version, u64)> {
    let mut ways = facts.ways_of(file.id).rev();
    let copy = ways.find_map(|(_, way)| match way.said(Step::Mover) {
        Some(Said::Moved {
            destination: Some(place),
            ..
        }) => Some(place.clone()),
        _ => None,
    });
    match copy {
        Some(place) => {
            let head = heads.get(&place)?;
            Some((place, head.version.clone(), head.size))
        }
        None if facts.sources.get(&file.id) == Some(&Source::This) => {
            let Place { bucket, key } = file.place();
            let version = &file.version;
            let id = version.id.as_deref();
            let version = proto::Version::new(&version.etag, version.last_modified, id);
            Some((Place { bucket, key }, version, file.size))
        }
        None => None,
    }
}

/// The files that were retracted, in the order of their order times.
fn withdrawn(
    facts: &Facts,
    heads: &BTreeMap<Place, Head>,
    profiles: &HashMap<String, Vec<u8>>,
) -> Vec<Withdrawn> {
    let retractions = facts.ways.iter().filter(|(_, way)| way.is_retraction());
    let files: BTreeSet<FileId> = retractions.map(|(cell, _)| cell.0).collect();
    let of = |id: FileId| {
        let ordered = facts.ways_of(id).find_map(|(_, way)| way.ordered.as_ref());
        let second = ordered?.file.order.as_second();
        let read = facts.file(id).and_then(|file| {
            let (place, version, size) = copy(facts, heads, file)?;
            let job = Job {
                file: id,
                key: file.key.clone(),
                place,
                version,
                size,
                ingested: None,
            };
            Some((job, reads(facts, id, profiles)?))
        });
        Some(Withdrawn { second, read })
    };
    let mut withdrawn: Vec<_> = files.into_iter().filter_map(of).collect();
    withdrawn.sort_by_key(|withdrawn| withdrawn.second);
    withdrawn
}

/// How a file was read each time that it may have been written; none where that is not known of one.
fn reads(
    facts: &Facts,
    id: FileId,
    profiles: &HashMap<String, Vec<u8>>,
) -> Option<Vec<(Profile, Timestamp)>> {
    let ways = facts.ways_of(id).filter(|(_, way)| way.reads());
    let reads = ways.filter_map(|(_, way)| match (&way.decision, way.said(Step::Ingest)) {
        (Some(Decision::Ingest(plan)), Some(Said::Ingested { report })) => {
            let hash = &report.profile_hash;
            let profile = count::profile(profiles.get(hash), hash).ok();
            Some(profile.map(|profile| (profile, plan.latest)))
        }
        (Some(Decision::Reject | Decision::Superseded), _) => None,
        (None, None) => None,
        // Some of it may have been written.
        _ => Some(None),
    });
    reads.collect()
}

/// Does what blocks its thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let done = tokio::task::spawn_blocking(work);
    done.await.context("what reads the databases ended early")?
}

/// How a way was ingested, if it was. Ways after it, `until` that one, may have written some of it
/// again before they were given up on.
fn ingested(
    cell: &Cell,
    way: &Way,
    until: u32,
    profiles: &HashMap<String, Vec<u8>>,
) -> Option<Ingested> {
    let outcome = way.outcome(Step::Ingest)?;
    let Said::Ingested { report } = &outcome.event.said else {
        return None;
    };
    let hash = &report.profile_hash;
    let (plan, profile) = match &way.decision {
        Some(Decision::Ingest(plan)) => (plan.clone(), count::profile(profiles.get(hash), hash)),
        _ => {
            let plan = Plan {
                latest: Timestamp::MAX,
                parts: 1,
            };
            (
                plan,
                Err("ingest's journal has no decision to ingest it".to_owned()),
            )
        }
    };
    let file = &outcome.event.file;
    Some(Ingested {
        said: report.clone(),
        profile,
        latest: plan.latest,
        stamps: Stamps::new(file.order, file.id, cell.1, plan.parts)
            .and_later(file.order, cell.1, until),
    })
}

fn filed(head: &Head) -> Filed {
    let says = |name: &str| head.metadata.get(name);
    Filed {
        file: says("landfall-file-id").and_then(|id| id.parse().ok()),
        replay: says("landfall-replay").and_then(|replay| replay.parse().ok()),
        size: head.size,
        modified: head.version.last_modified,
    }
}

fn source(file: &File, head: Option<&Head>) -> Source {
    match head {
        None => Source::Nothing,
        Some(_) if file.version.id.is_some() => Source::This,
        Some(head) => {
            let version = &head.version;
            let same = version.etag == file.version.etag
                && version.last_modified == file.version.last_modified
                && head.size == file.size;
            if same { Source::This } else { Source::Another }
        }
    }
}

/// Reads every journal, the last step's first.
fn journals(books: &dyn Books) -> anyhow::Result<Journals> {
    let mut journals = Journals::default();
    for step in Step::ALL.into_iter().rev() {
        let Journals {
            ways,
            claims,
            profiles,
            unreadable,
        } = &mut journals;
        let mut wrong = Vec::new();
        let mut registers: Vec<(Cell, Register)> = Vec::new();
        books.journal(
            step,
            &mut |entry| match Event::read(entry.event.as_bytes()) {
                Ok(event)
                    if event.step == step
                        && (event.file.id, event.replay) == (entry.file, entry.replay) =>
                {
                    let way = ways.entry((entry.file, entry.replay)).or_default();
                    way.outcomes[step as usize] = Some(Outcome {
                        event,
                        published: entry.published,
                    });
                }
                Ok(_) => unreadable.push(format!(
                    "the {step}'s journal holds an event of another file or step for {}/{}",
                    entry.file,
                    entry.replay,
                    step = step.name(),
                )),
                Err(reason) => unreadable.push(format!(
                    "the {}'s journal holds for {}/{}: {reason}",
                    step.name(),
                    entry.file,
                    entry.replay
                )),
            },
            &mut |kind, name, value| {
                let read = register(step, kind, name, value);
                match read {
                    Ok(Some(Found::OfWay(cell, register))) => registers.push((cell, register)),
                    Ok(Some(Found::Claim(place, file))) => {
                        claims.insert(place, file);
                    }
                    Ok(Some(Found::Profile)) => {
                        profiles.insert(name.to_owned(), value.to_vec());
                    }
                    Ok(None) => {}
                    Err(error) => wrong.push(format!(
                        "the {}'s journal holds a `{kind}` {} that cannot be read: {error:#}",
                        step.name(),
                        name.escape_debug()
                    )),
                }
            },
        )?;
        unreadable.append(&mut wrong);
        for (cell, register) in registers {
            let way = ways.entry(cell).or_default();
            match register {
                Register::Ordered(ordered) => way.ordered = Some(ordered),
                Register::Decision(decision) => way.decision = Some(decision),
                Register::Mail(mail) => way.mail = Some(mail),
            }
        }
    }
    Ok(journals)
}

/// What a register of a journal says, if it matters.
enum Found {
    OfWay(Cell, Register),
    Claim(Place, FileId),
    Profile,
}

enum Register {
    Ordered(Ordered),
    Decision(Decision),
    Mail(MailRow),
}

fn register(step: Step, kind: &str, name: &str, value: &[u8]) -> anyhow::Result<Option<Found>> {
    Ok(match (step, kind) {
        (Step::Ingest, "profile") => Some(Found::Profile),
        (Step::Ingest, "command") => {
            let cell = cell(name, '/')?;
            let ordered = Ordered::read(value).map_err(anyhow::Error::msg)?;
            ensure!(
                (ordered.file.id, ordered.replay) == cell,
                "it is about another file or way"
            );
            Some(Found::OfWay(cell, Register::Ordered(ordered)))
        }
        (Step::Ingest, "decision") => {
            let cell = cell(name, '/')?;
            Some(Found::OfWay(cell, Register::Decision(decision(value)?)))
        }
        (Step::Mover, "destination") => {
            #[derive(Deserialize)]
            struct Claim {
                file: FileId,
            }
            let (bucket, key) = name.split_once('/').context("it names no object")?;
            let place = Place {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            };
            let claim: Claim = serde_json::from_slice(value)?;
            Some(Found::Claim(place, claim.file))
        }
        (Step::Notifier, "mail") => {
            let cell = cell(name, '.')?;
            Some(Found::OfWay(cell, Register::Mail(mail(value)?)))
        }
        _ => None,
    })
}

fn cell(name: &str, between: char) -> anyhow::Result<Cell> {
    let (file, replay) = name.split_once(between).context("it names no file")?;
    Ok((file.parse()?, replay.parse()?))
}

fn decision(value: &[u8]) -> anyhow::Result<Decision> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Written {
        Ingest(Terms),
        Reject {},
        Superseded {},
    }
    #[derive(Deserialize)]
    struct Terms {
        terms: Latest,
        parts: u32,
    }
    #[derive(Deserialize)]
    struct Latest {
        latest: Timestamp,
    }
    Ok(match serde_json::from_slice(value)? {
        Written::Ingest(Terms { terms, parts }) => Decision::Ingest(Plan {
            latest: terms.latest,
            parts,
        }),
        Written::Reject {} => Decision::Reject,
        Written::Superseded {} => Decision::Superseded,
    })
}

fn mail(value: &[u8]) -> anyhow::Result<MailRow> {
    #[derive(Deserialize)]
    struct Written {
        state: State,
    }
    #[derive(Deserialize)]
    #[serde(tag = "name", rename_all = "snake_case")]
    enum State {
        Waiting { due: Timestamp },
        HandingOver { deadline: Timestamp },
        Ended { outcome: Mailed },
    }
    let written: Written = serde_json::from_slice(value)?;
    Ok(match written.state {
        State::Waiting { due } => MailRow::Waiting(due),
        State::HandingOver { deadline } => MailRow::HandingOver(deadline),
        State::Ended { outcome } => MailRow::Ended(outcome),
    })
}
