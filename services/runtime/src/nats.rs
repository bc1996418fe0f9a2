//! The connection to NATS: who we are there, and what its errors mean.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::{Client, ClientError, ConnectErrorKind, ConnectOptions, Event, ServerError};
use failpoint::{Call, Subject, around};
use proto::User;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::Trouble;
use crate::backoff::Backoff;
use crate::config::nats::Config;
use crate::outage::{Outages, Waiting};

/// The label of NATS in outages.
pub(crate) const NATS: &str = "nats";

/// How long the server may be silent before the connection counts as lost.
const PING: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);

/// What may wait to be sent while the server is away, in messages: of up to 1 MiB each, so that
/// this is memory. More wait where they are made.
const UNSENT: usize = 64;

/// How many refusals are kept for whoever listens.
const DENIALS: usize = 64;

/// What the server refuses, one after the other.
pub(crate) type Denials = broadcast::Receiver<String>;

/// What the server told the connection beside its answers.
#[derive(Debug)]
pub(crate) struct Link {
    away: Mutex<Option<Waiting>>,
    denied: Mutex<Option<(Instant, String)>>,
    denials: broadcast::Sender<String>,
    connects: watch::Sender<u64>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            away: Mutex::default(),
            denied: Mutex::default(),
            denials: broadcast::Sender::new(DENIALS),
            connects: watch::Sender::default(),
        }
    }
}

impl Link {
    /// What the server refused a moment ago. It says so beside the request, whose own answer
    /// never comes.
    pub(crate) fn denied(&self) -> Option<String> {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied
            .as_ref()
            .filter(|(when, _)| when.elapsed() < 2 * TIMEOUT)
            .map(|(_, what)| what.clone())
    }

    /// What the server refuses from now on.
    pub(crate) fn denials(&self) -> Denials {
        self.denials.subscribe()
    }

    /// Counts the connections: requests for messages do not survive the one they were sent over.
    pub(crate) fn connects(&self) -> watch::Receiver<u64> {
        self.connects.subscribe()
    }

    fn event(&self, event: Event, user: &str, outages: &Arc<Outages>) {
        match event {
            Event::Disconnected => {
                let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
                away.get_or_insert_with(|| outages.begin(NATS, "the connection was lost"));
            }
            Event::Connected => {
                let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(waiting) = away.take() {
                    waiting.over();
                }
                self.connects.send_modify(|connects| *connects += 1);
            }
            Event::ServerError(ServerError::Other(what)) if is_denial(&what) => {
                let what = format!("user `{user}`: {what}");
                // Mostly nobody listens.
                let _ = self.denials.send(what.clone());
                let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
                // It comes again with every attempt; it is said once.
                if denied.as_ref().is_none_or(|(_, before)| *before != what) {
                    tracing::error!(
                        what,
                        "nats refuses; give the user the right that the contract's permissions list"
                    );
                }
                *denied = Some((Instant::now(), what));
            }
            Event::ServerError(error) => tracing::warn!(%error, "nats complains"),
            Event::SlowConsumer(_) => tracing::warn!("nats messages come in faster than read"),
            // An attempt to connect again that failed. The library goes on by itself, and the
            // outage was logged above: only what a person has to mend is said beside it.
            Event::ClientError(ClientError::Other(what)) => {
                let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
                let news = away.as_ref().is_some_and(|waiting| waiting.still(&what));
                if news && what.starts_with("auth") {
                    tracing::error!(
                        what,
                        "nats refuses user `{user}`: mend `nats.user` or `nats.password`, and \
                         start this service anew"
                    );
                }
            }
            event => tracing::debug!(%event, "nats"),
        }
    }
}

fn is_denial(what: &str) -> bool {
    what.to_ascii_lowercase().contains("permissions violation")
}

/// Connects once. The error is one line that says what is wrong.
#[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
pub(crate) async fn connect(
    user: User,
    config: &Config,
    link: Arc<Link>,
    outages: Arc<Outages>,
) -> Result<Client, String> {
    let name = config
        .user
        .clone()
        .unwrap_or_else(|| user.name().to_owned());
    let mut options = ConnectOptions::new()
        .name(format!("landfall-{user}"))
        .custom_inbox_prefix(user.inbox())
        .connection_timeout(TIMEOUT)
        .request_timeout(Some(TIMEOUT))
        .client_capacity(UNSENT)
        .ping_interval(PING);
    if let Some(password) = &config.password {
        options = options.user_and_password(name.clone(), password.expose().to_owned());
    }
    if let Some(file) = &config.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    // Also of servers that the first one names, and whatever one of them says of itself.
    options = options.require_tls(config.wants_tls());
    let logged_in_as = name.clone();
    options = options.event_callback(move |event| {
        link.event(event, &name, &outages);
        std::future::ready(())
    });
    let servers: Vec<&str> = config.url.split(',').map(str::trim).collect();
    around(Call::NatsConnect, Subject::NONE, options.connect(servers))
        .await
        .map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => format!(
                "{} refuses user `{logged_in_as}`: mend `nats.user` or `nats.password`",
                config.url
            ),
            _ => format!("cannot connect to {}: {error}", config.url),
        })
}

/// Connects, however long that takes. None: `stop` came first.
pub(crate) async fn connect_patiently(
    user: User,
    config: &Config,
    link: &Arc<Link>,
    outages: &Arc<Outages>,
    stop: &CancellationToken,
) -> Option<Client> {
    let mut waiting: Option<(Waiting, String)> = None;
    let mut failures = 0;
    loop {
        let attempt = connect(user, config, Arc::clone(link), Arc::clone(outages));
        let reason = match stop.run_until_cancelled(attempt).await? {
            Ok(client) => {
                if let Some((waiting, _)) = waiting {
                    waiting.over();
                }
                return Some(client);
            }
            Err(reason) => reason,
        };
        // Another reason than before (the server came, and refuses the password) is news.
        if waiting.as_ref().is_none_or(|(_, before)| *before != reason) {
            waiting = None;
            waiting.get_or_insert((outages.begin(NATS, &reason), reason));
        }
        failures += 1;
        let pause = tokio::time::sleep(Backoff::OUTAGE.jittered(failures));
        stop.run_until_cancelled(pause).await?;
    }
}

/// Publishes messages that are no outcomes; those are the [`crate::Outbox`]'s.
#[derive(Clone)]
pub struct Publisher {
    pub(crate) jetstream: jetstream::Context,
    pub(crate) link: Arc<Link>,
}

impl Publisher {
    /// Publishes a message and waits until `JetStream` has stored it. `point` is its failpoint.
    pub async fn publish(
        &self,
        point: (Call, Subject<'_>),
        subject: &str,
        message: PublishMessage,
    ) -> Result<(), Trouble> {
        publish(point, &self.jetstream, &self.link, subject, message)
            .await
            .map(drop)
    }
}

/// Publishes a message and waits until `JetStream` has stored it. `call`, `about`: its failpoint.
#[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
pub(crate) async fn publish(
    (call, about): (Call, Subject<'_>),
    jetstream: &jetstream::Context,
    link: &Link,
    subject: &str,
    message: PublishMessage,
) -> Result<PublishAck, Trouble> {
    // What is published without a connection waits in the client and goes out when it is back,
    // long after its publisher has given up on it and tried again.
    if jetstream.client().connection_state() != State::Connected {
        return Err(Trouble::Outage {
            dependency: NATS,
            reason: "not connected".to_owned(),
        });
    }
    let stored = async {
        let sent = jetstream.send_publish(subject.to_owned(), message);
        sent.await?.await
    };
    let stored = around(call, about, stored).await;
    stored.map_err(|error| unpublished(&error, subject, link))
}

/// What a publication that was not acknowledged means. A message that is too large is the one
/// thing that is refused.
fn unpublished(error: &PublishError, subject: &str, link: &Link) -> Trouble {
    let outage = |reason| Trouble::Outage {
        dependency: NATS,
        reason,
    };
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => Trouble::Reject {
            reason: format!("{error}; raise `max_payload` of the NATS server"),
        },
        PublishErrorKind::TimedOut => match link.denied() {
            Some(denied) => outage(denied),
            // It says nothing of a disk that was full, and stores nothing more even when there is
            // room again.
            None => outage(format!(
                "no acknowledgement for {subject} in time; if that stays so, look at the log of \
                 the NATS server: after its disk was full, make room and restart it"
            )),
        },
        PublishErrorKind::StreamNotFound => outage(format!(
            "no stream takes {subject}; if that stays so, run `landfall setup`"
        )),
        _ => outage(format!("{subject} was not stored: {error}")),
    }
}
