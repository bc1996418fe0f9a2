//! The messages that are being worked on, and how each is answered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::AckKind;
use async_nats::{Client, Request, Subject};
use bytes::Bytes;
use failpoint::{Call, around};

use crate::Trouble;
use crate::nats::NATS;

/// What is held, by sequence in the stream.
///
/// An acknowledgement is only queued in the client: one that is lost with the connection costs a
/// redelivery, which finds the outcome settled and is acknowledged at once. Waiting for the
/// server's confirmation would cost every message a round trip instead. Where a repetition would
/// be seen (a dead letter) it is confirmed, and before the process ends the client is flushed.
#[derive(Debug)]
pub(super) struct Held {
    client: Client,
    /// The kind of its failpoints.
    stream: &'static str,
    replies: Mutex<HashMap<u64, Subject>>,
}

impl Held {
    pub(super) fn new(client: Client, stream: &'static str) -> Self {
        Self {
            client,
            stream,
            replies: Mutex::default(),
        }
    }

    /// Takes a message on. False: it is held already (the server lost sight of us and sent it
    /// again); whoever works on it will answer this delivery.
    pub(super) fn take(&self, sequence: u64, reply: Subject) -> bool {
        self.replies().insert(sequence, reply).is_none()
    }

    /// Answers a message and lets it go.
    pub(super) async fn answer(&self, sequence: u64, answer: AckKind) {
        let reply = self.replies().remove(&sequence);
        if let Some(reply) = reply {
            self.send(reply, answer).await;
        }
    }

    /// Acknowledges a message, and lets it go once the server has confirmed that.
    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    pub(super) async fn acknowledge_surely(&self, sequence: u64) -> Result<(), Trouble> {
        let reply = self.replies().get(&sequence).cloned();
        let Some(reply) = reply else { return Ok(()) };
        let request = Request::new().payload(Bytes::from(AckKind::Ack));
        let sent = self.client.send_request(reply, request);
        match around(Call::NatsConfirmedAck, self.subject(), sent).await {
            Ok(_) => {
                self.replies().remove(&sequence);
                Ok(())
            }
            Err(error) => Err(Trouble::Outage {
                dependency: NATS,
                reason: format!("an acknowledgement was not confirmed: {error}"),
            }),
        }
    }

    /// Tells the server that everything held is still worked on.
    pub(super) async fn progress(&self) {
        // Without a connection they would fill the client's queue, and be stale when they go out.
        if self.client.connection_state() != State::Connected {
            return;
        }
        let replies: Vec<Subject> = self.replies().values().cloned().collect();
        for reply in replies {
            self.send(reply, AckKind::Progress).await;
        }
    }

    /// Hands everything back, so that another replica has it at once. Answers how many those were.
    pub(super) async fn hand_back(&self) -> usize {
        let held: Vec<u64> = self.replies().keys().copied().collect();
        for &sequence in &held {
            self.answer(sequence, AckKind::Nak(None)).await;
        }
        held.len()
    }

    /// Says of a delivery that nobody took on that it is another's.
    pub(super) async fn refuse(&self, reply: Subject) {
        self.send(reply, AckKind::Nak(None)).await;
    }

    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    async fn send(&self, reply: Subject, answer: AckKind) {
        // While the connection is away the client's queue fills up, and then stays full: what
        // does not fit by then comes again by itself.
        const PATIENCE: Duration = Duration::from_secs(5);
        let call = match answer {
            AckKind::Ack => Call::NatsAck,
            AckKind::Progress => Call::NatsProgress,
            AckKind::Nak(_) | AckKind::Next | AckKind::Term => Call::NatsNak,
        };
        let sent = tokio::time::timeout(PATIENCE, self.client.publish(reply, answer.into()));
        if !matches!(around(call, self.subject(), sent).await, Ok(Ok(()))) {
            tracing::debug!("an answer to the server was not queued; it will ask again");
        }
    }

    fn subject(&self) -> failpoint::Subject<'static> {
        failpoint::Subject {
            kind: self.stream,
            name: "",
        }
    }

    fn replies(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Subject>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
