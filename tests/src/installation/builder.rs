//! Starting an installation.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream;
use aws_sdk_s3::Client;
use proto::User;
use servers::{Nats, publishing};
use toml::{Table, Value};

use super::grounds::Grounds;
use super::outages::Wires;
use super::site::{Addresses, Site};
use super::{Installation, SERVICES};
use crate::bucket::Bucket;
use crate::cassandra::{self, Cassandra};
use crate::chaos::Rig;
use crate::database::{Database, HERE, Keyspaces, Kind};
use crate::disk::Small;
use crate::events::Follower;
use crate::shared::{Storage, shared};
use crate::wait::{PATIENCE, until};
use crate::{program, settings};

/// An installation that is not started yet.
#[derive(Debug)]
pub struct Builder {
    settings: Vec<Setting>,
    without: Vec<User>,
    versioned: bool,
    buckets: usize,
    target: bool,
    whole: bool,
    replicas: usize,
    rigged: Option<u64>,
    wired: bool,
    secured_mail: bool,
    own_store: bool,
    by_its_page: bool,
    publishing: Option<publishing::Kind>,
    unheard: bool,
    patience: Duration,
    small: Option<(Small, u64)>,
    database: Option<Kind>,
}

#[derive(Debug)]
enum Setting {
    One(&'static str, Value),
    Text(String),
    TextOf(User, String),
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            settings: vec![Setting::One("notifier.delay", "1s".into())],
            without: vec![],
            versioned: false,
            buckets: 1,
            target: false,
            whole: false,
            replicas: 1,
            rigged: None,
            wired: false,
            secured_mail: false,
            own_store: false,
            by_its_page: false,
            publishing: None,
            unheard: false,
            patience: PATIENCE,
            small: None,
            database: None,
        }
    }

    /// Leaves nothing of what the tests change for their convenience.
    pub fn as_shipped(mut self) -> Self {
        self.settings.clear();
        self
    }

    /// Sets `path` (`notifier.delay`) in the configuration of all services.
    pub fn set(mut self, path: &'static str, value: impl Into<Value>) -> Self {
        self.settings.push(Setting::One(path, value.into()));
        self
    }

    /// Adds configuration as a person writes it.
    pub fn config(mut self, text: impl Into<String>) -> Self {
        self.settings.push(Setting::Text(text.into()));
        self
    }

    /// Adds configuration of one service, which the others do not see.
    pub fn config_of(mut self, user: User, text: impl Into<String>) -> Self {
        self.settings.push(Setting::TextOf(user, text.into()));
        self
    }

    /// Does not start a service.
    pub fn without(mut self, user: User) -> Self {
        self.without.push(user);
        self
    }

    /// The bucket keeps versions.
    pub fn versioned(mut self) -> Self {
        self.versioned = true;
        self
    }

    /// Watches so many buckets.
    pub fn buckets(mut self, count: usize) -> Self {
        self.buckets = count;
        self
    }

    /// Files that are done with go to another bucket.
    pub fn target_bucket(mut self) -> Self {
        self.target = true;
        self
    }

    /// Watches buckets as a whole.
    pub fn whole_bucket(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Starts so many replicas of each service.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// Has a store of its own, wires before all servers and clocks in all services. `seed` decides
    /// where wires are cut.
    pub(crate) fn rigged(mut self, seed: u64) -> Self {
        self.rigged = Some(seed);
        self
    }

    /// Each service has wires of its own to the servers, which can be cut, and which count.
    pub fn wired(mut self) -> Self {
        self.wired = true;
        self
    }

    /// The mail server wants STARTTLS and a login.
    pub fn secured_mail(mut self) -> Self {
        self.secured_mail = true;
        self
    }

    /// Has a store of its own, whose files go when it ends.
    pub fn own_store(mut self) -> Self {
        self.own_store = true;
        self
    }

    /// Has a `SeaweedFS` of its own, set up as its page in `deploy/storage/` says, and the rights of
    /// that page.
    pub fn by_its_page(mut self) -> Self {
        self.by_its_page = true;
        self
    }

    /// Has a store of its own that publishes its notifications to NATS itself, over a wire that can
    /// be cut (`User::Storage` to `Server::Nats`). It is set up as its page in `deploy/storage/` says
    /// (but for versions, where they are not asked for), and Landfall has the rights of that page.
    pub fn on(mut self, store: publishing::Kind) -> Self {
        self.publishing = Some(store);
        self
    }

    /// Does not listen to what the services say: for more files than a test can hold.
    pub fn unheard(mut self) -> Self {
        self.unheard = true;
        self
    }

    /// How long a test waits for anything.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// One of the disks has so many bytes. Only within [`run_apart`](crate::run_apart).
    pub fn small_disk(mut self, which: Small, bytes: u64) -> Self {
        self.small = Some((which, bytes));
        self
    }

    /// Has this kind of database, whatever is chosen for all tests.
    pub fn database(mut self, kind: Kind) -> Self {
        self.database = Some(kind);
        self
    }

    /// Starts everything; it is ready when this returns.
    pub async fn start(self) -> Result<Installation> {
        let site = Site::start(self.replicas, self.secured_mail, self.small).await?;
        let grounds = self.grounds(&site).await?;
        let store = grounds.store();
        let (bucket, more, target) = match grounds.given() {
            Some(_) => (Bucket::of_the_page(store.client), vec![], None),
            None => self.make_buckets(store.client).await?,
        };
        let watched: Vec<&Bucket> = [&bucket].into_iter().chain(&more).collect();
        let addresses = match &grounds {
            Grounds::Rigged(rig) => Addresses {
                nats: format!("nats://{}", rig.nats.address),
                store: format!("http://{}", rig.store.address),
                smtp: rig.mail.address.port(),
            },
            _ => site.addresses(&store),
        };
        let base = site.configuration(&store, &addresses, &self.watched(&watched), target.as_ref());
        let mut base: Table = base.parse()?;
        if let Some(given) = grounds.given() {
            settings::set(&mut base, "watcher.buckets", Value::Array(vec![]))?;
            settings::merge(&mut base, &given.settings)?;
            settings::set(&mut base, "objects.endpoint", addresses.store)?;
            settings::set(&mut base, "watcher.listen", site.watchers()[0].to_string())?;
        }
        let database = self.open(&grounds, &site).await?;
        let wires = if self.wired {
            let ports = [site.nats.port(), store.port, site.mail.port()];
            Some(Wires::start(ports, &database).await?)
        } else {
            None
        };
        for (path, value) in database.settings() {
            settings::set(&mut base, path, value)?;
        }
        let configs = self.write(&base, wires.as_ref(), site.folder.path())?;
        setup(&configs[&User::Setup], &site.nats).await?;
        for bucket in watched {
            grounds.watch(bucket, &site);
        }
        let client = connect(&site.nats, User::Operator).await?;
        let mut installation = Installation {
            bucket,
            more,
            target,
            services: vec![],
            started: 0,
            follower: if self.unheard {
                Follower::deaf()
            } else {
                Follower::start(&client).await?
            },
            patience: self.patience,
            jetstream: jetstream::new(client),
            grounds,
            wires,
            configs,
            database,
            site,
            finished: false,
        };
        for user in SERVICES {
            if !self.without.contains(&user) {
                for number in 0..self.replicas {
                    let replica = installation.replica(user, number);
                    installation.launch(&replica)?;
                }
            }
        }
        for service in &installation.services {
            service.ready().await?;
        }
        Ok(installation)
    }

    /// Where readings and journals are.
    async fn open(&self, grounds: &Grounds, site: &Site) -> Result<Database> {
        let keyspaces = |cassandra: &Cassandra, host: &str, port| {
            Database::Cql(Keyspaces::new(Arc::clone(&cassandra.session), host, port))
        };
        let kind = self.database.map_or_else(Kind::chosen, Ok)?;
        Ok(match (kind, grounds) {
            (Kind::Sqlite, _) => Database::Sqlite(site.folder.path().join("data")),
            (Kind::Cql, Grounds::Rigged(rig)) => {
                let database = rig.database.as_ref().context("it was set up with one")?;
                keyspaces(&database.cassandra, HERE, database.wire.address.port())
            }
            (Kind::Cql, _) => {
                let cassandra = cassandra::shared(self.wired).await?;
                keyspaces(cassandra, &cassandra.host, cassandra.port)
            }
        })
    }

    async fn grounds(&self, site: &Site) -> Result<Grounds> {
        let folder = site.folder.path();
        if let Some(seed) = self.rigged {
            let rig = Rig::start(folder, &site.nats, &site.mail, seed).await?;
            return Ok(Grounds::Rigged(Box::new(rig)));
        }
        if let Some(kind) = self.publishing {
            return Grounds::publishing(kind, folder, &site.nats, self.versioned).await;
        }
        if self.by_its_page {
            return Grounds::paged(folder, site.watchers()[0]).await;
        }
        if self.own_store {
            let storage = Storage::start(&folder.join("seaweedfs")).await?;
            return Ok(Grounds::Own(Box::new(storage)));
        }
        Ok(Grounds::Shared(shared().await?))
    }

    /// Writes the configuration of each service, and answers where.
    fn write(
        &self,
        base: &Table,
        wires: Option<&Wires>,
        folder: &Path,
    ) -> Result<HashMap<User, PathBuf>> {
        let mut configs = HashMap::new();
        for user in SERVICES.into_iter().chain([User::Setup]) {
            let mut table = base.clone();
            for (path, value) in wires.iter().flat_map(|wires| wires.settings(user)) {
                settings::set(&mut table, path, value)?;
            }
            for setting in &self.settings {
                match setting {
                    Setting::One(path, value) => settings::set(&mut table, path, value.clone())?,
                    Setting::Text(text) => settings::merge(&mut table, text)?,
                    Setting::TextOf(of, text) if *of == user => settings::merge(&mut table, text)?,
                    Setting::TextOf(..) => {}
                }
            }
            let path = folder.join(format!("{user}.toml"));
            std::fs::write(&path, table.to_string())?;
            configs.insert(user, path);
        }
        Ok(configs)
    }

    /// The watched bucket, further ones, and the one for files that are done with.
    async fn make_buckets(&self, client: &Client) -> Result<(Bucket, Vec<Bucket>, Option<Bucket>)> {
        let name = format!("test-{}", &servers::random_secret()[..12]);
        let bucket = Bucket::create(client.clone(), name.clone()).await?;
        if self.versioned {
            bucket.keep_versions().await?;
        }
        let mut more = Vec::new();
        for number in 1..self.buckets {
            more.push(Bucket::create(client.clone(), format!("{name}-{number}")).await?);
        }
        let target = if self.target {
            Some(Bucket::create(client.clone(), format!("{name}-target")).await?)
        } else {
            None
        };
        Ok((bucket, more, target))
    }

    fn watched(&self, buckets: &[&Bucket]) -> String {
        let prefixes = if self.whole {
            ", prefixes = [\"\"]"
        } else {
            ""
        };
        let tables: Vec<String> = buckets
            .iter()
            .map(|bucket| format!("{{ name = \"{}\"{prefixes} }}", bucket.name))
            .collect();
        format!("[{}]", tables.join(", "))
    }
}

async fn setup(config: &Path, nats: &Nats) -> Result<()> {
    let output = landfall(config, nats, User::Setup, &["setup"]).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`landfall setup` fails:\n{said}");
    Ok(())
}

/// Tries again, as services do: on a busy machine a login may time out.
pub(super) async fn connect(nats: &Nats, user: User) -> Result<async_nats::Client> {
    let password = nats.password(user).context("the user has a password")?;
    let connected = until(PATIENCE, || async {
        let options = async_nats::ConnectOptions::with_user_and_password(
            user.name().to_owned(),
            password.to_owned(),
        );
        let options = options.custom_inbox_prefix(user.inbox());
        options.connect(nats.url()).await.ok()
    });
    let client = connected.await;
    client.with_context(|| format!("nats does not let {user} in within {PATIENCE:?}"))
}

/// The command `landfall`, to be run as `user`.
pub(super) fn command(config: &Path, nats: &Nats, user: User, arguments: &[&str]) -> Command {
    let mut command = Command::new(program::landfall());
    command
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env("LANDFALL_NATS__USER", user.name())
        .env(
            "LANDFALL_NATS__PASSWORD",
            nats.password(user).unwrap_or_default(),
        );
    command
}

/// Runs the command `landfall` as `user`.
pub(super) async fn landfall(
    config: &Path,
    nats: &Nats,
    user: User,
    arguments: &[&str],
) -> Result<Output> {
    let mut command = command(config, nats, user, arguments);
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}
