//! A few schedules on real stores: one replica, what others do before and after its requests, and
//! its death there. The store alone says what it comes to.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::ObjectVersion;
use fastrand::Rng;
use futures::future::BoxFuture;
use mover::Mover;
use objects::Objects;
use objects::archive::label;
use proto::event::Location;
use proto::{Data, Event, Version};
use runtime::Trouble;
use servers::publishing::Kind;
use store::journal::Cell;
use tokio::sync::{Mutex, Notify};

use super::rig::handle;
use super::seeds;
use super::watch::{Doer, Lying, Watch};
use crate::relay::When;
use crate::site::{Site, file, ingested, site, site_on_a};

/// How many.
const SCHEDULES: u64 = 40;

/// Requests of a move, among which somebody acts.
const REQUESTS: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Upload,
    Delete,
    PutInTheWay,
    ClearTheWay,
    /// The replica's death.
    Kill,
}

const ACTS: [Act; 5] = [
    Act::Upload,
    Act::Delete,
    Act::PutInTheWay,
    Act::ClearTheWay,
    Act::Kill,
];

/// What is done at which request, by its number from 1.
type Plan = Vec<(usize, When, Act)>;

/// What somebody else has in hand while the mover works.
struct Others {
    s3: Client,
    objects: Objects,
    bucket: String,
    key: String,
    state: Mutex<State>,
    killed: Notify,
}

struct State {
    plan: Plan,
    watch: Watch,
    /// Whose message is worked on, and the moment of the last look at the source.
    upload: usize,
    looked: u64,
    /// Uploads whose messages wait to be delivered.
    due: Vec<usize>,
    wrong: Option<String>,
}

#[tokio::test]
async fn nor_does_one_on_a_real_seaweedfs() {
    live_on(&site().await, true).await;
}

#[tokio::test]
#[ignore = "needs MinIO; `make test-stores` runs it"]
async fn nor_does_one_on_a_real_minio_with_versions() {
    live_on(&site_on_a(Kind::Minio).await, false).await;
}

#[tokio::test]
#[ignore = "needs versitygw; `make test-stores` runs it"]
async fn nor_does_one_on_a_real_versitygw() {
    live_on(&site_on_a(Kind::Versitygw).await, false).await;
}

/// Lives through all schedules on the store of a site, whichever that is. `copies_if_absent`:
/// whether it keeps a copy off what is there already.
async fn live_on(site: &Site, copies_if_absent: bool) {
    let mover = site.mover().await;
    for seed in seeds(SCHEDULES) {
        let watch = Watch::new(copies_if_absent);
        let (plan, lived) = live(site, &mover, watch, seed).await;
        if let Err(wrong) = lived {
            panic!("LANDFALL_TEST_SEED={seed}: {wrong}\n  {plan:?}");
        }
    }
}

fn plan(random: &mut Rng) -> Plan {
    let acts = 0..random.usize(1..=3);
    acts.map(|_| {
        let when = if random.bool() {
            When::Before
        } else {
            When::After
        };
        let act = ACTS[random.usize(..ACTS.len())];
        (random.usize(1..=REQUESTS), when, act)
    })
    .collect()
}

async fn live(site: &Site, mover: &Mover, watch: Watch, seed: u64) -> (Plan, Result<(), String>) {
    let plan = plan(&mut Rng::with_seed(seed));
    let others = Arc::new(Others {
        s3: site.s3.clone(),
        objects: site.objects.clone(),
        bucket: site.bucket.clone(),
        key: format!("in/{seed}.csv"),
        state: Mutex::new(State {
            plan: plan.clone(),
            watch,
            upload: 0,
            looked: 0,
            due: vec![],
            wrong: None,
        }),
        killed: Notify::new(),
    });
    others
        .act(Act::Upload, &mut *others.state.lock().await)
        .await;
    let lived = move_all(site, mover, &others).await;
    site.relay.count();
    (plan, lived)
}

/// Until every upload has its outcome.
async fn move_all(site: &Site, mover: &Mover, others: &Arc<Others>) -> Result<(), String> {
    while let Some(event) = others.next_message().await {
        others.hook(site);
        let ended = tokio::select! {
            ended = handle(mover, &*site.journal, &event) => Some(ended),
            () = others.killed.notified() => None,
        };
        let mut state = others.state.lock().await;
        if let Some(wrong) = state.wrong.take() {
            return Err(wrong);
        }
        match ended {
            Some(Ok(())) => {}
            None | Some(Err(Trouble::Outage { .. } | Trouble::Retry { .. })) => {
                let again = state.upload;
                state.due.push(again);
            }
            Some(Err(Trouble::Reject { reason })) => return Err(reason),
        }
    }
    let state = others.state.lock().await;
    let mut told = HashMap::new();
    for upload in &state.watch.uploads {
        let file = upload.file.id;
        let settled = site.journal.settled(Cell { file, replay: 0 }).await;
        if let Some(Data::Moved(moved)) = settled.unwrap().map(|settled| settled.event.data) {
            told.insert(file, moved);
        }
    }
    state.watch.check_end(|file| told.get(&file.id).cloned())
}

impl Others {
    /// Watches every request from here on, and acts where the plan says so.
    fn hook(self: &Arc<Self>, site: &Site) {
        let others = Arc::clone(self);
        site.relay
            .watch(move |number, when, line| -> BoxFuture<'static, ()> {
                let others = Arc::clone(&others);
                Box::pin(async move { others.at(number, when, &line).await })
            });
    }

    async fn at(&self, number: usize, when: When, line: &str) {
        let mut state = self.state.lock().await;
        if when == When::After {
            self.look(line, &mut state).await;
        }
        while let Some(next) = state
            .plan
            .iter()
            .position(|(at, then, _)| (*at, *then) == (number, when))
        {
            let (_, _, act) = state.plan.swap_remove(next);
            if act == Act::Kill {
                self.killed.notify_one();
                drop(state);
                return std::future::pending().await;
            }
            self.act(act, &mut state).await;
        }
    }

    /// Looks at what the mover's request has done.
    async fn look(&self, line: &str, state: &mut State) {
        let path = format!("/{}/", self.bucket);
        let named = line.split_once(&path).map_or("", |(_, rest)| rest);
        let key = named.split('?').next().unwrap_or_default();
        if line.starts_with("HEAD ") && key == self.key {
            state.looked = state.watch.moment();
        }
        let doer = Doer {
            upload: state.upload,
            looked: state.looked,
            deleted: line.starts_with("DELETE ").then(|| self.place(key)),
        };
        let checked = state.watch.landfall_did(self.lying().await, &doer);
        if let Err(wrong) = checked {
            state.wrong.get_or_insert(format!("after {line}: {wrong}"));
        }
    }

    async fn act(&self, act: Act, state: &mut State) {
        let filed = format!("processed/{}", self.key);
        match act {
            Act::Upload => return self.upload(state).await,
            Act::Delete => self.delete_version(&self.key, None).await,
            Act::PutInTheWay => {
                if self.lying().await.iter().all(|lying| lying.at.key != filed) {
                    self.put(&filed, b"somebody's".to_vec()).await;
                }
            }
            Act::ClearTheWay => {
                let lying = self.lying().await;
                let stranger = lying.iter().find(|lying| lying.bytes == b"somebody's");
                if let Some(stranger) = stranger {
                    self.delete_version(&filed, stranger.version.id.clone())
                        .await;
                }
            }
            Act::Kill => {}
        }
        state.watch.others_did(self.lying().await);
    }

    async fn upload(&self, state: &mut State) {
        let bytes = format!("upload {}", state.watch.uploads.len()).into_bytes();
        self.put(&self.key, bytes.clone()).await;
        state.watch.others_did(self.lying().await);
        let file = file(&self.objects, &self.bucket, &self.key).await;
        let upload = state.watch.uploaded(file, &bytes);
        state.due.push(upload);
    }

    /// The message that is delivered next.
    async fn next_message(&self) -> Option<Event> {
        let mut state = self.state.lock().await;
        let upload = state.due.pop()?;
        (state.upload, state.looked) = (upload, 0);
        Some(ingested(&state.watch.uploads[upload].file))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) {
        let request = self.s3.put_object().bucket(&self.bucket).key(key);
        request.body(bytes.into()).send().await.unwrap();
    }

    /// The key, or exactly one of its versions.
    async fn delete_version(&self, key: &str, id: Option<String>) {
        let request = self.s3.delete_object().bucket(&self.bucket).key(key);
        request.set_version_id(id).send().await.unwrap();
    }

    fn place(&self, key: &str) -> Location {
        Location {
            bucket: self.bucket.clone(),
            key: key.to_owned(),
        }
    }

    /// What lies in the store under this schedule's key, there and among what is filed.
    async fn lying(&self) -> Vec<Lying> {
        let request = self.s3.list_object_versions().bucket(&self.bucket);
        let listed = request.send().await.unwrap();
        let mut lying = vec![];
        for version in listed.versions() {
            if version.key().is_some_and(|key| key.contains(&self.key)) {
                lying.extend(self.one(version).await);
            }
        }
        lying
    }

    async fn one(&self, listed: &ObjectVersion) -> Option<Lying> {
        let id = listed.version_id().filter(|id| *id != "null");
        let answer = self
            .s3
            .get_object()
            .bucket(&self.bucket)
            .key(listed.key()?)
            .set_version_id(id.map(str::to_owned))
            .send()
            .await
            .ok()?;
        let modified = jiff::Timestamp::from_second(answer.last_modified()?.secs()).ok()?;
        let labels = answer.metadata().cloned().unwrap_or_default();
        Some(Lying {
            at: self.place(listed.key()?),
            version: Version::new(answer.e_tag()?, modified, id),
            label: labels.get(label::FILE_ID).cloned(),
            newest: listed.is_latest().unwrap_or(true),
            bytes: answer.body.collect().await.unwrap().to_vec(),
        })
    }
}
