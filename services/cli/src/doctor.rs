//! `landfall doctor`: tries every connection and right that the services need, by what they are
//! configured with, and says in a line each what is wrong and what mends it.
//!
//! Nothing is sent, and nobody's data is touched. What it writes are objects of five bytes whose
//! names the watcher passes over, and they are removed, also where it is interrupted.

mod clock;
mod databases;
mod mail;
mod nats;
mod notification;
mod policy;
mod report;
mod storage;

use std::time::Duration;

use objects::{Objects, Trial};
use proto::User;
use runtime::Config;

use crate::failure::Failure;
use crate::options;
use report::{Report, Verdict};

/// How long a server may take for one answer, whatever the services would wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the checks; exit code 1 if anything is wrong.
pub(crate) async fn run(config: &Config, options: options::Doctor) -> Result<(), Failure> {
    let scope = Scope::of(config, options.user);
    if let Some(kind) = options.print_policy {
        return policy::print(config, &scope, kind);
    }
    let mut config = config.clone();
    for patience in [
        &mut config.objects.timeout,
        &mut config.notifier.smtp.timeout,
    ] {
        *patience = PATIENCE.min(*patience);
    }
    let mut report = Report::new(options.json)?;
    let connected = nats::check(&mut report, &scope, &config).await?;
    let trial = trial(&mut report, &scope, &config).await?;
    let rest = async {
        let written = match &trial {
            Some(trial) => storage::check(&mut report, &scope, &config, trial).await?,
            None => false,
        };
        databases::check(&mut report, &scope, &config).await?;
        mail::check(&mut report, &scope, &config).await?;
        let trial = trial.as_ref().filter(|_| written);
        let patience = options.patience;
        let connected = connected.as_ref();
        notification::check(&mut report, &scope, &config, (connected, trial), patience).await
    };
    let outcome = rest.await;
    // Whatever happened: what was written goes.
    if let Some(trial) = &trial {
        for left in trial.clean().await {
            report.say(storage::STORAGE, "clean up", Verdict::Wrong, &left)?;
        }
    }
    outcome?;
    report.end()
}

/// The store's client, if anybody here needs the store.
async fn trial(
    report: &mut Report,
    scope: &Scope,
    config: &Config,
) -> Result<Option<Trial>, Failure> {
    let users = scope.users().into_iter();
    if users.map(objects::rights::needs).all(<[_]>::is_empty) {
        return Ok(None);
    }
    match Objects::new(&config.objects).await {
        Ok(objects) => Ok(Some(Trial::new(objects))),
        Err(error) => {
            let (check, wrong) = ("connection", error.to_string());
            report.say(storage::STORAGE, check, Verdict::Wrong, &wrong)?;
            Ok(None)
        }
    }
}

/// Whose needs are looked at.
pub(crate) struct Scope {
    /// Who connects to NATS.
    user: User,
    /// Nobody else's needs matter.
    only: bool,
}

impl Scope {
    /// Who was asked for; else everybody, as the configured user.
    fn of(config: &Config, asked: Option<options::Who>) -> Self {
        let configured = || {
            let name = config.nats.user.as_deref()?;
            User::ALL.into_iter().find(|user| user.name() == name)
        };
        Self {
            user: asked
                .map(User::from)
                .or_else(configured)
                .unwrap_or(User::Operator),
            only: asked.is_some(),
        }
    }

    fn users(&self) -> Vec<User> {
        let all = User::ALL.into_iter();
        all.filter(|user| self.has(*user)).collect()
    }

    fn has(&self, user: User) -> bool {
        !self.only || self.user == user
    }
}
