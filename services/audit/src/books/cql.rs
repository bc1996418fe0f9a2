//! Journals and readings as they lie in a CQL database, by plain CQL.

#![expect(
    clippy::disallowed_methods,
    reason = "an audit is no service, and reads past their code"
)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use anyhow::Context;
use futures::TryStreamExt;
use proto::FileId;
use runtime::config::store::Cql;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::DeserializeRow;
use scylla::serialize::row::SerializeRow;
use scylla::statement::Consistency;
use scylla::value::CqlTimestamp;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{Entry, Key, Retracted};
use crate::event::Step;
use crate::facts::Rows;
use crate::recount::Row;

/// Readings of a partition that are asked for at once.
const AHEAD: i32 = 5_000;

/// A connection, and where things are.
#[derive(Clone)]
struct Database {
    session: Arc<Session>,
    handle: Handle,
    journals: String,
    readings: String,
    /// Of a bucket, in milliseconds.
    width: i64,
}

/// Where the journals are.
pub(super) struct Books(Database);

impl Books {
    pub(super) fn open(config: &Cql) -> anyhow::Result<Self> {
        let access = runtime::access(config)?;
        let handle = Handle::current();
        let profile = ExecutionProfile::builder().consistency(Consistency::LocalQuorum);
        let mut builder = SessionBuilder::new()
            .known_nodes(&access.nodes)
            .tls_context(access.tls)
            .default_execution_profile_handle(profile.build().into_handle());
        if let Some((user, password)) = access.login {
            builder = builder.user(user, password);
        }
        if let Some(datacenter) = access.datacenter {
            builder = builder.prefer_datacenter(datacenter);
        }
        let nodes = access.nodes.join(",");
        let session = handle.block_on(builder.build());
        let session = session.with_context(|| format!("`store.cql.nodes`: {nodes}"))?;
        Ok(Self(Database {
            session: Arc::new(session),
            handle,
            journals: config.journals.clone(),
            readings: config.readings.clone(),
            width: i64::try_from(config.bucket.as_millis())?,
        }))
    }
}

impl super::Books for Books {
    /// Not as of one moment: what is written meanwhile may be in it or not.
    fn journal(
        &self,
        step: Step,
        outcome: &mut dyn FnMut(Entry),
        register: &mut dyn FnMut(&str, &str, &[u8]),
    ) -> anyhow::Result<()> {
        let (journals, service) = (&self.0.journals, step.name());
        let query =
            format!("SELECT file, replay, event, published FROM {journals}.{service}_outcomes");
        self.0.each(&query, (), |row| {
            let (file, replay, event, published): (Uuid, i32, String, Option<i64>) = row;
            outcome(Entry {
                file: FileId::from_bytes(file.into_bytes()),
                replay: u32::try_from(replay)?,
                event,
                published: published.map(i64::cast_unsigned),
            });
            Ok(())
        })?;
        let query = format!("SELECT kind, name, value FROM {journals}.{service}_registers");
        self.0.each(&query, (), |row| {
            let (kind, name, value): (String, String, Vec<u8>) = row;
            register(&kind, &name, &value);
            Ok(())
        })
    }

    fn readings(&self) -> anyhow::Result<Box<dyn super::Readings>> {
        Ok(Box::new(Readings {
            database: self.0.clone(),
            ahead: RefCell::default(),
        }))
    }
}

impl Database {
    /// Hands every row of an answer over, a page in memory at a time.
    fn each<R>(
        &self,
        query: &str,
        values: impl SerializeRow,
        mut each: impl FnMut(R) -> anyhow::Result<()>,
    ) -> anyhow::Result<()>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata> + 'static,
    {
        self.handle.block_on(async {
            let prepared = self.session.prepare(query).await?;
            let rows = self.session.execute_iter(prepared, values).await?;
            let mut rows = rows.rows_stream::<R>()?;
            while let Some(row) = rows.try_next().await? {
                each(row)?;
            }
            Ok(())
        })
    }

    fn bucket(&self, time: i64) -> CqlTimestamp {
        CqlTimestamp(time.div_euclid(self.width) * self.width)
    }
}

/// The readings.
struct Readings {
    database: Database,
    ahead: RefCell<Ahead>,
}

/// The readings of one partition from a time on, up to another: keys are asked for in their order.
#[derive(Default)]
struct Ahead {
    partition: Option<(String, String, CqlTimestamp)>,
    from: i64,
    until: i64,
    rows: HashMap<i64, Row>,
}

impl Ahead {
    fn holds(&self, sensor: &str, metric: &str, bucket: CqlTimestamp, time: i64) -> bool {
        let partition = self.partition.as_ref();
        partition.is_some_and(|(a, b, c)| (a.as_str(), b.as_str(), *c) == (sensor, metric, bucket))
            && (self.from..=self.until).contains(&time)
    }
}

impl super::Readings for Readings {
    /// Looks at all there are.
    fn by_file(&self) -> anyhow::Result<HashMap<FileId, Rows>> {
        let mut found = HashMap::new();
        let readings = &self.database.readings;
        let query = format!("SELECT file, writetime(value) FROM {readings}.readings");
        self.database
            .each(&query, (), |(file, written): (Uuid, i64)| {
                match found.entry(FileId::from_bytes(file.into_bytes())) {
                    Slot::Vacant(slot) => {
                        slot.insert(Rows {
                            count: 1,
                            newest: written,
                        });
                    }
                    Slot::Occupied(mut slot) => {
                        let rows: &mut Rows = slot.get_mut();
                        rows.count += 1;
                        rows.newest = rows.newest.max(written);
                    }
                }
                Ok(())
            })?;
        Ok(found)
    }

    fn at(&self, (sensor, metric, time): Key<'_>) -> anyhow::Result<Option<Row>> {
        let mut ahead = self.ahead.borrow_mut();
        let bucket = self.database.bucket(time);
        if !ahead.holds(sensor, metric, bucket, time) {
            *ahead = self.look_ahead(sensor, metric, time)?;
        }
        Ok(ahead.rows.get(&time).copied())
    }

    /// No query reads deletions.
    fn retracted(&self, _: Key<'_>) -> anyhow::Result<Retracted> {
        Ok(Retracted::Perhaps)
    }

    /// Looks at all there are.
    fn of(
        &self,
        file: FileId,
        each: &mut dyn FnMut(Key<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let readings = &self.database.readings;
        let query = format!("SELECT sensor_id, metric, ts, file FROM {readings}.readings");
        self.database.each(&query, (), |row| {
            let (sensor, metric, time, of): (String, String, CqlTimestamp, Uuid) = row;
            if of.as_bytes() == &file.bytes() {
                each((&sensor, &metric, time.0))?;
            }
            Ok(())
        })
    }
}

impl Readings {
    /// Reads the partition of a reading from its time on.
    fn look_ahead(&self, sensor: &str, metric: &str, time: i64) -> anyhow::Result<Ahead> {
        let readings = &self.database.readings;
        let query = format!(
            "SELECT ts, value, file, writetime(value) FROM {readings}.readings
             WHERE sensor_id = ? AND metric = ? AND bucket = ? AND ts >= ?
             ORDER BY ts ASC LIMIT {AHEAD}"
        );
        let bucket = self.database.bucket(time);
        let mut rows = HashMap::new();
        let mut last = time;
        let values = (sensor, metric, bucket, CqlTimestamp(time));
        self.database.each(&query, values, |row| {
            let (time, value, file, written): (CqlTimestamp, f64, Uuid, i64) = row;
            last = time.0;
            rows.insert(
                time.0,
                Row {
                    value: value.to_bits(),
                    file: FileId::from_bytes(file.into_bytes()),
                    write_timestamp: written,
                },
            );
            Ok(())
        })?;
        let cut_off = rows.len() >= usize::try_from(AHEAD)?;
        Ok(Ahead {
            partition: Some((sensor.to_owned(), metric.to_owned(), bucket)),
            from: time,
            until: if cut_off { last } else { i64::MAX },
            rows,
        })
    }
}
