//! What the services' journals know of files. Only looked at.

use std::sync::Arc;

use proto::event::Location;
use proto::{Data, Event, File, FileId, User, What};
use runtime::Config;
use serde::Deserialize;
use store::Journal;
use store::journal::{Cell, Register};
use store::write_timestamp::MAX_REPLAY;

use crate::database;
use crate::failure::Failure;

/// The journals.
pub(crate) struct Journals {
    watcher: Arc<dyn Journal>,
    ingest: Arc<dyn Journal>,
    mover: Arc<dyn Journal>,
    notifier: Arc<dyn Journal>,
}

/// Where a file stands.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The file, as its last way has it.
    pub(crate) file: File,
    /// The number of its last way.
    pub(crate) replay: u32,
    /// How far that has come.
    pub(crate) state: State,
    /// What ingest said on it.
    pub(crate) read: Option<Data>,
    /// What the mover said on it.
    pub(crate) moved: Option<Data>,
    /// Where its copy is, if the mover has ever said so.
    pub(crate) copy: Option<Location>,
}

/// How far a way has come.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// To its end.
    Ended(What),
    /// It waits for somebody.
    Open(&'static str),
    /// The next way was ordered, and nothing came of it yet.
    Ordered(Box<Event>),
}

/// What the watcher keeps of a key.
#[derive(Deserialize)]
struct Last {
    file: FileId,
}

impl Journals {
    /// Opens them; they must be there.
    pub(crate) async fn open(config: &Config) -> Result<Self, Failure> {
        database::check(config)?;
        let open = async |user| {
            let journal = runtime::journal(&config.store, user).await;
            journal.map_err(Failure::failed)
        };
        Ok(Self {
            watcher: open(User::Watcher).await?,
            ingest: open(User::Ingest).await?,
            mover: open(User::Mover).await?,
            notifier: open(User::Notifier).await?,
        })
    }

    /// The latest version that the watcher has seen under a key.
    pub(crate) async fn latest(&self, bucket: &str, key: &str) -> Result<Option<FileId>, Failure> {
        let register = Register::new("key", format!("{bucket}/{key}"));
        let entry = self.watcher.read(&register).await;
        let Some(entry) = entry.map_err(Failure::failed)? else {
            return Ok(None);
        };
        let last: Last = serde_json::from_slice(&entry.value).map_err(|error| {
            Failure::failed(format!(
                "the watcher's journal cannot be read: {bucket}/{key}: {error}"
            ))
        })?;
        Ok(Some(last.file))
    }

    /// Where a file stands; none if nobody knows it (any more).
    pub(crate) async fn standing(&self, file: FileId) -> Result<Option<Standing>, Failure> {
        // A retraction may come after the last replay that there is room for.
        let cells: Vec<Cell> = (0..=MAX_REPLAY + 1)
            .map(|replay| Cell { file, replay })
            .collect();
        // The last step's first: what a later one knows an earlier one had said before.
        let told = said(&self.notifier, &cells).await?;
        let moved = said(&self.mover, &cells).await?;
        let read = said(&self.ingest, &cells).await?;
        let arrived = said(&self.watcher, &cells[..1]).await?;
        let known = |way: &usize| {
            let all = [&arrived, &read, &moved, &told];
            all.iter()
                .any(|step| step.get(*way).is_some_and(Option::is_some))
        };
        let Some(last) = (0..cells.len()).rev().find(known) else {
            return Ok(None);
        };
        let of = |step: &[Option<Data>]| step.get(last).cloned().flatten();
        let (arrived, read, told) = (of(&arrived), of(&read), of(&told));
        let copy = moved.iter().rev().flatten().find_map(|data| match data {
            Data::Moved(moved) => moved.destination.clone(),
            _ => None,
        });
        let moved = of(&moved);
        let Some(any) = [&read, &moved, &told, &arrived]
            .into_iter()
            .flatten()
            .next()
        else {
            return Ok(None);
        };
        let replay = u32::try_from(last).unwrap_or(u32::MAX);
        let state = state(&read, &moved, &told);
        let state = match (state, self.command(file, replay + 1).await?) {
            (State::Ended(_), Some(command)) => State::Ordered(Box::new(command)),
            (state, _) => state,
        };
        Ok(Some(Standing {
            file: any.about().0.clone(),
            replay,
            state,
            read,
            moved,
            copy,
        }))
    }

    /// The command that counts for a way, once ingest has taken one.
    pub(crate) async fn command(
        &self,
        file: FileId,
        replay: u32,
    ) -> Result<Option<Event>, Failure> {
        let register = Register::new("command", format!("{file}/{replay}"));
        let entry = self.ingest.read(&register).await;
        let Some(entry) = entry.map_err(Failure::failed)? else {
            return Ok(None);
        };
        Event::parse(&entry.value)
            .map(Some)
            .map_err(Failure::failed)
    }
}

/// What a step said of each of these ways.
async fn said(journal: &Arc<dyn Journal>, cells: &[Cell]) -> Result<Vec<Option<Data>>, Failure> {
    let settled = journal.settled_many(cells).await.map_err(Failure::failed)?;
    let data = settled.into_iter();
    Ok(data
        .map(|settled| settled.map(|settled| settled.event.data))
        .collect())
}

/// How far a way has come, by what its steps said.
fn state(read: &Option<Data>, moved: &Option<Data>, told: &Option<Data>) -> State {
    let what = |data: &Data| State::Ended(data.what());
    match (read, moved, told) {
        (_, _, Some(end)) => what(end),
        (_, Some(end @ Data::Failed(_)), None) => what(end),
        (_, Some(_), None) => State::Open("waiting for its mail"),
        (Some(end @ (Data::Failed(_) | Data::Superseded(_) | Data::Retracted(_))), None, None) => {
            what(end)
        }
        (Some(_), None, None) => State::Open("waiting for the mover"),
        (None, None, None) => State::Open("waiting for ingest"),
    }
}
