//! Full copies of messages that were given up on.

use async_nats::header::{HeaderMap, HeaderValue};
use async_nats::jetstream;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use proto::event::DeadLetter;
use proto::{User, header, subject};

use crate::nats::{self, Link};
use crate::{Message, Trouble, metering};

/// The longest reason, in characters: it stands in a header, in an event and in a mail.
const LONGEST_REASON: usize = 1000;

/// Publishes a copy of `message` to `dead.<service>` and waits until it is stored.
///
/// Safe to repeat: a copy made twice is one message within the duplicate window, and two copies
/// of one message after it, which harms nobody.
pub(crate) async fn publish(
    jetstream: &jetstream::Context,
    link: &Link,
    user: User,
    stream: &'static str,
    message: &Message,
    reason: &str,
) -> Result<DeadLetter, Trouble> {
    let subject = subject::dead(user);
    let headers = headers(message, stream, reason);
    let send = async |headers: HeaderMap, payload: Bytes| {
        let copy = PublishMessage::build()
            .headers(headers)
            .message_id(format!("dead/{user}/{stream}/{}", message.sequence))
            .payload(payload);
        jetstream.send_publish(subject.clone(), copy).await?.await
    };
    let stored = match send(headers.clone(), message.payload.clone()).await {
        Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
            // The original was as large as the server takes, and has no room for more headers.
            // It can be read from its stream, as long as it is kept there.
            let reason = format!(
                "{reason} (payload of {} bytes left out: with these headers it is larger than the \
                 server's max_payload)",
                message.payload.len()
            );
            send(self::headers(message, stream, &reason), Bytes::new()).await
        }
        stored => stored,
    };
    let stored = stored.map_err(|error| nats::unpublished(&error, &subject, link))?;
    metering::dead_letter(stream);
    Ok(DeadLetter {
        stream: stored.stream,
        sequence: stored.sequence,
    })
}

/// The message's own headers without the server's, and where it came from and why it lies here.
fn headers(message: &Message, stream: &str, reason: &str) -> HeaderMap {
    let mut headers = without_nats(&message.headers);
    let own = [
        (header::REASON, one_line(reason)),
        (header::STREAM, stream.to_owned()),
        (header::SEQUENCE, message.sequence.to_string()),
        (header::SUBJECT, one_line(&message.subject)),
        (header::DELIVERED, message.delivered.to_string()),
    ];
    for (name, value) in own {
        // Without line breaks every value is a header's.
        if let Ok(value) = value.parse::<HeaderValue>() {
            headers.insert(name, value);
        }
    }
    headers
}

/// Headers that begin with `Nats-` are instructions to the server: copied, they are refused, or
/// cancel a schedule.
fn without_nats(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, values) in headers.iter() {
        let text: &str = name.as_ref();
        let start = text.get(..5).unwrap_or_default();
        if !start.eq_ignore_ascii_case("nats-") {
            for value in values {
                kept.append(name.clone(), value.clone());
            }
        }
    }
    kept
}

/// A reason as one line of bounded length: control characters become spaces.
pub(crate) fn one_line(reason: &str) -> String {
    let mut characters = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = characters.by_ref().take(LONGEST_REASON).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}
