//! Everything that runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, anyhow};
use proto::User;
use runtime::Config;
use runtime::config::secret::Secret;
use servers::nats::{self, Access};
use servers::port::Port;
use servers::seaweedfs::{self, Webhook};
use servers::{MailCatcher, Nats, SeaweedFs, process};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::configuration::{Connections, Wishes};
use super::parts::Part;
use super::service::Service;
use super::state::State;
use super::talk::Talk;
use super::written;
use crate::{output, settings};

/// The services, in the order of a file's way.
const SERVICES: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// Servers and services, kept running.
pub(crate) struct Installation {
    folder: PathBuf,
    /// As a person with the command line sees it.
    pub(crate) config: Config,
    /// Where the store can be looked at in a browser.
    pub(crate) browse: String,
    /// Where the mails are.
    pub(crate) mails: PathBuf,
    /// The ports on which the services have their metrics.
    pub(crate) metrics: Vec<(User, u16)>,
    servers: Group,
    services: Group,
    /// Its port stays this installation's while the watcher is down.
    _watcher: Port,
}

/// Parts that are ended together.
struct Group {
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
    broken: watch::Sender<Option<String>>,
}

impl Installation {
    /// Starts everything; it is ready when this returns.
    pub(crate) async fn start(folder: &Path, wishes: &Wishes, talk: &Talk) -> anyhow::Result<Self> {
        talk.note(&format!(
            "starting NATS, SeaweedFS and a mail catcher in {}",
            output::short(folder)
        ));
        let mut state = State::read(folder)?;
        // The store is told where the watcher listens before the watcher does.
        let watcher = Port::preferably(state.ports.watcher)?;
        let (nats, store, mail) = servers(folder, &state, &watcher, wishes).await?;
        state.ports.nats = Some(nats.port());
        state.ports.store = Some(store.port());
        state.ports.mail = Some(mail.port());
        state.ports.watcher = Some(watcher.number());
        state.write(folder)?;

        let file = folder.join(settings::FILE);
        let connections = connections(&state, &nats, &store, &mail);
        let text = wishes.effective(Some(&connections), folder);
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        process::write(&file, &text)?;
        let config = written(&file, &text)?;
        let before = written(&file, &before).ok();
        let gone = gone(before.as_ref(), &config);
        if !gone.is_empty() {
            let gone = gone.join(", ");
            talk.note(&format!(
                "profiles of the last start that are not in this one's configuration: {gone}"
            ));
        }
        set_up(&config, &nats, talk).await?;

        talk.note("starting the services");
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs)?;
        let mut services = Vec::new();
        for user in SERVICES {
            let password = nats.password(user).unwrap_or_default();
            services.push(Service::start(user, &file, password, &logs, *talk)?);
        }
        for service in &services {
            service.ready().await?;
        }
        let (browse, mails) = (format!("{}/buckets/", store.filer()), mail.mails_folder());
        let metrics = services.iter().map(Service::probes).collect();
        let servers = vec![Part::Nats(nats), Part::Store(store), Part::Mail(mail)];
        let services = services.into_iter().map(Part::Service).collect();
        Ok(Self {
            folder: folder.to_owned(),
            config,
            browse,
            mails,
            metrics,
            servers: Group::new(servers, *talk),
            services: Group::new(services, *talk),
            _watcher: watcher,
        })
    }

    /// The folder of everything.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until something ends for good. The error says what.
    pub(crate) async fn broken(&self) -> anyhow::Error {
        tokio::select! {
            error = self.services.broken() => error,
            error = self.servers.broken() => error,
        }
    }

    /// Ends everything, the services first.
    pub(crate) async fn stop(&self) {
        self.services.stop().await;
        self.servers.stop().await;
    }
}

async fn servers(
    folder: &Path,
    state: &State,
    watcher: &Port,
    wishes: &Wishes,
) -> anyhow::Result<(Nats, SeaweedFs, MailCatcher)> {
    let nats_options = nats::Options {
        access: Access::Users(HashMap::from([(User::Operator, state.operator.clone())])),
        port: state.ports.nats,
        ..nats::Options::default()
    };
    let store_options = seaweedfs::Options {
        buckets: wishes.buckets()?,
        webhook: Some(Webhook {
            url: format!("http://127.0.0.1:{}/events", watcher.number()),
            token: state.token.clone(),
            paths: wishes.watched_paths()?,
        }),
        port: state.ports.store,
        keys: Some((state.access_key.clone(), state.secret_key.clone())),
        ..seaweedfs::Options::default()
    };
    let (nats, store, mail) = (
        folder.join("nats"),
        folder.join("seaweedfs"),
        folder.join("mail"),
    );
    tokio::try_join!(
        Nats::start(&nats, nats_options),
        SeaweedFs::start(&store, store_options),
        MailCatcher::start(&mail, state.ports.mail),
    )
}

fn connections(state: &State, nats: &Nats, store: &SeaweedFs, mail: &MailCatcher) -> Connections {
    Connections {
        nats: nats.url(),
        operator: state.operator.clone(),
        endpoint: store.endpoint(),
        access_key: state.access_key.clone(),
        secret_key: state.secret_key.clone(),
        mail: mail.port(),
        watcher: state.ports.watcher.unwrap_or_default(),
        token: state.token.clone(),
    }
}

/// The profiles that were configured before, and are not any more.
fn gone<'a>(before: Option<&'a Config>, now: &Config) -> Vec<&'a str> {
    let known = |name: &str| now.profiles.iter().any(|profile| profile.name == name);
    let before = before.into_iter().flat_map(|before| &before.profiles);
    let names = before.map(|profile| profile.name.as_str());
    names.filter(|name| !known(name)).collect()
}

/// What `landfall setup` does, with its rights.
async fn set_up(config: &Config, nats: &Nats, talk: &Talk) -> anyhow::Result<()> {
    let mut config = config.clone();
    config.nats.user = Some(User::Setup.name().to_owned());
    config.nats.password = nats.password(User::Setup).map(Secret::new);
    let done = runtime::setup(&config).await.context("setup")?;
    if !done.is_empty() {
        let done = done.len();
        talk.note(&format!(
            "made or changed {done} of the streams and consumers"
        ));
    }
    Ok(())
}

impl Group {
    fn new(parts: Vec<Part>, talk: Talk) -> Self {
        let (stop, _) = watch::channel(false);
        let (broken, _) = watch::channel(None);
        let mut tasks = JoinSet::new();
        for part in parts {
            let (stop, tell) = (stop.subscribe(), broken.clone());
            tasks.spawn(async move {
                if let Err(error) = part.keep(stop, talk).await {
                    tell.send_replace(Some(format!("{error:#}")));
                }
            });
        }
        Self {
            stop,
            tasks: Mutex::new(tasks),
            broken,
        }
    }

    async fn broken(&self) -> anyhow::Error {
        let mut broken = self.broken.subscribe();
        match broken.wait_for(Option::is_some).await {
            Ok(what) => anyhow!(what.clone().unwrap_or_default()),
            // The sender is here.
            Err(_) => std::future::pending().await,
        }
    }

    async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.join_all().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_that_are_not_given_again_are_known() {
        let config = |text: &str| written(Path::new("x"), text).unwrap();
        let before =
            config("profiles = [{ name = \"a\", key = \"a/*\" }, { name = \"b\", key = \"b/*\" }]");
        assert_eq!(gone(None, &before), [""; 0]);
        assert_eq!(gone(Some(&before), &before), [""; 0]);
        assert_eq!(gone(Some(&before), &config("")), ["a", "b"]);
        let now = config("profiles = [{ name = \"b\" }]");
        assert_eq!(gone(Some(&before), &now), ["a"]);
    }
}
