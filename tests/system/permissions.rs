//! The permission table, as a server enforces it.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use async_nats::{Client, ConnectOptions, Event};
use proto::User::{self, Ingest, Mover, Notifier, Operator, Setup, Watcher};
use servers::nats::{self, Nats};
use tests::{PATIENCE, run, until};

/// What is tried, and who may.
const PUBLICATIONS: [(&str, &[User]); 22] = [
    ("files.0.arrived.default", &[Watcher]),
    ("files.0.ingested.default", &[Ingest]),
    ("files.0.rejected.default", &[Ingest]),
    ("files.0.superseded.default", &[Ingest]),
    ("files.0.moved.default", &[Mover]),
    ("files.0.failed.default", &[Ingest, Mover, Notifier]),
    ("files.0.notified.default", &[Notifier]),
    ("files.0.commanded.default", &[]),
    ("storage.http", &[Watcher]),
    ("storage.minio", &[]),
    ("dead.watcher", &[Watcher]),
    ("dead.ingest", &[Ingest]),
    ("delay.wait.0.0", &[Notifier]),
    ("delay.due", &[]),
    ("$JS.ACK.FILES.ingest.1.1.1.1.0", &[Ingest]),
    ("$JS.API.CONSUMER.MSG.NEXT.FILES.ingest", &[Ingest]),
    ("$JS.API.CONSUMER.MSG.NEXT.DEAD.mover", &[Mover]),
    ("$JS.API.STREAM.CREATE.FILES", &[Setup]),
    ("$JS.API.STREAM.DELETE.FILES", &[]),
    ("$JS.API.STREAM.PURGE.DELAY", &[]),
    ("$JS.API.STREAM.MSG.DELETE.FILES", &[]),
    ("$SYS.REQ.SERVER.PING", &[]),
];

const SUBSCRIPTIONS: [(&str, &[User]); 6] = [
    ("files.>", &[Operator]),
    ("storage.>", &[]),
    (">", &[]),
    ("_INBOX.>", &[]),
    ("_INBOX_ingest.>", &[Ingest]),
    ("_INBOX_operator.>", &[Operator]),
];

/// Nobody may say this, so its denial tells that everything before it was looked at.
const LAST: &str = "last.of.all";

#[test]
fn each_user_may_do_what_the_contract_says_and_the_server_denies_the_rest() {
    run(async {
        let folder = tempfile::tempdir()?;
        let nats = Nats::start(folder.path(), nats::Options::default()).await?;
        for user in User::ALL {
            let (client, denied) = connect(&nats, user).await?;
            let mut subscriptions = Vec::new();
            for (subject, _) in SUBSCRIPTIONS {
                subscriptions.push(client.subscribe(subject).await?);
            }
            for (subject, _) in PUBLICATIONS {
                client.publish(subject, "".into()).await?;
            }
            client.publish(LAST, "".into()).await?;
            client.flush().await?;

            let all = || {
                denied
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone()
            };
            until(PATIENCE, || async {
                all().iter().any(|text| text.contains(LAST)).then_some(())
            })
            .await
            .context("the server does not deny what nobody may")?;
            let expected: BTreeSet<String> = [("Publish", LAST)]
                .into_iter()
                .chain(forbidden(user, "Publish", &PUBLICATIONS))
                .chain(forbidden(user, "Subscription", &SUBSCRIPTIONS))
                .map(|(action, subject)| {
                    format!("Permissions Violation for {action} to \"{subject}\"").to_lowercase()
                })
                .collect();
            let denied = all();
            ensure!(
                denied == expected,
                "{user}: denied are {denied:#?}, not {expected:#?}"
            );
        }
        Ok(())
    });
}

fn forbidden<'a>(
    user: User,
    action: &'a str,
    tried: &'a [(&str, &[User])],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    tried
        .iter()
        .filter(move |(_, who)| !who.contains(&user))
        .map(move |(subject, _)| (action, *subject))
}

/// Connects as `user`; the texts of what the server denies gather beside.
async fn connect(nats: &Nats, user: User) -> Result<(Client, Arc<Mutex<BTreeSet<String>>>)> {
    let denied = Arc::new(Mutex::new(BTreeSet::new()));
    let gather = Arc::clone(&denied);
    let password = nats.password(user).context("each user has a password")?;
    let client = ConnectOptions::with_user_and_password(user.name().into(), password.into())
        .event_callback(move |event| {
            if let Event::ServerError(error) = event {
                let text = error.to_string().to_lowercase();
                let text = text
                    .trim_start_matches("nats: ")
                    .trim_matches('\'')
                    .to_owned();
                gather
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(text);
            }
            async {}
        })
        .connect(nats.url())
        .await?;
    Ok((client, denied))
}
