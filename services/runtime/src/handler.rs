//! What a service gives the runtime: a [`Step`] for events about files, a [`Handler`] for raw
//! messages.

use async_nats::HeaderMap;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use proto::{Data, Event};

use crate::Trouble;

/// A message of a stream, as it was delivered.
#[derive(Clone, Debug)]
pub struct Message {
    /// Subject it was published to.
    pub subject: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its payload.
    pub payload: Bytes,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// When the stream stored it: `JetStream`'s clock, not ours.
    pub stored: Timestamp,
    /// How often it has been delivered, this time included.
    pub delivered: u64,
}

/// Handles raw messages. Called again after a crash, a redelivery or an outage: everything it
/// does must be safe to repeat. `Ok` acknowledges, so outputs are acknowledged by then.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Does the work that `message` asks for.
    async fn handle(&self, message: &Message) -> Result<(), Trouble>;
}

/// One step of a file's way: from an event to this service's one outcome for (file, replay).
///
/// The runtime parses the event, obeys an outcome that is already settled (publishing it again
/// where its mark is missing), settles and publishes what the step answers, and settles `failed`
/// in the same cell if it gives up.
#[async_trait]
pub trait Step: Send + Sync + 'static {
    /// Works towards the outcome. `None`: it is not decided yet, and something durable (a
    /// schedule) will wake this step again.
    async fn run(&self, event: &Event, message: &Message) -> Result<Option<Data>, Trouble>;

    /// Called with the stored outcome each time before it is published on behalf of a message:
    /// after [`Step::run`] with what this run answered, and with `None` where an outcome that was
    /// settled before is obeyed. Where the two differ, another run's outcome counts, and what this
    /// one did for its own is undone here. Safe to repeat; by default there is nothing to undo.
    async fn stored(&self, outcome: &Event, answered: Option<&Data>) -> Result<(), Trouble> {
        let _ = (outcome, answered);
        Ok(())
    }
}
