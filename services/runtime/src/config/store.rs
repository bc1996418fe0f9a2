//! Where readings and journals are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use store::cql::Plan;

use super::period;
use super::secret::Secret;

/// `[store]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which database.
    pub kind: Kind,
    /// Folder of the `SQLite` files: `readings.db`, and one `<service>.db` a journal.
    pub folder: PathBuf,
    /// The CQL database.
    pub cql: Cql,
}

/// Which database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Files on this machine.
    #[default]
    Sqlite,
    /// `ScyllaDB`, or Cassandra.
    Cql,
}

/// `[store.cql]`: how a CQL database is reached, and what `landfall setup` makes in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cql {
    /// `host:port` of some of its nodes; the others are asked of them.
    pub nodes: Vec<String>,
    /// The data center whose nodes are asked, and whose majority counts: the same for all services.
    /// Needed where there are several.
    pub datacenter: Option<String>,
    /// User name, where the database wants one.
    pub user: Option<String>,
    /// Password of that user.
    pub password: Option<Secret>,
    /// Whether TLS is spoken. The nodes' certificates have to name their IP addresses.
    pub tls: bool,
    /// PEM file of the authority that signed them, where it is not a public one.
    pub ca_file: Option<PathBuf>,
    /// Keyspace of the readings.
    pub readings: String,
    /// Keyspace of the journals; without tablets, where the database is `ScyllaDB`.
    pub journals: String,
    /// Replicas in each data center, by its name; one in each that there is where it is not set.
    /// Taken when a keyspace is made.
    pub replication: BTreeMap<String, u32>,
    /// How much time of a sensor's metric one partition holds. Fixed when the tables are made.
    #[serde(with = "period")]
    pub bucket: Duration,
    /// How long readings stay after they were written; for ever where it is not set.
    #[serde(with = "period::optional")]
    pub ttl: Option<Duration>,
    /// How much time readings are compacted together for (`TimeWindowCompactionStrategy`).
    #[serde(with = "period")]
    pub window: Duration,
}

impl Cql {
    /// What there should be in the database.
    pub fn plan(&self) -> Plan {
        Plan {
            readings: self.readings.clone(),
            journals: self.journals.clone(),
            replication: self.replication.clone(),
            bucket: self.bucket,
            ttl: self.ttl,
            window: self.window,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kind: Kind::Sqlite,
            folder: PathBuf::from("landfall-data"),
            cql: Cql::default(),
        }
    }
}

impl Default for Cql {
    fn default() -> Self {
        let plan = Plan::default();
        Self {
            nodes: vec!["127.0.0.1:9042".to_owned()],
            datacenter: None,
            user: None,
            password: None,
            tls: false,
            ca_file: None,
            readings: plan.readings,
            journals: plan.journals,
            replication: plan.replication,
            bucket: plan.bucket,
            ttl: plan.ttl,
            window: plan.window,
        }
    }
}
