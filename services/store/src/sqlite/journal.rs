use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use proto::{Event, FileId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::{Database, Schema};
use super::readers::Readers;
use super::writer::Writer;
use crate::journal::{Cell, Created, Entry, Overdue, Page, Position, Register, Settled};
use crate::{Error, Result};

static SCHEMA: Schema = Schema {
    name: "journal",
    application: 0x4c46_4a31,
    version: 2,
    sql: include_str!("journal.sql"),
    upgrades: &["ALTER TABLE register ADD COLUMN due INTEGER;
        CREATE INDEX due ON register (kind, due, name) WHERE due IS NOT NULL;"],
    cache_kib: 4_096,
};

/// Rows that `forget` removes in one transaction.
const FORGOTTEN_AT_ONCE: u16 = 500;

const UNPUBLISHED: &str = "
    SELECT event, published, settled, file, replay FROM outcome
    WHERE published IS NULL AND settled < ?1 AND (settled, file, replay) > (?2, ?3, ?4)
    ORDER BY settled, file, replay LIMIT ?5";

/// What was marked before the stream was made is in none; what is marked beyond its end is not in
/// it.
const UNMARK: &str = "
    UPDATE outcome SET published = NULL, marked = NULL
    WHERE marked < ?1 OR published > ?2";

const OVERDUE: &str = "
    SELECT name, value, revision, due FROM register
    WHERE kind = ?1 AND due < ?2 AND (due, name) > (?3, ?4) ORDER BY due, name LIMIT ?5";

const FORGET: [&str; 2] = [
    "DELETE FROM outcome WHERE rowid IN (
        SELECT rowid FROM outcome WHERE marked < ?1 ORDER BY marked LIMIT ?2)",
    "DELETE FROM register WHERE rowid IN (
        SELECT rowid FROM register WHERE written < ?1 ORDER BY written LIMIT ?2)",
];

/// A journal in a `SQLite` file.
#[derive(Clone)]
pub struct Journal {
    database: Arc<Database>,
    writer: Arc<Writer<()>>,
    readers: Arc<Readers>,
}

impl Journal {
    /// Opens the file, creating it and its schema if they are not there.
    pub async fn open(path: &Path) -> Result<Self> {
        let (database, connection) = Database::open(path, &SCHEMA).await?;
        Ok(Self {
            writer: Arc::new(Writer::start(Arc::clone(&database), connection)?),
            readers: Arc::new(Readers::new(Arc::clone(&database))),
            database,
        })
    }

    fn understood(&self, outcome: &Outcome) -> Result<Settled> {
        let event = serde_json::from_str(&outcome.event).map_err(|error| {
            let start: String = outcome.event.chars().take(80).collect();
            self.database
                .unreadable(format!("the outcome `{start}…`"), &error)
        })?;
        Ok(Settled {
            event,
            published: outcome.published,
        })
    }
}

/// A row of `outcome`.
struct Outcome {
    event: String,
    published: Option<u64>,
}

impl Outcome {
    const OF_CELL: &str = "SELECT event, published FROM outcome WHERE file = ?1 AND replay = ?2";

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            event: row.get(0)?,
            published: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
        })
    }

    fn of(connection: &Connection, cell: Cell) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached(Self::OF_CELL)?
            .query_row(params![cell.file.bytes(), cell.replay], Self::from_row)
            .optional()
    }
}

fn position_of(row: &Row<'_>) -> rusqlite::Result<Position> {
    let settled = Timestamp::from_microsecond(row.get(2)?).unwrap_or_default();
    let file = FileId::from_bytes(row.get(3)?);
    let replay = row.get(4)?;
    Ok(Position {
        settled,
        cell: Cell { file, replay },
    })
}

fn entry_of(connection: &Connection, kind: &str, name: &str) -> rusqlite::Result<Option<Entry>> {
    let entry = |row: &Row<'_>| {
        Ok(Entry {
            value: row.get(0)?,
            revision: row.get::<_, i64>(1)?.cast_unsigned(),
        })
    };
    connection
        .prepare_cached("SELECT value, revision FROM register WHERE kind = ?1 AND name = ?2")?
        .query_row(params![kind, name], entry)
        .optional()
}

/// How many small rows a value is as much work as.
fn weight(value: &[u8]) -> usize {
    1 + value.len() / 1_024
}

#[async_trait]
impl crate::Journal for Journal {
    async fn settle(&self, event: &Event) -> Result<Settled> {
        let cell = Cell::of(event);
        let settled = event.time.as_microsecond();
        let text = serde_json::to_string(event)
            .map_err(|error| Error::Broken(format!("event {} is no JSON: {error}", event.id)))?;
        let earlier = self.writer.run(1, move |connection, ()| {
            let created = connection
                .prepare_cached(
                    "INSERT INTO outcome (file, replay, event, settled) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (file, replay) DO NOTHING",
                )?
                .execute(params![cell.file.bytes(), cell.replay, text, settled])?;
            match created {
                0 => Outcome::of(connection, cell),
                _ => Ok(None),
            }
        });
        match earlier.await? {
            Some(earlier) => self.understood(&earlier),
            None => Ok(Settled {
                event: event.clone(),
                published: None,
            }),
        }
    }

    async fn settled(&self, cell: Cell) -> Result<Option<Settled>> {
        let outcome = self
            .readers
            .run_short(move |connection| Outcome::of(connection, cell))
            .await?;
        outcome.map(|outcome| self.understood(&outcome)).transpose()
    }

    async fn settled_many(&self, cells: &[Cell]) -> Result<Vec<Option<Settled>>> {
        let cells = cells.to_vec();
        let outcomes = self.readers.run(move |connection| {
            let moment = connection.unchecked_transaction()?;
            let of = |cell| Outcome::of(&moment, cell);
            cells
                .into_iter()
                .map(of)
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        let understood =
            |outcome: Option<Outcome>| outcome.map(|outcome| self.understood(&outcome)).transpose();
        outcomes.await?.into_iter().map(understood).collect()
    }

    async fn mark_published(&self, cell: Cell, sequence: u64) -> Result<()> {
        let now = Timestamp::now().as_microsecond();
        let mark = move |connection: &Connection, (): &mut ()| {
            connection
                .prepare_cached(
                    "UPDATE outcome SET published = ?3, marked = ?4
                     WHERE file = ?1 AND replay = ?2 AND published IS NULL",
                )?
                .execute(params![
                    cell.file.bytes(),
                    cell.replay,
                    sequence.cast_signed(),
                    now
                ])
        };
        self.writer.run(1, mark).await?;
        Ok(())
    }

    async fn unpublished(
        &self,
        before: Timestamp,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page> {
        let before = before.as_microsecond();
        let (settled, file, replay) = after.map_or((i64::MIN, [0; 16], 0), |after| {
            let Position { settled, cell } = after;
            (settled.as_microsecond(), cell.file.bytes(), cell.replay)
        });
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.readers.run(move |connection| {
            let row = |row: &Row<'_>| Ok((Outcome::from_row(row)?, position_of(row)?));
            connection
                .prepare_cached(UNPUBLISHED)?
                .query_map(params![before, settled, file, replay, rows], row)?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        let found = found.await?;
        let last = found.last().map(|(_, position)| *position);
        let next = last.filter(|_| found.len() == limit);
        // One that cannot be read keeps no other from being published.
        let understood = |(outcome, _)| match self.understood(&outcome) {
            Ok(settled) => Some(settled),
            Err(error) => {
                tracing::error!("an outcome cannot be published: {error}");
                None
            }
        };
        Ok(Page {
            outcomes: found.into_iter().filter_map(understood).collect(),
            next,
        })
    }

    async fn unmark(&self, created: Timestamp, last: u64) -> Result<u64> {
        let (created, last) = (created.as_microsecond(), last.cast_signed());
        let unmark = move |connection: &Connection, (): &mut ()| {
            connection
                .prepare_cached(UNMARK)?
                .execute(params![created, last])
        };
        let unmarked = self.writer.run(1, unmark).await?;
        Ok(u64::try_from(unmarked).unwrap_or_default())
    }

    async fn create_due(
        &self,
        register: &Register,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Created> {
        let due = due.map(Timestamp::as_microsecond);
        let Register { kind, name } = register.clone();
        let ours = Entry {
            value: value.to_vec(),
            revision: 1,
        };
        let now = Timestamp::now().as_microsecond();
        let create = move |connection: &Connection, (): &mut ()| {
            let created = connection
                .prepare_cached(
                    "INSERT INTO register (kind, name, value, revision, written, due)
                     VALUES (?1, ?2, ?3, 1, ?4, ?5) ON CONFLICT (kind, name) DO NOTHING",
                )?
                .execute(params![kind, name, ours.value, now, due])?;
            let earlier = match created {
                0 => entry_of(connection, kind, &name)?,
                _ => None,
            };
            Ok(Created {
                ours: earlier.is_none(),
                entry: earlier.unwrap_or(ours),
            })
        };
        self.writer.run(weight(value), create).await
    }

    async fn read(&self, register: &Register) -> Result<Option<Entry>> {
        let Register { kind, name } = register.clone();
        self.readers
            .run_short(move |connection| entry_of(connection, kind, &name))
            .await
    }

    async fn replace_due(
        &self,
        register: &Register,
        revision: u64,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Option<u64>> {
        let due = due.map(Timestamp::as_microsecond);
        let Register { kind, name } = register.clone();
        let (weight, value) = (weight(value), value.to_vec());
        let now = Timestamp::now().as_microsecond();
        let replace = move |connection: &Connection, (): &mut ()| {
            connection
                .prepare_cached(
                    "UPDATE register SET value = ?4, revision = revision + 1, written = ?5, due = ?6
                     WHERE kind = ?1 AND name = ?2 AND revision = ?3",
                )?
                .execute(params![kind, name, revision.cast_signed(), value, now, due])
        };
        let replaced = self.writer.run(weight, replace).await?;
        Ok((replaced == 1).then_some(revision + 1))
    }

    async fn renew(&self, cells: &[Cell], registers: &[Register]) -> Result<()> {
        let now = Timestamp::now().as_microsecond();
        let (cells, registers) = (cells.to_vec(), registers.to_vec());
        let weight = cells.len() + registers.len();
        let renew = move |connection: &Connection, (): &mut ()| {
            let mut outcome = connection.prepare_cached(
                "UPDATE outcome SET marked = ?3
                 WHERE file = ?1 AND replay = ?2 AND marked IS NOT NULL",
            )?;
            for cell in &cells {
                outcome.execute(params![cell.file.bytes(), cell.replay, now])?;
            }
            let mut register = connection
                .prepare_cached("UPDATE register SET written = ?3 WHERE kind = ?1 AND name = ?2")?;
            for Register { kind, name } in &registers {
                register.execute(params![kind, name, now])?;
            }
            Ok(())
        };
        self.writer.run(weight, renew).await
    }

    async fn overdue(
        &self,
        kind: &'static str,
        before: Timestamp,
        last: Option<&Overdue>,
        limit: usize,
    ) -> Result<Vec<Overdue>> {
        let before = before.as_microsecond();
        let (after, name) = last.map_or((i64::MIN, String::new()), |last| {
            (last.due.as_microsecond(), last.register.name.clone())
        });
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let overdue = move |row: &Row<'_>| {
            let due = row.get::<_, i64>(3)?;
            Ok(Overdue {
                register: Register::new(kind, row.get::<_, String>(0)?),
                entry: Entry {
                    value: row.get(1)?,
                    revision: row.get::<_, i64>(2)?.cast_unsigned(),
                },
                // It was a time when it was written.
                due: Timestamp::from_microsecond(due).unwrap_or(Timestamp::MIN),
            })
        };
        let found = self.readers.run(move |connection| {
            connection
                .prepare_cached(OVERDUE)?
                .query_map(params![kind, before, after, name, limit], overdue)?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        found.await
    }

    async fn forget(&self, before: Timestamp) -> Result<u64> {
        let before = before.as_microsecond();
        let mut forgotten = 0;
        for statement in FORGET {
            loop {
                let remove = move |connection: &Connection, (): &mut ()| {
                    connection
                        .prepare_cached(statement)?
                        .execute(params![before, FORGOTTEN_AT_ONCE])
                };
                let removed = self
                    .writer
                    .run(usize::from(FORGOTTEN_AT_ONCE), remove)
                    .await?;
                forgotten += u64::try_from(removed).unwrap_or_default();
                if removed < usize::from(FORGOTTEN_AT_ONCE) {
                    break;
                }
            }
        }
        Ok(forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How `SQLite` goes about a statement.
    fn plan(sql: &str) -> String {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA.sql).unwrap();
        let mut explain = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let parameters = vec![0; explain.parameter_count()];
        let steps = explain
            .query_map(rusqlite::params_from_iter(parameters), |row| row.get(3))
            .unwrap();
        steps
            .collect::<rusqlite::Result<Vec<String>>>()
            .unwrap()
            .join("; ")
    }

    #[test]
    fn no_statement_looks_at_rows_it_does_not_want() {
        for (sql, index) in [
            (UNPUBLISHED, "unpublished"),
            (OVERDUE, "INDEX due"),
            (FORGET[0], "forgettable"),
            (FORGET[1], "oldest"),
            (Outcome::OF_CELL, "sqlite_autoindex_outcome_1"),
        ] {
            let plan = plan(sql);
            assert!(plan.contains(index), "{sql}: {plan}");
            assert!(
                !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"),
                "{sql}: {plan}"
            );
        }
    }
}
