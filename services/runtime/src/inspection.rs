//! NATS as a user finds it, looked at for `landfall doctor`. Nothing is stored, taken or changed.
//!
//! A right to publish is tried by publishing: whether the server refuses is known then alone. What
//! goes out is such that nothing comes of it ([`harmless`]), and each is answered, so that silence
//! never has to be taken for consent.

use std::sync::Arc;
use std::time::Duration;

use async_nats::header::{HeaderMap, NATS_EXPECTED_STREAM};
use async_nats::jetstream;
use async_nats::{Client, Request, RequestErrorKind, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;
use proto::User;
use proto::consumer::Consumer;
use proto::stream::Stream;
use proto::user::permissions;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use crate::config::nats::Config;
use crate::nats::{self, Denials, Link};
use crate::outage::Outages;
use crate::{layout, setup, verify};

/// A connection as one user of the contract.
pub struct Inspection {
    user: User,
    config: Config,
    client: Client,
    jetstream: jetstream::Context,
    link: Arc<Link>,
}

/// Why a right that was tried is not there, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The server refuses the user to publish there.
    Publishing,
    /// It refuses the user its answers: nothing else can be tried.
    Answers,
    /// Neither an answer nor a refusal came. Why.
    Unknown(String),
}

/// What is said on a subject from now on.
pub struct Heard {
    subscriber: Subscriber,
    denials: Denials,
}

impl Inspection {
    /// Connects as the configured user, or by the name of `user`. The error is one line that says
    /// what is wrong.
    pub async fn connect(user: User, config: &Config) -> Result<Self, String> {
        let link = Arc::new(Link::default());
        let outages = Arc::new(Outages::default());
        let client = nats::connect(user, config, Arc::clone(&link), outages).await?;
        Ok(Self {
            user,
            config: config.clone(),
            jetstream: jetstream::new(client.clone()),
            client,
            link,
        })
    }

    /// The server's version; an error where it is too old.
    pub fn version(&self) -> Result<String, String> {
        setup::new_enough(&self.client, &self.config)
    }

    /// Tries whether the user may publish to a subject of `pattern`, which is one of the contract's
    /// [`permissions`].
    #[expect(clippy::disallowed_methods, reason = "a person looks")]
    pub async fn try_publishing(&self, pattern: &str) -> Result<(), Withheld> {
        let (subject, request) = harmless(pattern);
        let asked = self.client.send_request(subject, request);
        match self.unless_denied(asked).await {
            Err(denied) if is_about_subscriptions(&denied) => Err(Withheld::Answers),
            Err(_) => Err(Withheld::Publishing),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => match error.kind() {
                // It was let through, and nobody was there.
                RequestErrorKind::NoResponders => Ok(()),
                _ => Err(Withheld::Unknown(error.to_string())),
            },
        }
    }

    /// Whether a stream is as `setup` makes it; the error says what differs and how to mend it.
    /// Answers what differs of what services do not depend on.
    pub async fn stream(&self, stream: &Stream) -> Result<Vec<String>, String> {
        let looked = verify::stream(&self.jetstream, stream, &self.config);
        let have = self.unless_denied(looked).await??;
        let want = layout::stream(stream, &self.config);
        Ok(layout::stream_tuning(&have, &want))
    }

    /// Whether a consumer is as `setup` makes it; the error says what differs and how to mend it.
    /// Answers whether anybody waits for its messages.
    pub async fn consumer(&self, consumer: &Consumer) -> Result<bool, String> {
        let looked = verify::consumer(&self.jetstream, consumer, &self.config);
        let pull = self.unless_denied(looked).await??;
        let info = pull.cached_info();
        // A service that has all its hands full asks for no more.
        Ok(info.num_waiting > 0 || info.num_ack_pending > 0)
    }

    /// The time by `JetStream`'s clock; none if it does not say.
    #[expect(clippy::disallowed_methods, reason = "a person looks")]
    pub async fn now(&self) -> Option<Timestamp> {
        #[derive(Deserialize)]
        struct Answer {
            ts: Timestamp,
        }
        let publish = permissions(self.user).publish;
        let mut asking = publish
            .iter()
            .filter(|subject| subject.starts_with("$JS.API.STREAM.INFO."));
        let subject = asking.next()?.replace('*', proto::stream::FILES.name);
        let asked = self.client.request(subject, Bytes::new());
        let answer = self.unless_denied(asked).await.ok()?.ok()?;
        let answer: Answer = serde_json::from_slice(&answer.payload).ok()?;
        Some(answer.ts)
    }

    /// Listens on a subject from now on.
    #[expect(clippy::disallowed_methods, reason = "a person looks")]
    pub async fn listen(&self, subject: &str) -> Result<Heard, String> {
        let denials = self.link.denials();
        let subscriber = self.client.subscribe(subject.to_owned()).await;
        let heard = Heard {
            subscriber: subscriber.map_err(|error| error.to_string())?,
            denials,
        };
        // It is answered after the server has taken the subscription, or refused it.
        self.now().await;
        Ok(heard)
    }

    /// What comes of `work`, or what the server refuses meanwhile: then its answer never comes.
    async fn unless_denied<T>(&self, work: impl Future<Output = T>) -> Result<T, String> {
        let mut denials = self.link.denials();
        tokio::select! {
            done = work => Ok(done),
            denied = denied(&mut denials) => Err(denied),
        }
    }
}

impl Heard {
    /// The subject of the first message whose payload holds `mark`; none within `time`. The error
    /// is what the server refuses.
    pub async fn mention(&mut self, mark: &str, time: Duration) -> Result<Option<String>, String> {
        let Self {
            subscriber,
            denials,
        } = self;
        let mention = async {
            while let Some(message) = subscriber.next().await {
                let mut parts = message.payload.windows(mark.len());
                if parts.any(|part| part == mark.as_bytes()) {
                    return Some(message.subject.to_string());
                }
            }
            None
        };
        tokio::select! {
            heard = tokio::time::timeout(time, mention) => Ok(heard.ok().flatten()),
            denied = denied(denials) => Err(denied),
        }
    }
}

/// Waits until the server refuses something, and answers what.
async fn denied(denials: &mut Denials) -> String {
    loop {
        match denials.recv().await {
            Ok(what) => return what,
            Err(RecvError::Lagged(_)) => {}
            // The connection is gone: nothing more is refused.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn is_about_subscriptions(denied: &str) -> bool {
    denied.to_ascii_lowercase().contains("for subscription")
}

/// A subject of `pattern`, and what can be published there without anything coming of it:
///
/// | subject | payload | then the server |
/// |---|---|---|
/// | `$JS.ACK.…` | a sign of life about a message that is not under way | answers, and does nothing |
/// | `$JS.API.…INFO…` | nothing | answers |
/// | `$JS.API.…` | half an object of JSON | says that it cannot read it |
/// | a stream's | nothing, for another stream than takes it | says that it is the wrong stream |
fn harmless(pattern: &str) -> (String, Request) {
    if let Some(consumer) = pattern.strip_suffix(".>")
        && pattern.starts_with("$JS.ACK.")
    {
        // Delivered once, a sequence that no stream comes to, at 0, none pending.
        let request = Request::new().payload("+WPI".into());
        return (format!("{consumer}.1.1000000000000000000.1.0.0"), request);
    }
    let subject = pattern.replace('>', "x");
    if subject.starts_with("$JS.API.") {
        let subject = subject.replace('*', "x");
        let payload = if is_question(&subject) { "" } else { "{" };
        return (subject, Request::new().payload(payload.into()));
    }
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_STREAM, "landfall-doctor");
    let subject = subject.replace('*', "0");
    (subject, Request::new().headers(headers))
}

/// Whether a call of JetStream only asks.
fn is_question(subject: &str) -> bool {
    let calls = [
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.",
        "$JS.API.CONSUMER.INFO.",
    ];
    calls.iter().any(|call| subject.starts_with(call))
}

#[cfg(test)]
mod tests {
    use proto::subject;

    use super::*;

    #[test]
    fn what_is_tried_is_what_the_pattern_allows() {
        for user in User::ALL {
            for pattern in permissions(user).publish {
                let (subject, _) = harmless(&pattern);
                assert!(!subject.contains(['*', '>']), "{subject}");
                assert!(subject::overlap(&pattern, &subject), "{subject}");
            }
        }
    }

    #[test]
    fn nothing_is_tried_that_could_be_stored_or_taken() {
        for pattern in User::ALL
            .map(permissions)
            .iter()
            .flat_map(|may| &may.publish)
        {
            let (subject, request) = harmless(pattern);
            let payload = request.payload.unwrap_or_default();
            match subject.get(..8) {
                Some("$JS.ACK.") => assert_eq!(payload, "+WPI", "{subject}"),
                Some("$JS.API.") if is_question(&subject) => assert_eq!(payload, "", "{subject}"),
                Some("$JS.API.") => assert_eq!(payload, "{", "{subject}"),
                _ => {
                    let headers = request.headers.unwrap();
                    assert!(headers.get(NATS_EXPECTED_STREAM).is_some(), "{subject}");
                }
            }
        }
    }
}
