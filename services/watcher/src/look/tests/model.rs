//! Journal, store and stream, in one place and one step at a time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::task::Poll;

use async_trait::async_trait;
use jiff::Timestamp;
use objects::Head;
use proto::event::Arrived;
use proto::{Data, Event, FileId, User, Version};
use runtime::Trouble;
use store::journal::Settled;

use super::second;
use crate::look::World;
use crate::notification::Announced;
use crate::order::Row;

pub(super) const BUCKET: &str = "sensors";
pub(super) const KEY: &str = "incoming/a.csv";
pub(super) const NOON: i64 = 1_795_348_800;

/// What happens beside the watchers.
#[derive(Clone, Debug)]
pub(super) enum Outside {
    /// The key gets its next version.
    Upload,
    /// The object is deleted.
    Delete,
    /// In a versioned bucket the newest version goes, and the one before it is back.
    Uncover,
}

/// What is tried in every order.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    /// The versions of the key, in the order of their upload; the first is there from the start.
    pub(super) versions: Vec<Version>,
    /// What happens outside, in this order.
    pub(super) outside: Vec<Outside>,
    /// What each watcher heard before it looks.
    pub(super) looks: Vec<Announced>,
    /// How many watchers may die.
    pub(super) deaths: usize,
    /// Whether settling, publishing and marking are steps of their own.
    pub(super) fine: bool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) fine: bool,
    pub(super) versions: Vec<Version>,
    /// Versions that are there, the newest last. Without version ids there is at most one.
    pub(super) there: Vec<usize>,
    pub(super) uploaded: usize,
    pub(super) row: Option<(Row, u64)>,
    pub(super) cells: BTreeMap<FileId, Settled>,
    pub(super) files: Vec<Event>,
    /// In the order of their settling.
    pub(super) settled: Vec<FileId>,
}

pub(super) struct Model(Mutex<State>);

impl Model {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut state = State {
            fine: scenario.fine,
            versions: scenario.versions.clone(),
            ..State::default()
        };
        state.upload();
        Self(Mutex::new(state))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The state that is left.
    pub(super) fn into_state(self) -> State {
        self.0.into_inner().unwrap()
    }

    /// What the outbox does with a settled outcome.
    async fn publish(&self, file: FileId) -> Settled {
        let fine = self.state().fine;
        if fine {
            step().await;
        }
        let event = self.state().cells[&file].event.clone();
        let sequence = {
            let mut state = self.state();
            state.files.push(event);
            u64::try_from(state.files.len()).unwrap()
        };
        if fine {
            step().await;
        }
        let mut state = self.state();
        let cell = state.cells.get_mut(&file).unwrap();
        cell.published = Some(sequence);
        cell.clone()
    }
}

impl State {
    fn upload(&mut self) {
        if self.versions[self.uploaded].id.is_none() {
            self.there.clear();
        }
        self.there.push(self.uploaded);
        self.uploaded += 1;
    }

    pub(super) fn happen(&mut self, outside: &Outside) {
        match outside {
            Outside::Upload => self.upload(),
            Outside::Delete => self.there.clear(),
            Outside::Uncover => drop(self.there.pop()),
        }
    }

    pub(super) fn file(&self, version: usize) -> FileId {
        FileId::of(BUCKET, KEY, &self.versions[version])
    }
}

/// One step of a watcher: whatever comes after it happens when the watcher is next polled.
async fn step() {
    let mut came_back = false;
    std::future::poll_fn(move |_| {
        if std::mem::replace(&mut came_back, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[async_trait]
impl World for Model {
    async fn row(&self, _: &str, _: &str) -> Result<Option<(Row, u64)>, Trouble> {
        step().await;
        Ok(self.state().row)
    }

    async fn head(&self, _: &str, _: &str) -> Result<Option<Head>, Trouble> {
        step().await;
        let state = self.state();
        Ok(state.there.last().map(|&version| Head {
            version: state.versions[version].clone(),
            size: 1,
            content_type: None,
            content_encoding: None,
            content_language: None,
            content_disposition: None,
            cache_control: None,
            expires: None,
            metadata: BTreeMap::new(),
            digests: BTreeMap::new(),
            kms: None,
        }))
    }

    async fn settled(&self, file: FileId) -> Result<Option<Settled>, Trouble> {
        step().await;
        Ok(self.state().cells.get(&file).cloned())
    }

    async fn write_row(
        &self,
        _: &str,
        _: &str,
        revision: Option<u64>,
        row: &Row,
    ) -> Result<bool, Trouble> {
        step().await;
        let mut state = self.state();
        if state.row.map(|(_, revision)| revision) != revision {
            return Ok(false);
        }
        state.row = Some((*row, revision.unwrap_or_default() + 1));
        Ok(true)
    }

    async fn settle(&self, arrived: Arrived) -> Result<Settled, Trouble> {
        step().await;
        let file = arrived.file.id;
        let event = Event::new(User::Watcher, Data::Arrived(arrived), self.now());
        let settled = {
            let mut state = self.state();
            if !state.cells.contains_key(&file) {
                state.settled.push(file);
            }
            let published = None;
            let cell = state.cells.entry(file);
            cell.or_insert(Settled { event, published }).clone()
        };
        if settled.published.is_some() {
            return Ok(settled);
        }
        Ok(self.publish(file).await)
    }

    async fn repeat(&self, file: FileId) -> Result<(), Trouble> {
        self.publish(file).await;
        Ok(())
    }

    fn profile(&self, _: &str, _: &str) -> &str {
        "default"
    }

    fn now(&self) -> Timestamp {
        second(60)
    }
}
