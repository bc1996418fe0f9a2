//! The servers of one installation, and what they need to be found.

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
    /// Where the watcher takes notifications.
    pub(super) listen: Port,
    pub(super) token: String,
    /// Removed last.
    pub(super) folder: TempDir,
}

impl Site {
    pub(super) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir_in(scratch()?)?;
        std::fs::create_dir_all(folder.path().join("data"))?;
        Ok(Self {
            nats: Nats::start(&folder.path().join("nats"), nats::Options::default()).await?,
            mail: MailCatcher::start(&folder.path().join("mail"), None).await?,
            listen: Port::free()?,
            token: servers::random_secret(),
            folder,
        })
    }

    /// What every configuration here begins with.
    pub(super) fn configuration(
        &self,
        store: &SeaweedFs,
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
            nats = self.nats.url(),
            endpoint = store.endpoint(),
            access = store.access_key(),
            secret = store.secret_key(),
            folder = self.folder.path().display(),
            listen = address(&self.listen),
            token = self.token,
            smtp = self.mail.port(),
        )
    }
}
