//! One schedule: what is at rest, and what goes on next.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use faulty_s3::{Fate, Held, Object, Operation, Refusal, Store};
use objects::archive::label;
use proto::event::Location;
use proto::{Data, File, FileId, Version};
use runtime::Trouble;
use store::journal::Cell;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::journal::Turn;
use super::rig::{REPLICAS, Rig, SOURCES, TARGET};
use super::watch::{Doer, Lying, Watch};
use crate::site::ingested;

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Deliveries of one message, faults and deaths included; more is a move that never ends.
const DELIVERIES: usize = 25;

/// How much may still go wrong.
#[derive(Debug)]
struct Budget {
    /// Acts of somebody else.
    others: u8,
    /// Requests that are not simply done.
    faults: u8,
    /// Replicas that die.
    deaths: u8,
    /// Messages that are delivered again without need.
    doubles: u8,
    /// Copies that read at one moment and write at a later one.
    slow: u8,
}

/// What can be next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Deliver,
    GoOn(usize),
    Die(usize),
    Others,
    Double,
    /// What a dead replica had asked for is done.
    Late,
}

/// A replica at work.
struct Work {
    upload: usize,
    /// The moment of its last look at the source.
    looked: u64,
    waiting: Vec<Waiting>,
    task: JoinHandle<()>,
}

/// A call that waits for its turn.
#[expect(clippy::large_enum_variant, reason = "there are few of them")]
enum Waiting {
    Request(Held),
    Journal(Turn),
}

struct Life<'a> {
    rig: &'a mut Rig,
    random: Rng,
    budget: Budget,
    watch: Watch,
    replicas: [Option<Work>; REPLICAS],
    /// Uploads whose messages wait to be delivered.
    due: Vec<usize>,
    deliveries: usize,
    late: Vec<(Held, Doer)>,
    key: String,
    /// What has happened, a line each.
    way: Vec<String>,
}

/// Lives through the schedule of a seed. What is wrong is answered with the way to it.
pub(super) async fn live(rig: &mut Rig, seed: u64) -> Result<(), String> {
    let column = rig.column;
    let mut life = Life::new(rig, seed);
    let lived = life.go().await;
    let way = life.way.join("\n  ");
    // Nobody may be left for the next schedule.
    for work in life.replicas.iter_mut().filter_map(Option::take) {
        work.task.abort();
        let _ = work.task.await;
    }
    rig.server.store().clear();
    rig.memory.clear();
    lived.map_err(|wrong| format!("LANDFALL_TEST_SEED={seed} on {column:?}: {wrong}\n  {way}"))
}

impl<'a> Life<'a> {
    fn new(rig: &'a mut Rig, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let budget = Budget {
            others: random.u8(0..=3),
            faults: random.u8(0..=3),
            deaths: random.u8(0..=2),
            doubles: random.u8(0..=2),
            slow: random.u8(0..=2),
        };
        let watch = Watch::new(rig.column.flavour.honours_copy_if_absent());
        Self {
            rig,
            random,
            budget,
            watch,
            replicas: [const { None }; REPLICAS],
            due: vec![],
            deliveries: 0,
            late: vec![],
            key: format!("in/{seed}/a.csv"),
            way: vec![],
        }
    }

    async fn go(&mut self) -> Result<(), String> {
        self.upload(0, None);
        if self.random.bool() {
            self.upload(1, None);
        }
        while let Some(step) = self.next() {
            self.take(step).await?;
            let rest = timeout(PATIENCE, self.come_to_rest()).await;
            rest.map_err(|_| "nothing happens any more".to_owned())??;
        }
        let memory = &self.rig.memory;
        self.watch.check_end(|file| {
            let cell = Cell {
                file: file.id,
                replay: 0,
            };
            match memory.outcome(cell)?.data {
                Data::Moved(moved) => Some(moved),
                _ => None,
            }
        })
    }

    /// One of all steps that can be next, some more likely than others; none where everybody is
    /// done.
    fn next(&mut self) -> Option<Step> {
        let mut steps = vec![];
        let mut can = |times: usize, step| steps.extend(std::iter::repeat_n(step, times));
        for (replica, work) in self.replicas.iter().enumerate() {
            if work.is_some() {
                can(6, Step::GoOn(replica));
                can(usize::from(self.budget.deaths > 0), Step::Die(replica));
            }
        }
        if !self.due.is_empty() && self.replicas.iter().any(Option::is_none) {
            can(4, Step::Deliver);
        }
        can(2 * self.late.len().min(1), Step::Late);
        if steps.is_empty() {
            return None;
        }
        let mut can = |times: u8, step| steps.extend((0..times.min(2)).map(|_| step));
        can(self.budget.others, Step::Others);
        can(self.budget.doubles.min(1), Step::Double);
        Some(steps[self.random.usize(..steps.len())])
    }

    async fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Deliver => self.deliver()?,
            Step::GoOn(replica) => self.go_on(replica)?,
            Step::Die(replica) => self.die(replica).await?,
            Step::Others => self.others(),
            Step::Double => {
                self.budget.doubles -= 1;
                let upload = self.random.usize(..self.watch.uploads.len());
                self.due.push(upload);
            }
            Step::Late => {
                let index = self.random.usize(..self.late.len());
                let (held, doer) = self.late.swap_remove(index);
                self.say(format!("late: {}", held.call()));
                self.meet(held, Fate::DoneAndCut, &doer)?;
            }
        }
        Ok(())
    }

    fn say(&mut self, what: String) {
        self.way.push(what);
    }

    fn deliver(&mut self) -> Result<(), String> {
        self.deliveries += 1;
        if self.deliveries > DELIVERIES {
            return Err("it never ends".to_owned());
        }
        let upload = self.due.swap_remove(self.random.usize(..self.due.len()));
        let replica = self.replicas.iter().position(Option::is_none).unwrap();
        let event = ingested(&self.watch.uploads[upload].file);
        self.say(format!("{replica} gets {}", self.watch.uploads[upload]));
        self.replicas[replica] = Some(Work {
            upload,
            looked: 0,
            waiting: vec![],
            task: self.rig.deliver(replica, event),
        });
        Ok(())
    }

    /// Waits until every replica waits for its turn, or has come to its end.
    async fn come_to_rest(&mut self) -> Result<(), String> {
        let moves = |work: &Work| work.waiting.is_empty();
        while self.replicas.iter().flatten().any(moves) {
            let (replica, waiting) = tokio::select! {
                Some(held) = self.rig.requests.recv() => {
                    let replica = held.call().who.parse().unwrap();
                    (replica, Waiting::Request(held))
                }
                Some(turn) = self.rig.turns.recv() => (turn.replica, Waiting::Journal(turn)),
                Some((replica, result)) = self.rig.ends.recv() => {
                    self.end(replica, result)?;
                    continue;
                }
            };
            if let Some(work) = &mut self.replicas[replica] {
                work.waiting.push(waiting);
            }
        }
        Ok(())
    }

    /// A replica has acknowledged its message, or will get it again.
    fn end(&mut self, replica: usize, result: Result<(), Trouble>) -> Result<(), String> {
        let Some(work) = self.replicas[replica].take() else {
            return Ok(());
        };
        self.say(format!("{replica} ends: {result:?}"));
        match result {
            Ok(()) => Ok(()),
            Err(Trouble::Outage { .. } | Trouble::Retry { .. }) => {
                self.given_up(&work);
                Ok(())
            }
            Err(Trouble::Reject { reason }) => Err(format!("it is rejected: {reason}")),
        }
    }

    /// A message comes again. Who has it beside may end before that, and is not looked after.
    fn given_up(&mut self, work: &Work) {
        self.due.push(work.upload);
        let mut others = self.replicas.iter().flatten();
        if others.any(|other| other.upload == work.upload) {
            self.watch.uploads[work.upload].orphans = true;
        }
    }

    fn go_on(&mut self, replica: usize) -> Result<(), String> {
        let Some(work) = &mut self.replicas[replica] else {
            return Ok(());
        };
        let index = self.random.usize(..work.waiting.len());
        let mut held = match work.waiting.swap_remove(index) {
            Waiting::Journal(turn) => {
                self.way.push(format!("{replica}: {}", turn.what));
                let _ = turn.go.send(());
                return Ok(());
            }
            Waiting::Request(held) => held,
        };
        let splits = self.budget.slow > 0 && held.call().is_copy() && !held.has_read();
        if splits && self.random.bool() {
            self.budget.slow -= 1;
            held.read();
            self.way
                .push(format!("{replica}: {} has read", held.call()));
            work.waiting.push(Waiting::Request(held));
            return Ok(());
        }
        let fate = self.fate(held.call().operation);
        self.say(format!("{replica}: {} {fate:?}", held.call()));
        match self.doer(replica, &held, fate) {
            Some(doer) => self.meet(held, fate, &doer),
            None => Ok(()),
        }
    }

    /// What becomes of a request: it is done, unless something is to go wrong.
    fn fate(&mut self, operation: Operation) -> Fate {
        if self.budget.faults == 0 || self.random.u8(..3) > 0 {
            return Fate::Done;
        }
        self.budget.faults -= 1;
        let mut fates = vec![
            Fate::Refused(Refusal::SlowDown),
            Fate::Refused(Refusal::InternalError),
            Fate::Cut,
            Fate::DoneAndCut,
        ];
        let copies = matches!(
            operation,
            Operation::CopyObject | Operation::UploadPartCopy | Operation::CompleteMultipartUpload
        );
        if copies || operation == Operation::DeleteObject {
            fates.push(Fate::DoneAndCut);
            fates.push(Fate::Refused(Refusal::ConditionalRequestConflict));
            fates.push(Fate::Refused(Refusal::PreconditionFailed));
        }
        if copies {
            fates.push(Fate::ErrorWithin { done: false });
            fates.push(Fate::ErrorWithin { done: true });
        }
        fates[self.random.usize(..fates.len())]
    }

    /// On whose behalf a request is made; notes a look at the source.
    fn doer(&mut self, replica: usize, held: &Held, fate: Fate) -> Option<Doer> {
        let work = self.replicas[replica].as_mut()?;
        let file = &self.watch.uploads[work.upload].file;
        let at = at(held);
        let looks = (held.call().operation, fate) == (Operation::HeadObject, Fate::Done);
        if looks && (&at.bucket, &at.key) == (&file.bucket, &file.key) {
            work.looked = self.watch.moment();
        }
        Some(Doer {
            upload: work.upload,
            looked: work.looked,
            deleted: deleted(held),
        })
    }

    fn meet(&mut self, held: Held, fate: Fate, doer: &Doer) -> Result<(), String> {
        held.meet(fate);
        let now = lying(&self.rig.server.store());
        self.watch.landfall_did(now, doer)
    }

    /// A replica dies. What it has asked for is not done, is done now, or will be.
    async fn die(&mut self, replica: usize) -> Result<(), String> {
        self.budget.deaths -= 1;
        let Some(work) = self.replicas[replica].take() else {
            return Ok(());
        };
        self.say(format!("{replica} dies"));
        self.given_up(&work);
        work.task.abort();
        let _ = work.task.await;
        for waiting in work.waiting {
            // A call of the journal is not made.
            let Waiting::Request(held) = waiting else {
                continue;
            };
            let doer = Doer {
                upload: work.upload,
                looked: work.looked,
                deleted: deleted(&held),
            };
            let what = held.call().to_string();
            match self.random.u8(..3) {
                0 => self.say(format!("{replica}: {what} is not done")),
                1 => {
                    self.say(format!("{replica}: {what} is done"));
                    self.meet(held, Fate::DoneAndCut, &doer)?;
                }
                _ => {
                    self.say(format!("{replica}: {what} is on its way"));
                    self.watch.uploads[work.upload].orphans = true;
                    self.late.push((held, doer));
                }
            }
        }
        Ok(())
    }

    /// Somebody else uploads, takes away, puts something in the way, or takes that away again.
    fn others(&mut self) {
        self.budget.others -= 1;
        let source = self.random.usize(..SOURCES.len());
        match self.random.u8(..6) {
            0 | 1 => self.upload(source, None),
            2 => {
                let before = self.random.usize(..self.watch.uploads.len());
                let bytes = self.watch.uploads[before].bytes.clone();
                self.upload(source, Some(bytes));
            }
            3 => self.delete(source),
            4 => self.put_in_the_way(),
            _ => self.clear_the_way(),
        }
    }

    /// An upload that Landfall hears of. The same bytes once more come in another second, since
    /// within one second they are the same file.
    fn upload(&mut self, source: usize, again: Option<Vec<u8>>) {
        let second = u64::from(again.is_some() || self.random.bool());
        let number = self.watch.uploads.len();
        let bytes = again.unwrap_or_else(|| format!("upload {number}").into_bytes());
        let bucket = SOURCES[source];
        let mut store = self.rig.server.store();
        store.pass(Duration::from_secs(second));
        let written = store.put(bucket, &self.key, bytes.clone(), BTreeMap::new());
        let file = file(bucket, &self.key, &written.unwrap());
        self.watch.others_did(lying(&store));
        drop(store);
        let upload = self.watch.uploaded(file, &bytes);
        self.due.push(upload);
        self.say(format!("somebody uploads {}", self.watch.uploads[upload]));
    }

    /// The key, or exactly one of its versions.
    fn delete(&mut self, source: usize) {
        let bucket = SOURCES[source];
        let mut store = self.rig.server.store();
        let ids: Vec<String> = store
            .lying()
            .filter(|lying| lying.bucket == bucket)
            .filter_map(|lying| lying.object.id.clone())
            .collect();
        let version = self.random.choice(&ids).filter(|_| self.random.bool());
        store.delete(bucket, &self.key, version.map(String::as_str));
        self.watch.others_did(lying(&store));
        drop(store);
        self.say(format!("somebody deletes {version:?} in {bucket}"));
    }

    fn put_in_the_way(&mut self) {
        let name = format!("processed/{}", self.key);
        let mut store = self.rig.server.store();
        let taken = store
            .lying()
            .any(|lying| lying.newest && (lying.bucket, lying.key) == (TARGET, name.as_str()));
        if taken {
            return;
        }
        store.put(TARGET, &name, "somebody's", BTreeMap::new());
        self.watch.others_did(lying(&store));
        drop(store);
        self.say("somebody puts something in the way".to_owned());
    }

    fn clear_the_way(&mut self) {
        let mut store = self.rig.server.store();
        let stranger = store
            .lying()
            .find(|lying| lying.newest && lying.content.bytes == "somebody's");
        let Some(stranger) = stranger else {
            return;
        };
        let (name, id) = (stranger.key.to_owned(), stranger.object.id.clone());
        store.delete(TARGET, &name, id.as_deref());
        self.watch.others_did(lying(&store));
        drop(store);
        self.say("somebody takes it away again".to_owned());
    }
}

/// The file that an object is to the watcher.
fn file(bucket: &str, key: &str, object: &Object) -> File {
    let version = version(object);
    File {
        id: FileId::of(bucket, key, &version),
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        order: version.last_modified,
        size: object
            .content
            .as_ref()
            .map_or(0, |content| content.bytes.len() as u64),
        version,
        content_type: None,
        content_encoding: None,
        profile: "default".to_owned(),
    }
}

fn version(object: &Object) -> Version {
    let etag = object.content.as_ref().map_or("", |content| &content.etag);
    Version::new(etag, object.modified, object.id.as_deref())
}

fn at(held: &Held) -> Location {
    Location {
        bucket: held.call().bucket.clone(),
        key: held.call().key.clone(),
    }
}

/// What a request is to delete.
fn deleted(held: &Held) -> Option<Location> {
    (held.call().operation == Operation::DeleteObject).then(|| at(held))
}

/// What lies in the store.
fn lying(store: &Store) -> Vec<Lying> {
    store
        .lying()
        .map(|lying| Lying {
            at: Location {
                bucket: lying.bucket.to_owned(),
                key: lying.key.to_owned(),
            },
            version: version(lying.object),
            bytes: lying.content.bytes.to_vec(),
            label: lying.content.metadata.get(label::FILE_ID).cloned(),
            newest: lying.newest,
        })
        .collect()
}
