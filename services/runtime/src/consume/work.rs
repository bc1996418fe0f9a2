//! One message's way: handled, tried again, or given up on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_nats::jetstream::AckKind;
use futures::FutureExt;
use jiff::SignedDuration;
use proto::event::{DeadLetter, Failed};
use proto::{Data, Event, stream};
use store::journal::{Cell, Settled};
use tracing::{Instrument, Span};

use super::held::Place;
use super::{LATER, Loop, Work};
use crate::backoff::Backoff;
use crate::metering::Outcome;
use crate::outage::Fault;
use crate::{Message, Step, Trouble, dead_letter, telemetry, tries};

/// Why something did not come to its end.
enum Stuck {
    /// The service stops, in the middle of an outage.
    Stopping,
    /// It failed, and no outage is to blame.
    Failed(Fault),
}

impl Loop {
    /// Works on a message until it is answered.
    ///
    /// Safe to repeat, also by another replica at the same time: for a step the journal's cell
    /// decides; a raw message's handler must be safe itself.
    pub(super) async fn work(&self, message: Message) -> Outcome {
        let event = match &self.work {
            Work::Raw(_) => None,
            Work::Steps(_) => {
                Some(Event::parse(&message.payload).map_err(|unreadable| unreadable.to_string()))
            }
        };
        let readable = event.as_ref().and_then(|event| event.as_ref().ok());
        if let Some(event) = readable {
            record(event);
        }
        let span = telemetry::process(&self.consumer, &message, readable);
        self.through(&message, event.as_ref())
            .instrument(span)
            .await
    }

    async fn through(&self, message: &Message, event: Option<&Result<Event, String>>) -> Outcome {
        let done = self.outlast(|| self.attempt(message, event)).await;
        let event = event.and_then(|event| event.as_ref().ok());
        match done {
            Ok(()) => {
                self.held.answer(Place::of(message), AckKind::Ack).await;
                Outcome::Done
            }
            Err(Stuck::Stopping) => self.hand_back(message).await,
            Err(Stuck::Failed(Fault::Retry(reason))) => self.retry(message, event, &reason).await,
            Err(Stuck::Failed(Fault::Reject(reason))) => {
                self.give_up(message, event, &reason).await
            }
        }
    }

    async fn attempt(
        &self,
        message: &Message,
        event: Option<&Result<Event, String>>,
    ) -> Result<(), Trouble> {
        match (&self.work, event) {
            (Work::Steps(step), Some(Ok(event))) => {
                let (_, replay) = event.about();
                failpoint::on_way(replay, self.step(step, message, event)).await
            }
            (Work::Steps(_), Some(Err(reason))) => Err(Trouble::Reject {
                reason: reason.clone(),
            }),
            (Work::Raw(handler), _) => caught(handler.handle(message)).await,
            // `work` parses the message of every step.
            (Work::Steps(_), None) => Ok(()),
        }
    }

    /// A settled cell is obeyed: its outcome is published if that was not seen to be done, or if it
    /// is asked for again, and nothing else happens. Another replay of the file is another cell.
    async fn step(
        &self,
        step: &Arc<dyn Step>,
        message: &Message,
        event: &Event,
    ) -> Result<(), Trouble> {
        let outbox = &self.service.outbox;
        if let Some(settled) = self.service.journal.settled(Cell::of(event)).await? {
            caught(step.stored(&settled.event, None)).await?;
            if self.consumer.stream == stream::FILES && is_asked_again(message, &settled) {
                return outbox.repeat(Cell::of(event)).await.map(drop);
            }
            return outbox.finish(settled).await.map(drop);
        }
        let Some(answer) = caught(step.run(event, message)).await? else {
            return Ok(());
        };
        let (file, replay) = answer.about();
        if (file.id, replay) != (event.about().0.id, event.about().1) {
            return Err(Trouble::Retry {
                reason: format!(
                    "the step answered about replay {replay} of file {}",
                    file.id
                ),
            });
        }
        let settled = outbox.decide(answer.clone()).await?;
        caught(step.stored(&settled.event, Some(&answer))).await?;
        outbox.finish(settled).await.map(drop)
    }

    async fn retry(&self, message: &Message, event: Option<&Event>, reason: &str) -> Outcome {
        let service = &self.service;
        let stream = self.consumer.stream.name;
        let count = || tries::count(&*service.journal, stream, message, reason);
        let tries = match self.outlast(count).await {
            Ok(tries) => tries,
            Err(stuck) => return self.stuck(message, &stuck).await,
        };
        let limit = service.config.service.tries;
        if tries >= limit {
            let reason = format!("failed {tries} times, at last: {reason}");
            return self.give_up(message, event, &reason).await;
        }
        let wait = Backoff::of_tries(service.config.service.retry_after).jittered(tries);
        tracing::warn!(
            tries,
            limit,
            reason,
            again_in_seconds = wait.as_secs_f64(),
            "failed; will be tried again"
        );
        let later = AckKind::Nak(Some(wait));
        self.held.answer(Place::of(message), later).await;
        Outcome::Retried
    }

    async fn give_up(&self, message: &Message, event: Option<&Event>, reason: &str) -> Outcome {
        match self.bury(message, event, reason).await {
            Ok(()) => Outcome::Rejected,
            Err(stuck) => self.stuck(message, &stuck).await,
        }
    }

    /// Dead letter, then `failed`, then the acknowledgement: a crash between any two repeats what
    /// came before, and the cell keeps its first outcome.
    async fn bury(
        &self,
        message: &Message,
        event: Option<&Event>,
        reason: &str,
    ) -> Result<(), Stuck> {
        let reason = dead_letter::one_line(reason);
        let stream = self.consumer.stream.name;
        let bury = || self.service.bury(stream, message, event, &reason);
        let letter = self.outlast(bury).await?;
        tracing::error!(reason, dead_letter = letter.sequence, "given up");
        telemetry::failed(&Span::current(), "given_up", &reason);
        if let Some(event) = event {
            let fail = || self.fail(event, &reason, letter.clone());
            self.outlast(fail).await?;
        }
        self.held.answer(Place::of(message), AckKind::Ack).await;
        Ok(())
    }

    async fn fail(&self, event: &Event, reason: &str, letter: DeadLetter) -> Result<(), Trouble> {
        let settled = self.service.fail(event, reason, letter).await?;
        if let Work::Steps(step) = &self.work {
            match caught(step.stored(&settled.event, None)).await {
                Ok(()) => {}
                outage @ Err(Trouble::Outage { .. }) => return outage,
                // The file is given up already; its outcome must be heard of all the same.
                Err(trouble) => tracing::error!(reason = trouble.to_string(), "tidying up failed"),
            }
        }
        self.service.outbox.finish(settled).await.map(drop)
    }

    /// Runs something until it meets no outage.
    async fn outlast<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, Stuck>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let service = &self.service;
        let outlasted = service
            .outages
            .outlast(&service.stop, &self.gate, attempt)
            .await;
        outlasted.ok_or(Stuck::Stopping)?.map_err(Stuck::Failed)
    }

    /// Not even giving up worked. Nothing is lost: the message comes again, and when its
    /// deliveries run out the server's advisory is the next to try.
    async fn stuck(&self, message: &Message, stuck: &Stuck) -> Outcome {
        let Stuck::Failed(fault) = stuck else {
            return self.hand_back(message).await;
        };
        let reason = Trouble::from(fault.clone()).to_string();
        tracing::error!(reason, "cannot be given up on; will be tried again");
        let later = AckKind::Nak(Some(LATER));
        self.held.answer(Place::of(message), later).await;
        Outcome::Retried
    }

    async fn hand_back(&self, message: &Message) -> Outcome {
        self.ended.cancelled().await;
        self.held
            .answer(Place::of(message), AckKind::Nak(None))
            .await;
        Outcome::Returned
    }
}

impl crate::service::Service {
    /// The message as a dead letter.
    pub(crate) async fn bury(
        &self,
        stream: &'static str,
        message: &Message,
        event: Option<&Event>,
        reason: &str,
    ) -> Result<DeadLetter, Trouble> {
        let trace = event.map(|event| telemetry::traceparent(event.subject, &event.id));
        dead_letter::publish(self, stream, message, reason, trace.as_deref()).await
    }

    /// Settles `failed` for the event's file, unless its cell has an outcome already. Answers what
    /// is stored, to be published.
    pub(crate) async fn fail(
        &self,
        event: &Event,
        reason: &str,
        dead_letter: DeadLetter,
    ) -> Result<Settled, Trouble> {
        let (file, replay) = event.about();
        let failed = Data::Failed(Failed {
            file: file.clone(),
            replay,
            step: self.user,
            reason: reason.to_owned(),
            dead_letter,
            replayed: event.replayed(),
        });
        self.outbox.decide(failed).await
    }
}

/// Whether the input was published long after its outcome was settled. Then it is no late copy:
/// the watcher's sweep says `arrived` again where nothing came of an outcome (the stream lost it),
/// and each step has to say its own again. (Of an event in `FILES` only: a wake that comes long
/// after the mail has ended asks for nothing.)
fn is_asked_again(message: &Message, settled: &Settled) -> bool {
    const LONG: SignedDuration = SignedDuration::from_mins(1);
    message.stored.duration_since(settled.event.time) > LONG
}

/// What a handler answers; a panic is a content error like any other.
async fn caught<T>(handler: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    match AssertUnwindSafe(handler).catch_unwind().await {
        Ok(answer) => answer,
        Err(panic) => {
            let what = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            Err(Trouble::Retry {
                reason: format!("the handler panicked: {what}"),
            })
        }
    }
}

/// Puts the file into the message's span.
fn record(event: &Event) {
    let (file, replay) = event.about();
    let span = Span::current();
    span.record("file", tracing::field::display(file.id));
    span.record("key", file.key.as_str());
    span.record("replay", replay);
}
