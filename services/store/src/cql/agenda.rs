//! What a journal looks for by time: outcomes to be published, registers that are due, and what
//! is old enough to be forgotten.
//!
//! Outcomes and registers are spread by their names. An entry of the agenda says that one of them
//! may have to be looked at for what it was at one of its revisions. It is written *before* the
//! conditional write that it is about, and removed once that is out of date for good. So a crash
//! leaves an entry too many and never one too few, and whoever reads an entry asks the row itself.
//!
//! An entry whose write has not come yet cannot be told from one whose write never came: such a
//! one is removed only after an hour. A removed entry is never written again, because the row has
//! gone on to a later revision by then; so it does not matter that clocks, whose times decide
//! between the removal of an entry and its writing, differ.

use std::sync::{Mutex, PoisonError};

use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use scylla::statement::prepared::PreparedStatement;

use super::cluster::Cluster;
use super::shard::shard;
use crate::Result;

/// Partitions over which a list is spread. Never changes.
const SHARDS: i32 = 4;
/// How long a conditional write may be under way after its entry was written, at the most.
const UNDER_WAY: SignedDuration = SignedDuration::from_hours(1);
const HOUR: i64 = 3_600_000_000;

/// A list of entries, in the order of their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Outcomes without the mark, by their events' times.
    Unpublished,
    /// Registers of a kind, by when they are due.
    Due(String),
    /// Outcomes whose mark is of this hour (since 1970), by its time.
    Marked(i64),
    /// Registers that were written in this hour, by when.
    Written(i64),
    /// The hours of the lists above.
    Hours,
}

impl List {
    /// That of a mark.
    pub(super) fn marked(time: i64) -> Self {
        Self::Marked(time.div_euclid(HOUR))
    }

    /// That of a write.
    pub(super) fn written(time: i64) -> Self {
        Self::Written(time.div_euclid(HOUR))
    }

    /// When an hour begins.
    pub(super) fn begins(hour: i64) -> i64 {
        hour.saturating_mul(HOUR)
    }

    fn name(&self) -> String {
        match self {
            Self::Unpublished => "unpublished".to_owned(),
            Self::Due(kind) => format!("due {kind}"),
            Self::Marked(hour) => format!("marked {hour}"),
            Self::Written(hour) => format!("written {hour}"),
            Self::Hours => "hours".to_owned(),
        }
    }
}

/// An entry: the row `kind`, `name` at `revision` is to be looked at by `time`. Times are in
/// microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) time: i64,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) revision: i64,
    pub(super) since: i64,
}

impl Entry {
    pub(super) fn new(time: i64, kind: &str, name: &str, revision: i64) -> Self {
        Self {
            time,
            kind: kind.to_owned(),
            name: name.to_owned(),
            revision,
            since: Timestamp::now().as_microsecond(),
        }
    }

    /// Where it is in its list.
    pub(super) fn place(&self) -> Place {
        (
            self.time,
            self.kind.clone(),
            self.name.clone(),
            self.revision,
        )
    }

    /// Whether its write may still be under way.
    pub(super) fn is_fresh(&self) -> bool {
        let now = Timestamp::now().as_microsecond();
        // A clock that is ahead makes it look younger than it is.
        now - self.since < i64::try_from(UNDER_WAY.as_micros()).unwrap_or(i64::MAX)
    }

    fn shard(&self) -> i32 {
        shard(&[&self.kind, &self.name], SHARDS)
    }
}

/// A place in a list: after everything up to this time, kind, name and revision.
pub(super) type Place = (i64, String, String, i64);

/// Before everything.
pub(super) fn beginning() -> Place {
    (i64::MIN, String::new(), String::new(), i64::MIN)
}

/// The agenda of one journal.
pub(super) struct Agenda {
    insert: PreparedStatement,
    delete: PreparedStatement,
    select: PreparedStatement,
    /// The hour that was noted last.
    noted: Mutex<Option<i64>>,
}

impl Agenda {
    pub(super) async fn prepare(cluster: &Cluster, table: &str) -> Result<Self> {
        let insert = format!(
            "INSERT INTO {table} (list, shard, time, kind, name, revision, since)
             VALUES (?, ?, ?, ?, ?, ?, ?)"
        );
        let delete = format!(
            "DELETE FROM {table} WHERE list = ? AND shard = ?
             AND time = ? AND kind = ? AND name = ? AND revision = ?"
        );
        let select = format!(
            "SELECT time, kind, name, revision, since FROM {table} WHERE list = ? AND shard = ?
             AND (time, kind, name, revision) > (?, ?, ?, ?) AND (time) < (?) LIMIT ?"
        );
        Ok(Self {
            insert: cluster.prepare(&insert).await?,
            delete: cluster.prepare(&delete).await?,
            select: cluster.prepare(&select).await?,
            noted: Mutex::new(None),
        })
    }

    /// Adds an entry.
    pub(super) async fn add(&self, cluster: &Cluster, list: &List, entry: &Entry) -> Result<()> {
        if let List::Marked(hour) | List::Written(hour) = list {
            self.note(cluster, *hour).await?;
        }
        self.insert(cluster, list, entry).await
    }

    /// Notes that there are lists of this hour.
    async fn note(&self, cluster: &Cluster, hour: i64) -> Result<()> {
        let noted = *self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted == Some(hour) {
            return Ok(());
        }
        let entry = Entry::new(List::begins(hour), "", "", 0);
        self.insert(cluster, &List::Hours, &entry).await?;
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(hour);
        Ok(())
    }

    async fn insert(&self, cluster: &Cluster, list: &List, entry: &Entry) -> Result<()> {
        let Entry {
            time,
            kind,
            name,
            revision,
            since,
        } = entry;
        let shard = entry.shard();
        let values = (list.name(), shard, time, kind, name, revision, since);
        cluster.execute(&self.insert, values).await?;
        Ok(())
    }

    /// Removes an entry.
    pub(super) async fn remove(&self, cluster: &Cluster, list: &List, entry: &Entry) -> Result<()> {
        let Entry {
            time,
            kind,
            name,
            revision,
            ..
        } = entry;
        let values = (list.name(), entry.shard(), time, kind, name, revision);
        cluster.execute(&self.delete, values).await?;
        Ok(())
    }

    /// The first entries of a list after a place and before a time, at most `limit`.
    pub(super) async fn next(
        &self,
        cluster: &Cluster,
        list: &List,
        (time, kind, name, revision): &Place,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let rows = i32::try_from(limit).unwrap_or(i32::MAX);
        let list = list.name();
        let shards = (0..SHARDS).map(|shard| {
            let values = (&list, shard, time, kind, name, revision, before, rows);
            cluster.rows::<(i64, String, String, i64, i64)>(&self.select, values)
        });
        let found = try_join_all(shards).await?.into_iter().flatten();
        let mut found: Vec<Entry> = found
            .map(|(time, kind, name, revision, since)| Entry {
                time,
                kind,
                name,
                revision,
                since,
            })
            .collect();
        found.sort_unstable();
        found.truncate(limit);
        Ok(found)
    }

    /// The hours that begin before a time and for which there are lists, the latest first.
    pub(super) async fn hours(&self, cluster: &Cluster, before: i64) -> Result<Vec<i64>> {
        let mut hours = vec![];
        let mut place = beginning();
        loop {
            const LIMIT: usize = 1_000;
            let found = self
                .next(cluster, &List::Hours, &place, before, LIMIT)
                .await?;
            hours.extend(found.iter().map(|entry| entry.time.div_euclid(HOUR)));
            match found.last() {
                Some(last) if found.len() == LIMIT => place = last.place(),
                _ => break,
            }
        }
        hours.reverse();
        Ok(hours)
    }

    /// Forgets that there are lists of an hour.
    pub(super) async fn forget_hour(&self, cluster: &Cluster, hour: i64) -> Result<()> {
        let entry = Entry::new(List::begins(hour), "", "", 0);
        self.remove(cluster, &List::Hours, &entry).await
    }
}
