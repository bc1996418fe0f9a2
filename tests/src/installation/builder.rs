//! Starting an installation.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use async_nats::jetstream;
use aws_sdk_s3::Client;
use proto::User;
use servers::Port;
use servers::mail::MailCatcher;
use servers::nats::{self, Nats};
use toml::{Table, Value};

use super::{Installation, SERVICES};
use crate::bucket::Bucket;
use crate::events::Follower;
use crate::service::address;
use crate::shared::{scratch, shared};
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
}

#[derive(Debug)]
enum Setting {
    One(&'static str, Value),
    Text(String),
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

    /// Starts everything; it is ready when this returns.
    pub async fn start(self) -> Result<Installation> {
        let shared = shared().await?;
        let folder = tempfile::tempdir_in(scratch()?)?;
        let (bucket, more, target) = self.make_buckets(&shared.client).await?;
        let nats = Nats::start(&folder.path().join("nats"), nats::Options::default()).await?;
        let mail = MailCatcher::start(&folder.path().join("mail"), None).await?;

        let (port, token) = (Port::free()?, servers::random_secret());
        let listen = address(&port);
        let config = folder.path().join("landfall.toml");
        let text = format!(
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
            buckets = {buckets}
            [notifier]
            from = "Landfall <landfall@example.org>"
            to = ["lab@example.org"]
            operators = ["operators@example.org"]
            smtp = {{ host = "127.0.0.1", port = {smtp}, tls = "none" }}
            "#,
            nats = nats.url(),
            endpoint = shared.store.endpoint(),
            access = shared.store.access_key(),
            secret = shared.store.secret_key(),
            folder = folder.path().display(),
            buckets = self.watched([&bucket].into_iter().chain(&more)),
            smtp = mail.port(),
        );
        let mut settings = self.configuration(&text)?;
        if let Some(target) = &target {
            settings::set(&mut settings, "mover.target_bucket", target.name.clone())?;
        }
        std::fs::write(&config, settings.to_string())?;
        std::fs::create_dir_all(folder.path().join("data"))?;

        let mut settings = runtime::Config::load(Some(&config))?;
        settings.nats.password = nats
            .password(User::Setup)
            .map(runtime::config::secret::Secret::new);
        runtime::setup(&settings).await?;
        let client = connect(&nats, User::Operator).await?;
        let follower = Follower::start(&client).await?;
        for watched in [&bucket].into_iter().chain(&more) {
            shared.relay.connect(&watched.name, listen, &token);
        }
        let mut installation = Installation {
            bucket,
            more,
            target,
            services: vec![],
            started: 0,
            follower,
            jetstream: jetstream::new(client),
            relay: shared.relay.clone(),
            store: shared.store.process(),
            mail,
            nats,
            config,
            folder,
            _listen: port,
            finished: false,
        };
        for user in SERVICES {
            if !self.without.contains(&user) {
                installation.launch(user)?;
            }
        }
        for service in &installation.services {
            service.ready().await?;
        }
        Ok(installation)
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

    fn watched<'a>(&self, buckets: impl Iterator<Item = &'a Bucket>) -> String {
        let prefixes = if self.whole {
            ", prefixes = [\"\"]"
        } else {
            ""
        };
        let tables: Vec<String> = buckets
            .map(|bucket| format!("{{ name = \"{}\"{prefixes} }}", bucket.name))
            .collect();
        format!("[{}]", tables.join(", "))
    }

    fn configuration(&self, base: &str) -> Result<Table> {
        let mut table: Table = base.parse()?;
        for setting in &self.settings {
            match setting {
                Setting::One(path, value) => settings::set(&mut table, path, value.clone())?,
                Setting::Text(text) => settings::merge(&mut table, text)?,
            }
        }
        Ok(table)
    }
}

async fn connect(nats: &Nats, user: User) -> Result<async_nats::Client> {
    let password = nats.password(user).context("the user has a password")?;
    let client = async_nats::ConnectOptions::with_user_and_password(
        user.name().to_owned(),
        password.to_owned(),
    )
    .custom_inbox_prefix(user.inbox())
    .connect(nats.url())
    .await?;
    Ok(client)
}

/// Runs the command `landfall` as `user`.
pub(super) async fn landfall(
    config: &Path,
    nats: &Nats,
    user: User,
    arguments: &[&str],
) -> Result<Output> {
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
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    Ok(output)
}
