//! What a chaos run breaks beside services and their servers.

use std::path::Path;

use anyhow::Result;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use servers::cassandra::Options;
use servers::{MailCatcher, Nats};

use super::clock::Clocks;
use crate::cassandra::Cassandra;
use crate::database::Kind;
use crate::shared::Storage;
use crate::wire::Wire;

/// A store that nobody else works on, wires before all servers, and clocks.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) storage: Storage,
    pub(crate) nats: Wire,
    pub(crate) store: Wire,
    pub(crate) mail: Wire,
    pub(crate) clocks: Clocks,
    /// Where installations have one that is a server.
    pub(crate) database: Option<Database>,
}

/// A database that nobody else works on, and the wire before it.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) cassandra: Cassandra,
    pub(crate) wire: Wire,
}

impl Rig {
    /// Sets it up in an installation's folder.
    pub(crate) async fn start(
        folder: &Path,
        nats: &Nats,
        mail: &MailCatcher,
        seed: u64,
    ) -> Result<Self> {
        let mut storage = Storage::start(&folder.join("seaweedfs")).await?;
        // A try that the client does not tell of may leave a version that nobody knows of.
        let once = storage.client.config().to_builder();
        let once = once.retry_config(RetryConfig::disabled());
        storage.client = Client::from_conf(once.build());
        Ok(Self {
            nats: Wire::before(nats.port(), seed).await?,
            store: Wire::before(storage.store.port(), seed).await?,
            mail: Wire::before(mail.port(), seed).await?,
            clocks: Clocks::new(&folder.join("clocks"))?,
            database: match Kind::chosen()? {
                Kind::Sqlite => None,
                Kind::Cql => Some(Database::start(&folder.join("cassandra"), seed).await?),
            },
            storage,
        })
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> u64 {
        let database = self.database.as_ref();
        let wires = [&self.nats, &self.store, &self.mail]
            .into_iter()
            .chain(database.map(|database| &database.wire));
        wires.map(Wire::cuts).sum()
    }
}

impl Database {
    async fn start(folder: &Path, seed: u64) -> Result<Self> {
        // It is killed, and may lose nothing then.
        let cassandra = Cassandra::for_wires(folder, Options::default()).await?;
        Ok(Self {
            wire: Wire::before(cassandra.port, seed).await?,
            cassandra,
        })
    }
}
