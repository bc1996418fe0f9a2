//! The store that an installation works on, and how it tells the watcher of uploads.

use std::path::Path;

use anyhow::{Context, Result, bail};
use aws_sdk_s3::Client;
use proto::User;
use servers::{Nats, Process, publishing};

use super::site::Site;
use crate::bucket::{self, Bucket};
use crate::chaos::Rig;
use crate::shared::Storage;
use crate::wire::Wire;

#[derive(Debug)]
pub(super) enum Grounds {
    Shared(&'static Storage),
    Own(Box<Storage>),
    Rigged(Box<Rig>),
    Publishing(Box<Publishing>),
}

/// A store that publishes to the installation's NATS.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) store: publishing::Store,
    client: Client,
    /// Between store and NATS.
    pub(super) wire: Wire,
}

/// What every store has.
pub(super) struct Store<'a> {
    pub(super) process: &'a Process,
    pub(super) port: u16,
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
    pub(super) client: &'a Client,
}

impl Grounds {
    pub(super) async fn publishing(
        kind: publishing::Kind,
        folder: &Path,
        nats: &Nats,
    ) -> Result<Self> {
        let wire = Wire::before(nats.port(), 0).await?;
        let password = nats.password(User::Storage);
        let target = publishing::Nats {
            address: wire.address,
            password: password.context("the user has a password")?.to_owned(),
        };
        let store = publishing::Store::start(kind, &folder.join("store"), target).await?;
        let client = bucket::client(&store.endpoint(), store.access_key(), store.secret_key());
        Ok(Self::Publishing(Box::new(Publishing {
            store,
            client,
            wire,
        })))
    }

    pub(super) fn store(&self) -> Store<'_> {
        if let Self::Publishing(publishing) = self {
            let Publishing { store, client, .. } = &**publishing;
            return Store {
                process: store.process(),
                port: store.port(),
                access_key: store.access_key(),
                secret_key: store.secret_key(),
                client,
            };
        }
        let Storage { store, client, .. } = self.seaweedfs();
        Store {
            process: store.process(),
            port: store.port(),
            access_key: store.access_key(),
            secret_key: store.secret_key(),
            client,
        }
    }

    /// The store with a webhook. A test that asks another for it is wrong.
    pub(super) fn seaweedfs(&self) -> &Storage {
        match self {
            Self::Shared(storage) => storage,
            Self::Own(storage) => storage,
            Self::Rigged(rig) => &rig.storage,
            Self::Publishing(_) => panic!("the store publishes to NATS itself"),
        }
    }

    /// The store that publishes to NATS itself.
    pub(super) fn publisher(&self) -> Result<&Publishing> {
        match self {
            Self::Publishing(publishing) => Ok(publishing),
            _ => bail!("its store does not publish to NATS itself"),
        }
    }

    /// The same, to be changed.
    pub(super) fn publisher_mut(&mut self) -> Result<&mut Publishing> {
        match self {
            Self::Publishing(publishing) => Ok(publishing),
            _ => bail!("its store does not publish to NATS itself"),
        }
    }

    /// Has the store tell the watcher of what is uploaded to a bucket.
    pub(super) async fn watch(&self, bucket: &Bucket, site: &Site) -> Result<()> {
        let Self::Publishing(publishing) = self else {
            let relay = &self.seaweedfs().relay;
            relay.connect(&bucket.name, &site.watchers(), &site.token);
            return Ok(());
        };
        match publishing.store.queue() {
            Some(queue) => bucket.tell(queue).await,
            None => Ok(()),
        }
    }
}
