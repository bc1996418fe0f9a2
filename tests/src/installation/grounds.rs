//! The store that an installation works on, and how it tells the watcher of uploads.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use aws_sdk_s3::Client;
use proto::User;
use serde_json::{Value, json};
use servers::{Nats, Process, SeaweedFs, publishing, seaweedfs};

use super::page::Page;
use super::site::Site;
use crate::bucket::{self, Bucket, PAGES_BUCKET};
use crate::chaos::Rig;
use crate::relay::Relay;
use crate::shared::Storage;
use crate::wire::Wire;

#[derive(Debug)]
pub(super) enum Grounds {
    Shared(&'static Storage),
    Own(Box<Storage>),
    Rigged(Box<Rig>),
    Paged(Box<Paged>),
    Publishing(Box<Publishing>),
}

/// What a page of `deploy/storage/` gives Landfall.
#[derive(Debug)]
pub(super) struct Given {
    /// Of its user, who has the rights of the page.
    secret_key: String,
    /// What is shown as `landfall.toml`.
    pub(super) settings: String,
}

/// Landfall's user.
const USER: &str = "landfall";

/// `SeaweedFS`, set up as its page says.
#[derive(Debug)]
pub(super) struct Paged {
    storage: Storage,
    given: Given,
}

/// A store that publishes to the installation's NATS, set up as its page says.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) store: publishing::Store,
    /// Who owns the bucket.
    client: Client,
    given: Given,
    /// Where it keeps what NATS has not taken, if it does.
    queue: PathBuf,
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
    /// `versioned`: the bucket keeps versions where the page has it do so.
    pub(super) async fn publishing(
        kind: publishing::Kind,
        folder: &Path,
        nats: &Nats,
        versioned: bool,
    ) -> Result<Self> {
        let folder = folder.join("store");
        let publishing = Publishing::start(kind, &folder, nats, versioned).await?;
        Ok(Self::Publishing(Box::new(publishing)))
    }

    /// `SeaweedFS`, set up as its page says.
    pub(super) async fn paged(folder: &Path, watcher: SocketAddr) -> Result<Self> {
        let paged = Paged::start(&folder.join("seaweedfs"), watcher).await?;
        Ok(Self::Paged(Box::new(paged)))
    }

    /// What its page gives Landfall, where it was set up by that.
    pub(super) fn given(&self) -> Option<&Given> {
        match self {
            Self::Paged(paged) => Some(&paged.given),
            Self::Publishing(publishing) => Some(&publishing.given),
            _ => None,
        }
    }

    pub(super) fn store(&self) -> Store<'_> {
        if let Self::Publishing(publishing) = self {
            return Store {
                process: publishing.store.process(),
                port: publishing.store.port(),
                access_key: USER,
                secret_key: &publishing.given.secret_key,
                client: &publishing.client,
            };
        }
        let Storage { store, client, .. } = self.seaweedfs();
        let keys = (store.access_key(), store.secret_key());
        let given = self.given().map(|given| (USER, &*given.secret_key));
        let (access_key, secret_key) = given.unwrap_or(keys);
        Store {
            process: store.process(),
            port: store.port(),
            access_key,
            secret_key,
            client,
        }
    }

    /// The store with a webhook. A test that asks another for it is wrong.
    pub(super) fn seaweedfs(&self) -> &Storage {
        match self {
            Self::Shared(storage) => storage,
            Self::Own(storage) => storage,
            Self::Rigged(rig) => &rig.storage,
            Self::Paged(paged) => &paged.storage,
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

    /// Has the store tell the watcher of what is uploaded to a bucket, unless its page has done that.
    pub(super) fn watch(&self, bucket: &Bucket, site: &Site) {
        if self.given().is_none() {
            let relay = &self.seaweedfs().relay;
            relay.connect(&bucket.name, &site.watchers(), &site.token);
        }
    }
}

impl Given {
    /// Its secrets are files of the folder, as those of a container are in `/run/secrets`.
    fn by(page: &Page, folder: &Path) -> Result<Self> {
        let secret_key = servers::random_secret();
        std::fs::write(folder.join("s3"), &secret_key)?;
        Ok(Self {
            secret_key,
            settings: page.settings.replace("/run/secrets", text(folder)?),
        })
    }
}

impl Paged {
    async fn start(folder: &Path, watcher: SocketAddr) -> Result<Self> {
        let page = Page::open("seaweedfs", folder)?;
        let given = Given::by(&page, folder)?;
        let token = servers::random_secret();
        std::fs::write(folder.join("webhook"), &token)?;
        page.environment(&[
            ("WATCHER", &*format!("http://{watcher}")),
            ("TOKEN", &*token),
            ("ACCESS_KEY", USER),
            ("SECRET_KEY", &*given.secret_key),
        ])
        .await?;
        let owner = (servers::random_secret(), servers::random_secret());
        add_owner(&folder.join("s3.json"), &owner)?;
        let options = seaweedfs::Options {
            buckets: vec![PAGES_BUCKET.to_owned()],
            keys: Some(owner),
            prepared: true,
            ..seaweedfs::Options::default()
        };
        let store = SeaweedFs::start(folder, options).await?;
        let client = bucket::client(&store.endpoint(), store.access_key(), store.secret_key());
        let storage = Storage {
            store,
            client,
            relay: Relay::start().await?,
        };
        Ok(Self { storage, given })
    }
}

/// Who owns the bucket: another identity beside Landfall's.
fn add_owner(identities: &Path, (access_key, secret_key): &(String, String)) -> Result<()> {
    let mut file: Value = serde_json::from_slice(&std::fs::read(identities)?)?;
    let all = file["identities"].as_array_mut();
    all.context("there are identities")?.push(json!({
        "name": "owner",
        "credentials": [{ "accessKey": access_key, "secretKey": secret_key }],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }));
    std::fs::write(identities, file.to_string())?;
    Ok(())
}

impl Publishing {
    async fn start(
        kind: publishing::Kind,
        folder: &Path,
        nats: &Nats,
        versioned: bool,
    ) -> Result<Self> {
        let wire = Wire::before(nats.port(), 0).await?;
        let password = nats.password(User::Storage);
        let password = password.context("the user has a password")?;
        let address = wire.address.to_string();
        let (queue, users) = (folder.join("queue"), folder.join("users"));
        let mut page = Page::open(kind.name(), folder)?;
        let target = [("NATS", &*address), ("STORAGE_PASSWORD", password)];
        let places = match kind {
            publishing::Kind::Minio => vec![("MINIO_QUEUE", text(&queue)?)],
            publishing::Kind::Versitygw => {
                vec![("VGW_IAM_DIR", text(&users)?), ("GATEWAY_DATA", "data")]
            }
        };
        let environment = page.environment(&[&target[..], &places].concat()).await?;
        let store = publishing::Store::start(kind, folder, environment).await?;

        let given = Given::by(&page, folder)?;
        let endpoint = store.endpoint();
        let owner = match kind {
            publishing::Kind::Minio => ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
            publishing::Kind::Versitygw => ["ROOT_ACCESS_KEY", "ROOT_SECRET_KEY"],
        };
        if !versioned && kind == publishing::Kind::Minio {
            page.leave_out("put-bucket-versioning")?;
        }
        page.finish(&[
            ("AWS_ENDPOINT_URL", &*endpoint),
            (owner[0], store.access_key()),
            (owner[1], store.secret_key()),
            ("ACCESS_KEY", USER),
            ("SECRET_KEY", &*given.secret_key),
        ])
        .await?;
        Ok(Self {
            client: bucket::client(&endpoint, store.access_key(), store.secret_key()),
            given,
            store,
            queue,
            wire,
        })
    }

    /// How many notifications lie on its disk because NATS has not taken them yet.
    pub(super) fn kept(&self) -> Result<usize> {
        let folder = self.queue.join("minio-nats-LANDFALL");
        let files = std::fs::read_dir(&folder)
            .with_context(|| format!("there is no queue in {}", folder.display()))?;
        Ok(files.count())
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is text")
}
