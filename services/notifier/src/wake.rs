//! The step on `delay.due`: looks at the mail's row and does what it says.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use proto::event::MailOutcome;
use proto::{Data, Event};
use runtime::{Message, Step, Trouble, telemetry};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::desk::{Desk, Filed};
use crate::row::Next;
use crate::smtp::{Envelope, Fate, Offer, Refusal};

/// For how long everyone waits for receivers that the server will not take now.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// Wakes for a mail: sends it if the row says that it is time.
///
/// Safe to repeat: a wake says nothing but *look*. Each step is taken by compare-and-set on the
/// row that was looked at; whoever comes second looks again. The body goes out only under a claim,
/// and nobody sends under the claim of another.
///
/// An outage of the mail server is none of the mail's: it is answered as one, so that the loop
/// stops pulling wakes, counts no tries, and goes on when the server is back. What the server
/// says about this mail is counted, and waited for, in the mail's row.
pub(crate) struct Wake {
    pub(crate) desk: Arc<Desk>,
    /// Cancelled when the service is asked to stop. A body may take ten minutes, and the drain
    /// would cut it: none is begun then.
    pub(crate) stop: CancellationToken,
}

#[async_trait]
impl Step for Wake {
    async fn run(&self, event: &Event, message: &Message) -> Result<Option<Data>, Trouble> {
        let desk = &self.desk;
        desk.heard(message.stored);
        // Each turn either answers, or has changed the row, or lost it to somebody who has.
        loop {
            let Some(filed) = desk.look(event).await? else {
                return Ok(desk.lost(event));
            };
            if let Some(due) = filed.row.wake() {
                let late = message.stored.duration_since(due).as_secs_f64();
                telemetry::note("landfall.due", due.to_string());
                telemetry::note("landfall.late_seconds", late);
            }
            match filed.row.next(message.stored) {
                Next::Over => return Ok(desk.told(&filed.row)),
                Next::Sleep(until) => {
                    if let Some(until) = desk.look_again(&filed.row, until) {
                        desk.schedules.order(&filed.row.event, until).await?;
                        return Ok(None);
                    }
                    desk.change(&filed, filed.row.unanswered()).await?;
                }
                Next::GiveUp => {
                    desk.change(&filed, filed.row.unanswered()).await?;
                }
                Next::Try => self.send(&filed).await?,
            }
        }
    }
}

impl Wake {
    /// One try, up to and including what it came to.
    async fn send(&self, filed: &Filed) -> Result<(), Trouble> {
        let desk = &self.desk;
        let row = &filed.row;
        self.goes_on()?;
        let date = row.date(desk.now());
        let mail = desk.compose(row, date)?;
        let envelope = Envelope {
            from: desk.settings.from.email.clone(),
            to: mail.to,
            without_the_late: row
                .first_try
                .is_some_and(|first| desk.stream_time().duration_since(first) > PATIENCE),
        };
        match desk.post.offer(&envelope).await {
            Ok(offer) => self.hand_over(filed, offer, &mail.bytes, date).await,
            Err(Refusal::Away(reason)) => Err(Trouble::Outage {
                dependency: "smtp",
                reason,
            }),
            Err(Refusal::NotNow(words, answers)) => {
                let later = row.not_now(
                    &words,
                    answers,
                    date,
                    desk.stream_time(),
                    desk.settings.retries,
                );
                desk.change(filed, later).await
            }
            Err(Refusal::Never(words, answers)) => {
                let refused = row.refused(&words, answers, date);
                desk.change(filed, refused).await
            }
        }
    }

    /// An outage of our own, so to speak: while the service stops, the runtime hands back whatever
    /// meets one.
    fn goes_on(&self) -> Result<(), Trouble> {
        if self.stop.is_cancelled() {
            return Err(Trouble::Outage {
                dependency: "notifier",
                reason: "it is being stopped".to_owned(),
            });
        }
        Ok(())
    }

    /// The server waits for the body: claim the mail, send, and write down what became of it.
    async fn hand_over(
        &self,
        filed: &Filed,
        offer: Box<dyn Offer>,
        mail: &[u8],
        date: Timestamp,
    ) -> Result<(), Trouble> {
        let desk = &self.desk;
        let endpoint = &desk.settings.endpoint;
        self.goes_on()?;
        let start = Instant::now();
        let claimed = filed.row.claim(
            desk.new_claim(),
            date,
            desk.now(),
            endpoint.claim_holds(),
            offer.answers(),
        );
        if let Some(deadline) = claimed.wake() {
            // Before the claim: should we die under it, somebody looks at its deadline.
            desk.schedules.order(&claimed.event, deadline).await?;
        }
        let Some(filed) = desk.insist(filed, claimed).await? else {
            // Somebody else has the mail. The offer is dropped, and with it the connection.
            return Ok(());
        };
        if start.elapsed() > endpoint.claim_timeout() || self.stop.is_cancelled() {
            // The journal took so long that the server may have hung up, or the service stops by
            // now. Nothing was sent: the claim can be undone by its owner, and by nobody else.
            drop(offer);
            desk.insist(&filed, filed.row.unclaimed()).await?;
            return Ok(());
        }
        let fate = offer.hand_over(mail).await;
        let row = &filed.row;
        let after = match &fate {
            Fate::Accepted(words) => row.answered(MailOutcome::Accepted, words),
            Fate::Never(words) => row.answered(MailOutcome::Refused, words),
            Fate::Unknown(words) => row.answered(MailOutcome::Unknown, words),
            Fate::NotNow(words) => row.not_now(
                words,
                row.denied(words),
                date,
                desk.stream_time(),
                desk.settings.retries,
            ),
        };
        if desk.insist(&filed, after).await?.is_none() {
            tracing::warn!(
                ?fate,
                "the answer came after the claim's deadline; the mail is recorded as unknown"
            );
        }
        Ok(())
    }
}
