//! Registers: created if absent, compared and set.

use jiff::Timestamp;
use scylla::statement::prepared::PreparedStatement;
use uuid::Uuid;

use super::cluster::{Cluster, Condition, Tries, serial};
use super::fault;
use crate::Result;
use crate::journal::{Entry, Register};

/// A row. Times are in microseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) value: Vec<u8>,
    pub(super) revision: i64,
    pub(super) written: i64,
    pub(super) due: Option<i64>,
    /// Tells whose write it is where the answer to one was lost.
    writer: Uuid,
}

type Columns = (Vec<u8>, i64, i64, Option<i64>, Uuid);

impl Row {
    /// What is to be written now.
    pub(super) fn new(value: &[u8], revision: i64, due: Option<Timestamp>) -> Self {
        Self {
            value: value.to_vec(),
            revision,
            written: Timestamp::now().as_microsecond(),
            due: due.map(Timestamp::as_microsecond),
            writer: Uuid::new_v4(),
        }
    }

    pub(super) fn entry(self) -> Entry {
        Entry {
            value: self.value,
            revision: self.revision.cast_unsigned(),
        }
    }
}

/// The table.
pub(super) struct Registers {
    select: PreparedStatement,
    select_last: PreparedStatement,
    create: PreparedStatement,
    replace: PreparedStatement,
    renew: PreparedStatement,
    forget: PreparedStatement,
}

impl Registers {
    pub(super) async fn prepare(cluster: &Cluster, table: &str) -> Result<Self> {
        let select = format!(
            "SELECT value, revision, written, due, writer FROM {table} WHERE kind = ? AND name = ?"
        );
        let select = cluster.prepare(&select).await?;
        let create = format!(
            "INSERT INTO {table} (value, revision, written, due, writer, kind, name)
             VALUES (?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS"
        );
        let replace = format!(
            "UPDATE {table} SET value = ?, revision = ?, written = ?, due = ?, writer = ?
             WHERE kind = ? AND name = ? IF revision = ?"
        );
        let renew = format!(
            "UPDATE {table} SET written = ? WHERE kind = ? AND name = ?
             IF revision = ? AND written = ?"
        );
        let forget = format!(
            "DELETE FROM {table} WHERE kind = ? AND name = ? IF revision = ? AND written = ?"
        );
        Ok(Self {
            select_last: serial(select.clone()),
            select,
            create: cluster.prepare(&create).await?,
            replace: cluster.prepare(&replace).await?,
            renew: cluster.prepare(&renew).await?,
            forget: cluster.prepare(&forget).await?,
        })
    }

    /// Everything that was acknowledged.
    pub(super) async fn read(
        &self,
        cluster: &Cluster,
        kind: &str,
        name: &str,
    ) -> Result<Option<Row>> {
        read(cluster, &self.select, kind, name).await
    }

    /// Also what is not acknowledged yet but cannot be prevented any more; and prevents what can.
    pub(super) async fn read_last(
        &self,
        cluster: &Cluster,
        kind: &str,
        name: &str,
    ) -> Result<Option<Row>> {
        read(cluster, &self.select_last, kind, name).await
    }

    /// Creates a register if it is not there; answers what is there now, and whether this call
    /// wrote it.
    pub(super) async fn create(
        &self,
        cluster: &Cluster,
        register: &Register,
        row: &Row,
    ) -> Result<(Row, bool)> {
        let Register { kind, name } = register;
        let (value, writer) = (&row.value, row.writer);
        let values = (
            value,
            row.revision,
            row.written,
            row.due,
            writer,
            kind,
            name,
        );
        let mut tries = Tries::new();
        loop {
            if cluster.condition(&self.create, values).await? == Condition::Held {
                return Ok((row.clone(), true));
            }
            if let Some(found) = self.read_last(cluster, kind, name).await? {
                let ours = found.writer == writer;
                return Ok((found, ours));
            }
            if !tries.again().await {
                return Err(cluster.unanswered());
            }
        }
    }

    /// Writes `row` over the revision before its own; answers whether that was there.
    pub(super) async fn replace(
        &self,
        cluster: &Cluster,
        register: &Register,
        row: &Row,
    ) -> Result<bool> {
        let Register { kind, name } = register;
        let (value, writer) = (&row.value, row.writer);
        let before = row.revision - 1;
        let values = (
            value,
            row.revision,
            row.written,
            row.due,
            writer,
            kind,
            name,
            before,
        );
        let mut unsure = false;
        let mut tries = Tries::new();
        loop {
            match cluster.condition(&self.replace, values).await? {
                Condition::Held => return Ok(true),
                Condition::Failed if !unsure => return Ok(false),
                Condition::Failed | Condition::Unknown => unsure = true,
            }
            match self.read_last(cluster, kind, name).await? {
                Some(found) if found.writer == writer => return Ok(true),
                Some(found) if found.revision == before => {}
                Some(found) if found.revision > row.revision => {
                    let what = format!(
                        "whether revision {} of register {kind} {name:?} was written is not known",
                        row.revision
                    );
                    return Err(fault::away(cluster.name(), &what));
                }
                _ => return Ok(false),
            }
            if !tries.again().await {
                return Err(cluster.unanswered());
            }
        }
    }

    /// Makes a register as young as a new one, unless it was written meanwhile.
    pub(super) async fn renew(
        &self,
        cluster: &Cluster,
        register: &Register,
        row: &Row,
        now: i64,
    ) -> Result<()> {
        let Register { kind, name } = register;
        let values = (now, kind, name, row.revision, row.written);
        let mut tries = Tries::new();
        while cluster.condition(&self.renew, values).await? == Condition::Unknown {
            if !tries.again().await {
                return Err(cluster.unanswered());
            }
        }
        Ok(())
    }

    /// Removes a register that is as it was read; answers whether this call did.
    pub(super) async fn forget(
        &self,
        cluster: &Cluster,
        (kind, name): (&str, &str),
        row: &Row,
    ) -> Result<bool> {
        let values = (kind, name, row.revision, row.written);
        let gone = async || Ok(self.read_last(cluster, kind, name).await?.is_none());
        cluster.decide(&self.forget, values, gone).await
    }
}

async fn read(
    cluster: &Cluster,
    select: &PreparedStatement,
    kind: &str,
    name: &str,
) -> Result<Option<Row>> {
    let rows = cluster.rows::<Columns>(select, (kind, name)).await?;
    Ok(rows.into_iter().next().map(|row| {
        let (value, revision, written, due, writer) = row;
        Row {
            value,
            revision,
            written,
            due,
            writer,
        }
    }))
}
