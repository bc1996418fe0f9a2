//! Outcomes: one for each cell, by conditional writes.

use proto::FileId;
use scylla::statement::prepared::PreparedStatement;
use uuid::Uuid;

use super::cluster::{Cluster, Condition, Tries, serial};
use crate::Result;
use crate::journal::Cell;

/// A row. Times are in microseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) event: String,
    pub(super) settled: i64,
    /// How often its mark was taken back.
    pub(super) generation: i32,
    pub(super) published: Option<i64>,
    pub(super) marked: Option<i64>,
}

type Columns = (String, i64, i32, Option<i64>, Option<i64>);

/// The table.
pub(super) struct Outcomes {
    select: PreparedStatement,
    select_last: PreparedStatement,
    create: PreparedStatement,
    mark: PreparedStatement,
    unmark: PreparedStatement,
    renew: PreparedStatement,
    forget: PreparedStatement,
}

impl Outcomes {
    pub(super) async fn prepare(cluster: &Cluster, table: &str) -> Result<Self> {
        let select = format!(
            "SELECT event, settled, generation, published, marked FROM {table}
             WHERE file = ? AND replay = ?"
        );
        let select = cluster.prepare(&select).await?;
        let create = format!(
            "INSERT INTO {table} (file, replay, event, settled, generation)
             VALUES (?, ?, ?, ?, 0) IF NOT EXISTS"
        );
        let mark = format!(
            "UPDATE {table} SET published = ?, marked = ? WHERE file = ? AND replay = ?
             IF generation = ? AND published = null"
        );
        let unmark = format!(
            "UPDATE {table} SET published = null, marked = null, generation = ?
             WHERE file = ? AND replay = ? IF generation = ? AND published = ?"
        );
        let renew = format!(
            "UPDATE {table} SET marked = ? WHERE file = ? AND replay = ?
             IF generation = ? AND published = ?"
        );
        let forget = format!("DELETE FROM {table} WHERE file = ? AND replay = ? IF marked = ?");
        Ok(Self {
            select_last: serial(select.clone()),
            select,
            create: cluster.prepare(&create).await?,
            mark: cluster.prepare(&mark).await?,
            unmark: cluster.prepare(&unmark).await?,
            renew: cluster.prepare(&renew).await?,
            forget: cluster.prepare(&forget).await?,
        })
    }

    /// Everything that was acknowledged.
    pub(super) async fn read(&self, cluster: &Cluster, cell: Cell) -> Result<Option<Outcome>> {
        read(cluster, &self.select, cell).await
    }

    /// Also what is not acknowledged yet but cannot be prevented any more; and prevents what can.
    pub(super) async fn read_last(&self, cluster: &Cluster, cell: Cell) -> Result<Option<Outcome>> {
        read(cluster, &self.select_last, cell).await
    }

    /// Creates an outcome if there is none; answers what is there now.
    pub(super) async fn create(
        &self,
        cluster: &Cluster,
        cell: Cell,
        event: &str,
        settled: i64,
    ) -> Result<Outcome> {
        let (file, replay) = key(cell);
        let mut tries = Tries::new();
        loop {
            let values = (file, replay, event, settled);
            if cluster.condition(&self.create, values).await? == Condition::Held {
                return Ok(Outcome {
                    event: event.to_owned(),
                    settled,
                    generation: 0,
                    published: None,
                    marked: None,
                });
            }
            // Whose it is does not matter: the first one stays.
            if let Some(outcome) = self.read_last(cluster, cell).await? {
                return Ok(outcome);
            }
            if !tries.again().await {
                return Err(cluster.unanswered());
            }
        }
    }

    /// Marks an outcome that has no mark; answers whether it has the mark for certain now.
    pub(super) async fn mark(
        &self,
        cluster: &Cluster,
        cell: Cell,
        outcome: &Outcome,
        sequence: i64,
        now: i64,
    ) -> Result<bool> {
        let (file, replay) = key(cell);
        let values = (sequence, now, file, replay, outcome.generation);
        let done = |row: Option<Outcome>| {
            row.is_none_or(|row| row.published.is_some() || row.generation > outcome.generation)
        };
        self.insist(cluster, cell, &self.mark, values, done).await
    }

    /// Takes a mark back; answers whether this call did.
    pub(super) async fn unmark(
        &self,
        cluster: &Cluster,
        cell: Cell,
        outcome: &Outcome,
    ) -> Result<bool> {
        let (file, replay) = key(cell);
        let Outcome {
            generation,
            published,
            ..
        } = outcome;
        let values = (generation + 1, file, replay, generation, published);
        let done = |row: Option<Outcome>| row.is_none_or(|row| row.generation > *generation);
        self.insist(cluster, cell, &self.unmark, values, done).await
    }

    /// Makes a mark as young as a new one.
    pub(super) async fn renew(
        &self,
        cluster: &Cluster,
        cell: Cell,
        outcome: &Outcome,
        now: i64,
    ) -> Result<()> {
        let (file, replay) = key(cell);
        let Outcome {
            generation,
            published,
            ..
        } = outcome;
        let values = (now, file, replay, generation, published);
        let done = |row: Option<Outcome>| row.and_then(|row| row.marked) >= Some(now);
        self.insist(cluster, cell, &self.renew, values, done)
            .await?;
        Ok(())
    }

    /// Removes an outcome if its mark is of this time; answers whether this call did.
    pub(super) async fn forget(&self, cluster: &Cluster, cell: Cell, marked: i64) -> Result<bool> {
        let (file, replay) = key(cell);
        let done = |row: Option<Outcome>| row.is_none();
        self.insist(cluster, cell, &self.forget, (file, replay, marked), done)
            .await
    }

    /// Makes a conditional write until it is known what became of it. Where its answer is lost,
    /// the row tells: `done` is whether it has what the write was for.
    async fn insist(
        &self,
        cluster: &Cluster,
        cell: Cell,
        statement: &PreparedStatement,
        values: impl scylla::serialize::row::SerializeRow,
        done: impl Fn(Option<Outcome>) -> bool,
    ) -> Result<bool> {
        let last = async || Ok(done(self.read_last(cluster, cell).await?));
        cluster.decide(statement, values, last).await
    }
}

async fn read(
    cluster: &Cluster,
    select: &PreparedStatement,
    cell: Cell,
) -> Result<Option<Outcome>> {
    let rows = cluster.rows::<Columns>(select, key(cell)).await?;
    Ok(rows.into_iter().next().map(|row| {
        let (event, settled, generation, published, marked) = row;
        Outcome {
            event,
            settled,
            generation,
            published,
            marked,
        }
    }))
}

fn key(cell: Cell) -> (Uuid, i32) {
    let Cell { file, replay } = cell;
    (uuid_of(file), replay.cast_signed())
}

fn uuid_of(file: FileId) -> Uuid {
    Uuid::from_bytes(file.bytes())
}
