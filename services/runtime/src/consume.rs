//! The consume loop: pulls as many messages as there are free slots, keeps what it holds alive,
//! and stops pulling while a dependency is away.

mod held;
mod pull;
mod suspects;
mod work;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, AckKind};
use failpoint::{Call, Subject, around};
use futures::FutureExt;
use jiff::Timestamp;
use proto::consumer::Consumer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use self::held::{Held, Place};
use self::pull::{Incoming, Requests};
use self::suspects::Suspects;
use crate::backoff::Backoff;
use crate::metering::{self, Outcome};
use crate::outage::Gate;
use crate::service::Service;
use crate::verify::{self, Pull};
use crate::{Handler, Message, Step, Trouble};

/// When a message comes again with which nothing at all could be done.
const LATER: Duration = Duration::from_secs(60);

/// Who works on the messages of a consumer.
#[derive(Clone)]
pub(crate) enum Work {
    /// One step of a file's way.
    Steps(Arc<dyn Step>),
    /// A handler of raw messages.
    Raw(Arc<dyn Handler>),
}

/// One consumer, its slots and what is in them.
pub(crate) struct Loop {
    service: Arc<Service>,
    consumer: Consumer,
    work: Work,
    held: Held,
    suspects: Suspects,
    slots: Arc<Semaphore>,
    gate: Gate,
    tasks: TaskTracker,
    /// Cancelled once nothing can be delivered to this loop any more. What is handed back before
    /// that may come straight back to a subscription that nobody reads.
    ended: CancellationToken,
}

impl Loop {
    pub(crate) fn new(service: Arc<Service>, consumer: Consumer, work: Work) -> Arc<Self> {
        Arc::new(Self {
            held: Held::new(service.jetstream.client(), consumer.stream.name),
            suspects: Suspects::default(),
            slots: Arc::new(Semaphore::new(service.config.service.slots)),
            gate: Gate::new(),
            tasks: TaskTracker::new(),
            ended: CancellationToken::new(),
            service,
            consumer,
            work,
        })
    }

    /// The name of the loop, for logs and probes.
    pub(crate) fn name(consumer: &Consumer) -> String {
        format!("consumer {} of {}", consumer.name(), consumer.stream.name)
    }

    /// Consumes until the service stops; then waits for what is in the slots, and hands back what
    /// is not finished by the deadline.
    pub(crate) async fn run(self: Arc<Self>) -> Result<(), Trouble> {
        let keep_alive = tokio::spawn(Arc::clone(&self).keep_alive());
        let mut failures = 0;
        while let Some(pull) = self.verified().await {
            let since = Instant::now();
            let Some(lost) = self.pull(pull).await else {
                break;
            };
            // The first time it is looked into at once; a consumer that is lost again and again
            // must not become a busy loop.
            failures = if since.elapsed() > Duration::from_secs(60) {
                0
            } else {
                failures + 1
            };
            let name = Self::name(&self.consumer);
            tracing::info!(consumer = name, reason = lost, "asking for messages anew");
            let pause = tokio::time::sleep(Backoff::OUTAGE.jittered(failures));
            self.service.stop.run_until_cancelled(pause).await;
        }
        self.ended.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        keep_alive.abort();
        let returned = self.held.hand_back().await;
        if returned > 0 {
            let name = Self::name(&self.consumer);
            tracing::warn!(
                consumer = name,
                returned,
                "handed back what was not finished"
            );
        }
        Ok(())
    }

    /// Waits until the server has the stream and the consumer as they have to be. None: asked to
    /// stop.
    async fn verified(&self) -> Option<Pull> {
        let service = &self.service;
        let name = Self::name(&self.consumer);
        let mut failures = 0;
        loop {
            let looked = verify::verify(&service.jetstream, &self.consumer, &service.config.nats);
            let looked = around(Call::NatsVerify, Subject::NONE, looked);
            match service.stop.run_until_cancelled(looked).await? {
                Ok(pull) => {
                    if failures > 0 {
                        tracing::info!(consumer = name, "is as it has to be now");
                    }
                    service.health.met(&name);
                    return Some(pull);
                }
                Err(reason) => {
                    let reason = service.link.denied().unwrap_or(reason);
                    if service.health.unmet(&name, &reason) {
                        tracing::warn!(consumer = name, reason, "waiting");
                    }
                }
            }
            failures += 1;
            let pause = tokio::time::sleep(Backoff::OUTAGE.jittered(failures));
            service.stop.run_until_cancelled(pause).await?;
        }
    }

    /// Pulls until the consumer is lost (one line that says why) or the service stops (none).
    async fn pull(self: &Arc<Self>, pull: Pull) -> Option<String> {
        let client = self.service.jetstream.client();
        let mut requests = match Requests::new(&client, pull, &self.service.link).await {
            Ok(requests) => requests,
            Err(reason) => return Some(reason),
        };
        let lost = self
            .service
            .stop
            .run_until_cancelled(self.requests(&mut requests))
            .await;
        for message in requests.end(&client).await {
            // After a lost consumer these are work like any other; at the end they are another's.
            match &lost {
                Some(_) => self.take(message).await,
                None => self.refuse(message).await,
            }
        }
        lost
    }

    async fn requests(self: &Arc<Self>, requests: &mut Requests) -> String {
        loop {
            if requests.is_open() {
                match requests.next().await {
                    Incoming::Message(message) => self.take(message).await,
                    Incoming::Over => {}
                    Incoming::Lost(reason) => return reason,
                }
                continue;
            }
            // A slot is free before anything is asked for, and the gate is looked at last.
            let Ok(slot) = self.slots.acquire().await else {
                return "the slots were closed".to_owned();
            };
            self.gate.opened().await;
            drop(slot);
            let free = self.slots.available_permits();
            if free > 0
                && let Err(reason) = requests.ask(free).await
            {
                return reason;
            }
        }
    }

    /// Puts a message into a slot.
    async fn take(self: &Arc<Self>, delivery: async_nats::Message) {
        let Some(reply) = delivery.reply.clone() else {
            return;
        };
        let Some(message) = message(delivery, &self.service.jetstream) else {
            tracing::warn!("a message without JetStream's delivery details was left alone");
            return;
        };
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            // Sent for a request that was already counted as lost.
            self.held.refuse(reply).await;
            return;
        };
        if self.held.take(Place::of(&message), reply) {
            let worker = Arc::clone(self);
            self.tasks.spawn(worker.occupy(slot, message));
        }
    }

    async fn refuse(&self, delivery: async_nats::Message) {
        if let Some(reply) = delivery.reply {
            self.held.refuse(reply).await;
        }
    }

    async fn occupy(self: Arc<Self>, slot: OwnedSemaphorePermit, message: Message) {
        let stream = self.consumer.stream.name;
        let span = tracing::info_span!(
            "message",
            stream,
            sequence = message.sequence,
            file = tracing::field::Empty,
            key = tracing::field::Empty,
            replay = tracing::field::Empty,
            trace_id = tracing::field::Empty,
            span_id = tracing::field::Empty,
        );
        let began = Instant::now();
        let in_progress = metering::in_progress(stream);
        in_progress.increment(1.0);
        let place = Place::of(&message);
        let work = async {
            let _turn = self.suspects.turn(&message).await;
            self.work(message).await
        };
        let work = AssertUnwindSafe(Box::pin(work).instrument(span)).catch_unwind();
        // Cut off at the deadline, the message stays among the held and is handed back.
        let outcome = match self.service.deadline.run_until_cancelled(work).await {
            None => Outcome::Returned,
            Some(Ok(outcome)) => outcome,
            // Not in a handler, whose panics count as tries, but around it; the hook has said
            // where. Kept, the message would be kept alive for ever.
            Some(Err(_)) => {
                self.held.answer(place, AckKind::Nak(Some(LATER))).await;
                Outcome::Retried
            }
        };
        in_progress.decrement(1.0);
        metering::message(stream, outcome, began.elapsed());
        drop(slot);
    }

    /// Tells the server, well inside `ack_wait`, that what is held is still worked on.
    async fn keep_alive(self: Arc<Self>) {
        let every = (self.service.config.nats.ack_wait / 4).max(Duration::from_millis(10));
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.held.progress().await;
        }
    }
}

/// A delivery as the handlers see it; none if it did not come from a consumer.
fn message(delivery: async_nats::Message, context: &jetstream::Context) -> Option<Message> {
    let delivery = jetstream::Message {
        message: delivery,
        context: context.clone(),
    };
    let info = delivery.info().ok()?;
    let (sequence, delivered) = (info.stream_sequence, info.delivered);
    let stored = Timestamp::from_nanosecond(info.published.unix_timestamp_nanos()).ok()?;
    let message = delivery.message;
    Some(Message {
        subject: message.subject.into_string(),
        headers: message.headers.unwrap_or_default(),
        payload: message.payload,
        sequence,
        stored,
        delivered: u64::try_from(delivered).unwrap_or_default(),
    })
}
