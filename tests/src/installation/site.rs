//! The servers of one installation, and what they need to be found.

use std::net::SocketAddr;

use anyhow::Result;
use servers::{MailCatcher, Nats, Port, SeaweedFs, nats};
use tempfile::TempDir;

use crate::bucket::Bucket;
use crate::service::address;
use crate::shared::scratch;

/// What is an installation's own, the services apart.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) nats: Nats,
    pub(super) mail: MailCatcher,
    /// Where each replica of the watcher takes notifications.
    pub(super) listen: Vec<Port>,
    pub(super) token: String,
    /// Removed last.
    pub(super) folder: TempDir,
}

/// Where the services find the servers.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) nats: String,
    pub(super) store: String,
    pub(super) smtp: u16,
}

impl Site {
    /// `watchers`: how many there may be at once.
    pub(super) async fn start(watchers: usize) -> Result<Self> {
        let folder = tempfile::tempdir_in(scratch()?)?;
        std::fs::create_dir_all(folder.path().join("data"))?;
        Ok(Self {
            nats: Nats::start(&folder.path().join("nats"), nats::Options::default()).await?,
            mail: MailCatcher::start(&folder.path().join("mail"), None).await?,
            listen: (0..watchers).map(|_| Port::free()).collect::<Result<_>>()?,
            token: servers::random_secret(),
            folder,
        })
    }

    /// Where each replica of the watcher takes notifications.
    pub(super) fn watchers(&self) -> Vec<SocketAddr> {
        self.listen.iter().map(address).collect()
    }

    /// The servers themselves.
    pub(super) fn addresses(&self, store: &SeaweedFs) -> Addresses {
        Addresses {
            nats: self.nats.url(),
            store: store.endpoint(),
            smtp: self.mail.port(),
        }
    }

    /// What every configuration here begins with.
    pub(super) fn configuration(
        &self,
        store: &SeaweedFs,
        addresses: &Addresses,
        watched: &str,
        target: Option<&Bucket>,
    ) -> String {
        let mover = target.map_or_else(String::new, |bucket| {
            format!("[mover]\ntarget_bucket = \"{}\"\n", bucket.name)
        });
        format!(
            r#"
            [nats]
            url = "{nats}"
            duplicate_window = "100ms"
            [objects]
            endpoint = "{endpoint}"
            access_key = "{access}"
            secret_key = "{secret}"
            [store]
            folder = "{folder}/data"
            [watcher]
            listen = "{listen}"
            tokens = ["{token}"]
            buckets = {watched}
            [notifier]
            from = "Landfall <landfall@example.org>"
            to = ["lab@example.org"]
            operators = ["operators@example.org"]
            smtp = {{ host = "127.0.0.1", port = {smtp}, tls = "none" }}
            {mover}"#,
            nats = addresses.nats,
            endpoint = addresses.store,
            access = store.access_key(),
            secret = store.secret_key(),
            folder = self.folder.path().display(),
            listen = self.watchers()[0],
            token = self.token,
            smtp = addresses.smtp,
        )
    }
}
