//! What happens to files, as it happens.

use anyhow::bail;
use futures::StreamExt;
use jiff::Timestamp;
use proto::Event;
use runtime::Config;

use super::talk::Talk;
use crate::{describe, nats};

/// Shows each event when it is said, for ever. What is said while NATS is away is not shown:
/// `landfall follow` misses nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "a person's command has no failpoints"
)]
pub(crate) async fn show<T>(config: &Config, talk: &Talk) -> anyhow::Result<T> {
    let (client, _) = nats::connect(&config.nats).await?;
    let mut events = client.subscribe("files.>").await?;
    while let Some(message) = events.next().await {
        if let Ok(event) = Event::parse(&message.payload) {
            talk.note(&describe::line(
                &event,
                Timestamp::now(),
                talk.is_coloured(),
            ));
        }
    }
    bail!("the connection to nats was closed")
}
