//! The messages that are being worked on, and how each is answered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::AckKind;
use async_nats::{Client, Subject};
use failpoint::{Call, around};
use jiff::Timestamp;

use crate::Message;

/// What is held.
///
/// An acknowledgement is only queued in the client: one that is lost with the connection costs a
/// redelivery, which finds the outcome settled (or makes a second copy of a dead letter) and is
/// acknowledged at once. Waiting for the server's confirmation would cost every message a round
/// trip instead. Before the process ends the client is flushed.
#[derive(Debug)]
pub(super) struct Held {
    client: Client,
    /// The kind of its failpoints.
    stream: &'static str,
    replies: Mutex<HashMap<Place, Subject>>,
}

/// Where a message lies: its sequence in the stream, and when it was stored there. A stream that
/// is created anew counts from 1 again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(u64, Timestamp);

impl Place {
    pub(super) fn of(message: &Message) -> Self {
        Self(message.sequence, message.stored)
    }
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
    pub(super) fn take(&self, place: Place, reply: Subject) -> bool {
        self.replies().insert(place, reply).is_none()
    }

    /// Answers a message and lets it go.
    pub(super) async fn answer(&self, place: Place, answer: AckKind) {
        let reply = self.replies().remove(&place);
        if let Some(reply) = reply {
            self.send(reply, answer).await;
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
        let held: Vec<Place> = self.replies().keys().copied().collect();
        for &place in &held {
            self.answer(place, AckKind::Nak(None)).await;
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

    fn replies(&self) -> std::sync::MutexGuard<'_, HashMap<Place, Subject>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
