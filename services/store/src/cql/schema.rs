//! The keyspaces and their tables.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cluster::{Access, Cluster};
use super::fault;
use super::tables::{BY_DATA_CENTER, Column, Role, Table};
use crate::{Error, Result};

/// A reading's partition is its sensor, metric and bucket: the times of one bucket's width.
const READINGS: &[Column] = &[
    ("sensor_id", "text", Role::Partition),
    ("metric", "text", Role::Partition),
    ("bucket", "timestamp", Role::Partition),
    ("ts", "timestamp", Role::Descending),
    ("value", "double", Role::Value),
    ("file", "uuid", Role::Value),
];

/// Which buckets a sensor has.
const BUCKETS: &[Column] = &[
    ("sensor_id", "text", Role::Partition),
    ("metric", "text", Role::Ascending),
    ("bucket", "timestamp", Role::Descending),
];

/// In which partitions of the readings a file has written: sensor, metric and bucket. See the
/// module `written`.
const FILES: &[Column] = &[
    ("file", "uuid", Role::Partition),
    ("shard", "int", Role::Partition),
    ("list", "uuid", Role::Ascending),
    (
        "partitions",
        "frozen<list<frozen<tuple<text, text, timestamp>>>>",
        Role::Value,
    ),
];

/// The outcome of the step for each (file, replay). Times in microseconds since 1970.
const OUTCOMES: &[Column] = &[
    ("file", "uuid", Role::Partition),
    ("replay", "int", Role::Partition),
    ("event", "text", Role::Value),
    ("settled", "bigint", Role::Value),
    // Counts how often the mark was taken back.
    ("generation", "int", Role::Value),
    ("published", "bigint", Role::Value),
    ("marked", "bigint", Role::Value),
];

const REGISTERS: &[Column] = &[
    ("kind", "text", Role::Partition),
    ("name", "text", Role::Partition),
    ("value", "blob", Role::Value),
    ("revision", "bigint", Role::Value),
    ("written", "bigint", Role::Value),
    ("due", "bigint", Role::Value),
    // Which call has written it last.
    ("writer", "uuid", Role::Value),
];

/// What is looked for by time: see the module `agenda`.
const AGENDA: &[Column] = &[
    ("list", "text", Role::Partition),
    ("shard", "int", Role::Partition),
    ("time", "bigint", Role::Ascending),
    ("kind", "text", Role::Ascending),
    ("name", "text", Role::Ascending),
    ("revision", "bigint", Role::Ascending),
    ("since", "bigint", Role::Value),
];

/// Seconds. An entry of the agenda that comes back after its removal does no harm, so that removals
/// need not be kept for as long as a node may be away; and each look at the agenda passes over those
/// that are.
const GRACE_OF_AGENDA: u32 = 300;

/// Windows that `ScyllaDB` takes for one TTL.
const WINDOWS: u64 = 50;
/// What the databases take, in seconds.
const LONGEST_TTL: u64 = 630_720_000;
/// By how many seconds what is known of readings outlives them.
const DAY: u64 = 24 * 60 * 60;

/// What the schema should be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Keyspace of the readings.
    pub readings: String,
    /// Keyspace of the journals.
    pub journals: String,
    /// Replicas in each data center, by its name. Where it is empty: one in each there is, and what
    /// a keyspace has that is there already.
    pub replication: BTreeMap<String, u32>,
    /// Width of a bucket. Fixed when the tables are made.
    pub bucket: Duration,
    /// How long readings stay; for ever where it is none.
    pub ttl: Option<Duration>,
    /// How much time readings are compacted together for, by the order times of their files.
    pub window: Duration,
}

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Which field of [`Plan`].
    pub setting: &'static str,
    /// What is wrong with it, and what is allowed.
    pub reason: String,
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        Self::Broken(format!("`store.cql.{}`: {}", unfit.setting, unfit.reason))
    }
}

impl Default for Plan {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            readings: "landfall".to_owned(),
            journals: "landfall_journal".to_owned(),
            replication: BTreeMap::new(),
            bucket: DAY,
            ttl: None,
            window: 7 * DAY,
        }
    }
}

/// Creates the keyspace and the tables of the readings where they are not there. What is there and
/// differs is an error.
pub(super) async fn set_up_readings(access: &Access, plan: &Plan) -> Result<()> {
    plan.check()?;
    let cluster = Cluster::connect(access, &plan.readings).await?;
    let keyspace = plan.keyspace(&plan.readings, "");
    // Otherwise it forgets deletions after a repair, where it keeps tables in tablets.
    let keep_deletions = if cluster.is_scylla() {
        " AND tombstone_gc = {'mode': 'timeout'}"
    } else {
        ""
    };
    let tables = plan.tables_of_readings();
    create(&cluster, keyspace, &tables, keep_deletions).await
}

/// The same for a service's journal.
pub(super) async fn set_up_journal(access: &Access, plan: &Plan, service: &str) -> Result<()> {
    plan.check()?;
    let cluster = Cluster::connect(access, &plan.journals).await?;
    let without_tablets = if cluster.is_scylla() {
        " AND tablets = {'enabled': false}"
    } else {
        ""
    };
    let keyspace = plan.keyspace(&plan.journals, without_tablets);
    create(&cluster, keyspace, &plan.tables_of_journal(service), "").await
}

async fn create(cluster: &Cluster, keyspace: String, tables: &[Table], more: &str) -> Result<()> {
    cluster.define(keyspace).await?;
    for table in tables {
        cluster.define(table.create() + more).await?;
    }
    let difference = match difference(cluster, tables).await? {
        None => replication_differs(cluster, tables).await?,
        difference => difference,
    };
    match difference {
        None => Ok(()),
        Some(difference) => Err(Error::Broken(format!("{}: {difference}", cluster.name()))),
    }
}

/// Looks whether the tables are what they should be. If they are not, that is an outage: whoever
/// runs `landfall setup` or mends the settings ends it.
pub(super) async fn verify(cluster: &Cluster, tables: &[Table]) -> Result<()> {
    if let Some(difference) = difference(cluster, tables).await? {
        return Err(fault::away(cluster.name(), &difference));
    }
    // Everything works, and has to while replicas are added: that takes hours, and a step at a time.
    if let Some(difference) = replication_differs(cluster, tables).await? {
        tracing::warn!(store = cluster.name(), "{difference}");
    }
    Ok(())
}

/// How replication differs from what was stated, in words. All tables are of one keyspace.
async fn replication_differs(cluster: &Cluster, tables: &[Table]) -> Result<Option<String>> {
    match tables.first() {
        Some(table) => table.replication_differs(cluster).await,
        None => Ok(None),
    }
}

/// The first difference, in words.
async fn difference(cluster: &Cluster, tables: &[Table]) -> Result<Option<String>> {
    for table in tables {
        let difference = table.difference(cluster).await?;
        if difference.is_some() {
            return Ok(difference);
        }
    }
    Ok(None)
}

impl Plan {
    /// Refuses what cannot be.
    pub fn check(&self) -> Result<(), Unfit> {
        let unfit = |setting, reason| Err(Unfit { setting, reason });
        for (setting, keyspace) in [("readings", &self.readings), ("journals", &self.journals)] {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let begins = keyspace.starts_with(|c: char| c.is_ascii_lowercase());
            if !begins || !keyspace.chars().all(plain) || keyspace.len() > 48 {
                return unfit(
                    setting,
                    format!(
                        "`{keyspace}` is no name of a keyspace: 1 to 48 of a-z, 0-9 and _, a \
                         letter first"
                    ),
                );
            }
        }
        if self.readings == self.journals {
            let reason = "must be another keyspace than that of the readings".to_owned();
            return unfit("journals", reason);
        }
        for (name, replicas) in &self.replication {
            if name.is_empty() || name.contains('\'') || *replicas == 0 {
                let reason = "expected the names of data centers, each with a number of replicas";
                return unfit("replication", reason.to_owned());
            }
        }
        let whole = |time: Duration, unit: u64| {
            time.subsec_nanos() == 0 && time.as_secs() > 0 && time.as_secs().is_multiple_of(unit)
        };
        if !whole(self.bucket, 1) {
            return unfit("bucket", "must be one or more whole seconds".to_owned());
        }
        if !whole(self.window, 60) {
            return unfit("window", "must be one or more whole minutes".to_owned());
        }
        let Some(ttl) = self.ttl else { return Ok(()) };
        if !whole(ttl, 1) || ttl.as_secs() + DAY > LONGEST_TTL {
            let reason = "must be whole seconds, and a day less than 20 years at most";
            return unfit("ttl", reason.to_owned());
        }
        let windows = ttl.as_secs() / self.window.as_secs();
        if windows > WINDOWS {
            return unfit(
                "window",
                format!(
                    "is too short: `ttl` would have {windows} of them, and {WINDOWS} are possible"
                ),
            );
        }
        Ok(())
    }

    pub(super) fn tables_of_readings(&self) -> [Table; 3] {
        let seconds = |ttl| u32::try_from(ttl).unwrap_or_default();
        let ttl = self.ttl.map_or(0, |ttl| ttl.as_secs());
        let of = |name: &str, columns, ttl, compaction| Table {
            keyspace: self.readings.clone(),
            replication: self.replication.clone(),
            name: name.to_owned(),
            columns,
            comment: format!(
                "Landfall {name}, version 1, bucket {} s",
                self.bucket.as_secs()
            ),
            ttl: seconds(ttl),
            grace: None,
            compaction,
        };
        let minutes = (self.window.as_secs() / 60).to_string();
        let by_window = vec![
            ("class", "TimeWindowCompactionStrategy".to_owned()),
            ("compaction_window_unit", "MINUTES".to_owned()),
            ("compaction_window_size", minutes),
        ];
        // Which buckets there are must be known for longer than these have readings.
        let of_lists = if ttl == 0 { 0 } else { ttl + DAY };
        [
            of("readings", READINGS, ttl, by_window),
            of("buckets", BUCKETS, of_lists, leveled()),
            of("files", FILES, of_lists, leveled()),
        ]
    }

    pub(super) fn tables_of_journal(&self, service: &str) -> [Table; 3] {
        let of = |name: &str, columns, grace| Table {
            keyspace: self.journals.clone(),
            replication: self.replication.clone(),
            name: format!("{service}_{name}"),
            columns,
            comment: format!("Landfall {name}, version 1"),
            ttl: 0,
            grace,
            compaction: leveled(),
        };
        [
            of("outcomes", OUTCOMES, None),
            of("registers", REGISTERS, None),
            of("agenda", AGENDA, Some(GRACE_OF_AGENDA)),
        ]
    }

    fn keyspace(&self, name: &str, more: &str) -> String {
        let mut replication = vec![format!("'class': '{BY_DATA_CENTER}'")];
        if self.replication.is_empty() {
            replication.push("'replication_factor': 1".to_owned());
        }
        let of = |(name, replicas): (&String, &u32)| format!("'{name}': {replicas}");
        replication.extend(self.replication.iter().map(of));
        format!(
            "CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = {{{}}}{more}",
            replication.join(", ")
        )
    }
}

/// Rows that are read by their keys, and often written again.
fn leveled() -> Vec<(&'static str, String)> {
    vec![("class", "LeveledCompactionStrategy".to_owned())]
}
