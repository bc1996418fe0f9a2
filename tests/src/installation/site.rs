//! The servers of one installation, and what they need to be found.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use servers::mail::Security;
use servers::{MailCatcher, Nats, Port, nats};
use tempfile::TempDir;

use super::grounds::Store;
use crate::bucket::Bucket;
use crate::disk::{Disk, Small};
use crate::service::address;
use crate::shared::scratch;

/// What is an installation's own, the services apart.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) nats: Nats,
    pub(super) mail: MailCatcher,
    /// What the mail server wants.
    security: Option<Security>,
    /// Where each replica of the watcher takes notifications.
    pub(super) listen: Vec<Port>,
    pub(super) token: String,
    pub(super) disk: Option<Disk>,
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
    /// `watchers`: how many there may be at once; `secured`: the mail server wants STARTTLS and a
    /// login; `small`: what lies on a disk of so many bytes.
    pub(super) async fn start(
        watchers: usize,
        secured: bool,
        small: Option<(Small, u64)>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir_in(scratch()?)?;
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data)?;
        let disk = small.map(|(which, bytes)| {
            let streams = folder.path().join("nats/jetstream");
            let at = if which == Small::Streams {
                &streams
            } else {
                &data
            };
            Disk::mount(at, bytes)
        });
        let security = secured.then(|| security(folder.path())).transpose()?;
        let mail = folder.path().join("mail");
        Ok(Self {
            nats: Nats::start(&folder.path().join("nats"), nats::Options::default()).await?,
            mail: match &security {
                None => MailCatcher::start(&mail, None).await?,
                Some(security) => MailCatcher::start_secured(&mail, security.clone()).await?,
            },
            security,
            listen: (0..watchers).map(|_| Port::free()).collect::<Result<_>>()?,
            token: servers::random_secret(),
            disk: disk.transpose()?,
            folder,
        })
    }

    /// Where each replica of the watcher takes notifications.
    pub(super) fn watchers(&self) -> Vec<SocketAddr> {
        self.listen.iter().map(address).collect()
    }

    /// The servers themselves.
    pub(super) fn addresses(&self, store: &Store<'_>) -> Addresses {
        Addresses {
            nats: self.nats.url(),
            store: format!("http://127.0.0.1:{}", store.port),
            smtp: self.mail.port(),
        }
    }

    /// What every configuration here begins with.
    pub(super) fn configuration(
        &self,
        store: &Store<'_>,
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
            [watcher]
            listen = "{listen}"
            tokens = ["{token}"]
            buckets = {watched}
            [notifier]
            from = "Landfall <landfall@example.org>"
            to = ["lab@example.org"]
            operators = ["operators@example.org"]
            smtp = {{ {smtp} }}
            {mover}"#,
            nats = addresses.nats,
            endpoint = addresses.store,
            access = store.access_key,
            secret = store.secret_key,
            listen = self.watchers()[0],
            token = self.token,
            smtp = self.smtp(addresses.smtp),
        )
    }

    fn smtp(&self, port: u16) -> String {
        match &self.security {
            None => format!("host = \"127.0.0.1\", port = {port}, tls = \"none\""),
            Some(security) => format!(
                "host = \"localhost\", port = {port}, tls = \"starttls\", ca_file = \"{}\", \
                 user = \"{}\", password = \"{}\"",
                security.certificate.display(),
                security.user,
                security.password
            ),
        }
    }
}

/// A certificate for this machine and a login, made up.
fn security(folder: &Path) -> Result<Security> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    let security = Security {
        certificate: folder.join("mail.pem"),
        key: folder.join("mail.key"),
        user: "landfall".to_owned(),
        password: servers::random_secret(),
    };
    std::fs::write(&security.certificate, cert.pem())?;
    std::fs::write(&security.key, signing_key.serialize_pem())?;
    Ok(security)
}
