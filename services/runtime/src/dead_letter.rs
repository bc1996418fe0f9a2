//! Full copies of messages that were given up on.

use async_nats::header::{HeaderMap, HeaderValue};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use failpoint::{Call, Subject};
use proto::event::DeadLetter;
use proto::{header, subject};

use crate::service::Service;
use crate::{Message, Trouble, metering, nats};

/// The longest reason, in characters: it stands in a header, in an event and in a mail.
const LONGEST_REASON: usize = 1000;

/// Publishes a copy of `message` to `dead.<service>` and waits until it is stored. `trace` is the
/// `traceparent` of a message that came without one.
///
/// Safe to repeat: a copy made twice is one message within the duplicate window, and two copies
/// of one message after it, which harms nobody.
pub(crate) async fn publish(
    service: &Service,
    stream: &'static str,
    message: &Message,
    reason: &str,
    trace: Option<&str>,
) -> Result<DeadLetter, Trouble> {
    let subject = subject::dead(service.user);
    let send = async |reason: &str, payload: Bytes| {
        let mut headers = headers(message, stream, reason);
        if let Some(trace) = trace
            && headers.get(header::TRACEPARENT).is_none()
        {
            headers.insert(header::TRACEPARENT, trace);
        }
        // With the stream's time: one that is created anew counts from 1 again.
        let (sequence, stored) = (message.sequence, message.stored.as_microsecond());
        let id = format!("dead/{}/{stream}/{sequence}/{stored}", service.user);
        let copy = PublishMessage::build()
            .headers(headers)
            .message_id(id)
            .payload(payload);
        let point = (Call::DeadLetter, Subject::named(&message.subject));
        nats::publish(point, &service.jetstream, &service.link, &subject, copy).await
    };
    let stored = match send(reason, message.payload.clone()).await {
        // The original was as large as the server takes, and has no room for more headers. It can
        // be read from its stream, as long as it is kept there.
        Err(Trouble::Reject { .. }) => {
            let bytes = message.payload.len();
            let reason = format!(
                "{reason} (payload of {bytes} bytes left out: with these headers it is larger \
                 than the server's max_payload)"
            );
            send(&reason, Bytes::new()).await?
        }
        stored => stored?,
    };
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn message(headers: HeaderMap, subject: &str) -> Message {
        Message {
            subject: subject.to_owned(),
            headers,
            payload: Bytes::new(),
            sequence: 7,
            stored: Timestamp::UNIX_EPOCH,
            delivered: 2,
        }
    }

    proptest! {
        #[test]
        fn every_header_is_kept_but_those_of_the_server(
            names in prop::collection::btree_map("[A-Za-z-]{1,12}", "[ -~]{0,8}", 0..6),
            nats in prop::collection::btree_map("[Nn][Aa][Tt][Ss]-[A-Za-z-]{0,12}", "[ -~]{0,8}", 0..6),
        ) {
            let mut own = HeaderMap::new();
            for (name, value) in names.iter().chain(&nats) {
                own.append(name.as_str(), value.as_str());
                own.append(name.as_str(), "second");
            }
            let kept = without_nats(&own);
            for (name, value) in &names {
                let is_nats = name.to_ascii_lowercase().starts_with("nats-");
                let values: Vec<&str> = kept
                    .get_all(name.as_str())
                    .map(HeaderValue::as_str)
                    .collect();
                if is_nats {
                    prop_assert!(values.is_empty());
                } else {
                    prop_assert_eq!(values, [value.as_str(), "second"]);
                }
            }
            for (name, _) in kept.iter() {
                let name: &str = name.as_ref();
                prop_assert!(!name.to_ascii_lowercase().starts_with("nats-"));
            }
        }

        #[test]
        fn any_reason_and_subject_make_headers(reason in any::<String>(), subject in any::<String>()) {
            let headers = headers(&message(HeaderMap::new(), &subject), "FILES", &reason);
            prop_assert_eq!(headers.len(), 5);
            prop_assert_eq!(headers.get(header::SEQUENCE).unwrap().as_str(), "7");
            prop_assert_eq!(headers.get(header::DELIVERED).unwrap().as_str(), "2");
        }

        #[test]
        fn a_reason_is_one_line_of_bounded_length(reason in any::<String>(), times in 1_usize..400) {
            let line = one_line(&reason.repeat(times));
            prop_assert!(line.chars().count() <= LONGEST_REASON + 1);
            prop_assert!(!line.chars().any(char::is_control));
        }

        #[test]
        fn a_short_plain_reason_stays_what_it_is(reason in "[ -~äöü€🛬]{0,1000}") {
            prop_assert_eq!(one_line(&reason), reason);
        }
    }
}
