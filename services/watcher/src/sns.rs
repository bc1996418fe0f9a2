//! Messages of Amazon SNS, which has no token of ours: whether one is genuine and of a topic of
//! ours, and the answer to its question whether it may send.
//!
//! Anybody can have SNS sign messages, of a topic of theirs. So what lets a message in is the name
//! of its topic, which is signed; and that the certificate is from SNS itself, since it was fetched
//! from SNS's own host. A message that is sent again does nothing that it has not done already.
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>

mod message;
mod place;
mod signer;
mod web;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Uri;
use failpoint::{Call, Subject, around};
use tokio::sync::Semaphore;

pub(crate) use web::Https;

use message::{Kind, Message};
use signer::Signer;
use web::Web;

/// The header of every message of SNS over HTTP.
pub(crate) const HEADER: &str = "x-amz-sns-message-type";
/// Certificates that are kept: SNS has one a region, and changes it once a year.
const SIGNERS: usize = 16;
/// What is fetched at once, however many ask.
const FETCHES: usize = 4;

/// What may come in from SNS.
pub(crate) struct Sns {
    topics: HashSet<String>,
    web: Arc<dyn Web>,
    signers: Mutex<HashMap<Uri, Arc<Signer>>>,
    fetches: Semaphore,
}

/// A message that is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Genuine {
    /// It tells of something.
    Notification,
    /// It is about the subscription itself, and was answered.
    Subscription,
}

/// A message that is not let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not from SNS, or from no topic of ours.
    Foreign(String),
    /// SNS did not answer what had to be asked.
    Away(String),
}

impl Sns {
    /// For these topics; none where there are none. An error is what is no topic's name.
    pub(crate) fn of(topics: &[String], web: Arc<dyn Web>) -> Result<Option<Self>, String> {
        for topic in topics {
            // `arn:aws:sns:eu-central-1:111122223333:uploads`, or `arn:aws-cn:…`.
            let parts: Vec<&str> = topic.split(':').collect();
            if !matches!(parts[..], ["arn", _, "sns", _, _, name] if !name.is_empty()) {
                return Err(format!(
                    "`[watcher.sns] topics`: `{topic}` is no topic; the name of one is \
                     arn:aws:sns:REGION:ACCOUNT:NAME"
                ));
            }
        }
        Ok((!topics.is_empty()).then(|| Self {
            topics: topics.iter().cloned().collect(),
            web,
            signers: Mutex::default(),
            fetches: Semaphore::new(FETCHES),
        }))
    }

    /// Judges a message, and confirms a subscription.
    pub(crate) async fn admit(&self, body: &[u8]) -> Result<Genuine, Refused> {
        let foreign = Refused::Foreign;
        let message = Message::read(body).map_err(foreign)?;
        if !self.topics.contains(&*message.topic) {
            return Err(foreign(format!(
                "the topic `{}` is not in `[watcher.sns] topics`",
                message.topic.escape_debug()
            )));
        }
        let certificate = place::certificate(&message.certificate).map_err(foreign)?;
        let signer = self.signer(certificate).await?;
        let kind = message.kind().map_err(foreign)?;
        let text = message.signed(kind).map_err(foreign)?;
        signer
            .check(&message.version, &text, &message.signature)
            .map_err(foreign)?;
        match kind {
            Kind::Notification => return Ok(Genuine::Notification),
            Kind::Subscribe => {
                let url = message.subscribe.as_deref().unwrap_or_default();
                let url = place::confirmation(url).map_err(foreign)?;
                self.get(&url).await?;
                tracing::info!(topic = %message.topic, "confirmed that SNS may send");
            }
            Kind::Unsubscribe => tracing::warn!(
                topic = %message.topic,
                "SNS does not send any more: somebody has ended the subscription"
            ),
        }
        Ok(Genuine::Subscription)
    }

    async fn signer(&self, certificate: Uri) -> Result<Arc<Signer>, Refused> {
        if let Some(known) = self.known().get(&certificate) {
            return Ok(Arc::clone(known));
        }
        let pem = self.get(&certificate).await?;
        let signer = Signer::of(&pem).map_err(Refused::Foreign)?;
        let signer = Arc::new(signer);
        let mut known = self.known();
        if known.len() >= SIGNERS {
            known.clear();
        }
        known.insert(certificate, Arc::clone(&signer));
        Ok(signer)
    }

    async fn get(&self, url: &Uri) -> Result<Vec<u8>, Refused> {
        let _turn = self.fetches.acquire().await;
        let answer = around(Call::SnsGet, Subject::NONE, self.web.get(url)).await;
        answer.map_err(|reason| Refused::Away(format!("{url} cannot be fetched: {reason}")))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Uri, Arc<Signer>>> {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
