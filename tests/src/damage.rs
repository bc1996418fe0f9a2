//! What is broken by hand, for the checker to find.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use proto::{FileId, User};
use rusqlite::Connection;
use scylla::value::{CqlTimestamp, CqlValue, Row};
use uuid::Uuid;

use crate::database::{Database, Keyspaces, wait};

/// Something to break in a database, of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One of its readings goes.
    NoReading,
    /// One of its readings gets another value.
    OtherValue,
    /// One of its readings gets another write timestamp.
    OtherTimestamp,
    /// It gets a reading that it does not have, so many milliseconds after 1970.
    Stray(i64),
    /// Its outcome in a service's journal loses its mark.
    NoMark(User),
    /// Its outcome in a service's journal gets a mark that is another's.
    OtherMark(User),
    /// Its outcome goes.
    NoOutcome(User),
}

impl Database {
    /// Breaks exactly one row.
    pub(crate) fn damage(&self, damage: Damage, file: FileId) -> Result<()> {
        match self {
            Self::Sqlite(folder) => by_sql(folder, damage, file),
            Self::Cql(keyspaces) => wait(by_cql(keyspaces, damage, file)),
        }
    }
}

fn by_sql(folder: &Path, damage: Damage, file: FileId) -> Result<()> {
    const ONE: &str = "(series, time) = (SELECT series, time FROM reading WHERE file = ?1 LIMIT 1)";
    let (name, sql) = match damage {
        Damage::NoReading => ("readings", format!("DELETE FROM reading WHERE {ONE}")),
        Damage::OtherValue => (
            "readings",
            format!("UPDATE reading SET value = value + 1 WHERE {ONE}"),
        ),
        Damage::OtherTimestamp => (
            "readings",
            format!("UPDATE reading SET write_timestamp = write_timestamp + 1 WHERE {ONE}"),
        ),
        Damage::Stray(time) => (
            "readings",
            format!(
                "INSERT INTO reading SELECT series, {time}, 1.5, ?1, write_timestamp FROM reading
                 LIMIT 1"
            ),
        ),
        Damage::NoMark(user) => (
            user.name(),
            "UPDATE outcome SET published = NULL, marked = NULL WHERE file = ?1".to_owned(),
        ),
        Damage::OtherMark(user) => (
            user.name(),
            "UPDATE outcome SET published = 1 WHERE file = ?1".to_owned(),
        ),
        Damage::NoOutcome(user) => (
            user.name(),
            "DELETE FROM outcome WHERE file = ?1".to_owned(),
        ),
    };
    let database = Connection::open(folder.join(format!("{name}.db")))?;
    let changed = database.execute(&sql, [&file.bytes()[..]])?;
    ensure!(changed == 1, "{changed} rows instead of one: {sql}");
    Ok(())
}

async fn by_cql(keyspaces: &Keyspaces, damage: Damage, file: FileId) -> Result<()> {
    match damage {
        Damage::NoReading | Damage::OtherValue | Damage::OtherTimestamp | Damage::Stray(_) => {
            reading_by_cql(keyspaces, damage, file).await
        }
        Damage::NoMark(user) => {
            let set = "SET published = null, marked = null";
            outcome_by_cql(keyspaces, user, file, &format!("UPDATE @ {set}")).await
        }
        Damage::OtherMark(user) => {
            outcome_by_cql(keyspaces, user, file, "UPDATE @ SET published = 1").await
        }
        Damage::NoOutcome(user) => outcome_by_cql(keyspaces, user, file, "DELETE FROM @").await,
    }
}

async fn outcome_by_cql(
    keyspaces: &Keyspaces,
    user: User,
    file: FileId,
    change: &str,
) -> Result<()> {
    let table = format!("{}.{user}_outcomes", keyspaces.journals());
    let query = change.replace('@', &table) + " WHERE file = ? AND replay = 0 IF EXISTS";
    let file = Uuid::from_bytes(file.bytes());
    let changed = keyspaces
        .session
        .query_unpaged(query.as_str(), (file,))
        .await?;
    let changed = changed.into_rows_result()?;
    let applied = changed.first_row::<Row>()?.columns;
    ensure!(
        applied.first() == Some(&Some(CqlValue::Boolean(true))),
        "there is no such row: {query}"
    );
    Ok(())
}

/// Milliseconds of a bucket, as shipped.
const DAY: i64 = 24 * 60 * 60 * 1_000;

async fn reading_by_cql(keyspaces: &Keyspaces, damage: Damage, file: FileId) -> Result<()> {
    let table = format!("{}.readings", keyspaces.readings());
    let session = &keyspaces.session;
    let query =
        format!("SELECT sensor_id, metric, bucket, ts, value, file, writetime(value) FROM {table}");
    type Found = (String, String, CqlTimestamp, CqlTimestamp, f64, Uuid, i64);
    let all = session.query_iter(query, ()).await?;
    let all: Vec<Found> = all.rows_stream()?.try_collect().await?;
    let of = Uuid::from_bytes(file.bytes());
    let own = |row: &&Found| matches!(damage, Damage::Stray(_)) || row.5 == of;
    let (sensor, metric, bucket, time, value, _, written) =
        all.iter().find(own).context("it has no reading")?.clone();
    if damage == Damage::NoReading {
        let query = format!(
            "DELETE FROM {table} USING TIMESTAMP ?
             WHERE sensor_id = ? AND metric = ? AND bucket = ? AND ts = ?"
        );
        session
            .query_unpaged(query, (written, sensor, metric, bucket, time))
            .await?;
        return Ok(());
    }
    let (bucket, time, value, written) = match damage {
        Damage::OtherValue => (bucket, time, value + 1.0, written),
        Damage::OtherTimestamp => (bucket, time, value, written + 1),
        Damage::Stray(at) => {
            let bucket = CqlTimestamp(at.div_euclid(DAY) * DAY);
            (bucket, CqlTimestamp(at), 1.5, written)
        }
        _ => (bucket, time, value, written),
    };
    let query = format!(
        "INSERT INTO {table} (sensor_id, metric, bucket, ts, value, file)
         VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
    );
    let row = (sensor, metric, bucket, time, value, of, written);
    session.query_unpaged(query, row).await?;
    Ok(())
}
