//! Messages: the events, and what is not one.

use serde_json::{Map, Value, json};

use crate::{What, header};

/// Every message, by name.
pub(super) fn all() -> Map<String, Value> {
    let mut messages: Map<String, Value> = What::ALL
        .into_iter()
        .map(|what| (what.token().to_owned(), event(what)))
        .collect();
    messages.extend(
        [
            ("notification", notification()),
            ("wait", wait()),
            ("due", due()),
            ("deadLetter", dead_letter()),
            ("advisory", advisory()),
        ]
        .map(|(name, message)| (name.to_owned(), message)),
    );
    messages
}

fn event(what: What) -> Value {
    json!({
        "name": what.event_type(),
        "title": what.token(),
        "headers": headers(&[
            ("Nats-Msg-Id", "The event's `id`; saves work, decides nothing"),
            (header::TRACEPARENT, TRACE),
        ]),
        "payload": schema(what),
    })
}

const TRACE: &str = "W3C Trace Context; the trace id is the file id";

fn notification() -> Value {
    json!({
        "title": "A store's notification",
        "summary": "Whatever the store sent, unread",
        "contentType": "application/octet-stream",
        "payload": { "description": "Any bytes" },
    })
}

/// The outcome that a mail waits for. It is one of two events, whole, so that who is woken by it
/// needs to ask nobody.
fn outcome() -> Value {
    let either = [What::Moved, What::Failed].map(|what| json!({ "$ref": path(what) }));
    json!({ "schemaFormat": FORMAT, "schema": { "oneOf": either } })
}

fn wait() -> Value {
    json!({
        "title": "A schedule",
        "summary": "The event that the mail is about, as it is to be delivered",
        "headers": headers(&[
            ("Nats-Schedule", "`@at` and the time when it is due (ADR-51)"),
            ("Nats-Schedule-Target", "`delay.due`"),
            (header::TRACEPARENT, TRACE),
        ]),
        "payload": outcome(),
    })
}

fn due() -> Value {
    json!({
        "title": "A wake",
        "summary": "A schedule that is due; the notifier's journal decides what that means",
        "headers": headers(&[
            ("Nats-Scheduler", "The subject of the schedule"),
            (header::TRACEPARENT, TRACE),
        ]),
        "payload": outcome(),
    })
}

fn dead_letter() -> Value {
    json!({
        "title": "A dead letter",
        "summary": "The message as it came, without its `Nats-` headers",
        "contentType": "application/octet-stream",
        "headers": headers(&[
            (header::REASON, "One line: why it was given up on"),
            (header::STREAM, "The stream it was read from"),
            (header::SEQUENCE, "Its sequence there"),
            (header::SUBJECT, "The subject it was published to"),
            (header::DELIVERED, "How often it had been delivered"),
        ]),
        "payload": { "description": "Any bytes" },
    })
}

fn advisory() -> Value {
    json!({
        "title": "An advisory of the server",
        "summary": "io.nats.jetstream.advisory.v1.max_deliver or .terminated",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "required": ["stream", "consumer", "stream_seq", "deliveries"],
            "properties": {
                "stream": { "type": "string" },
                "consumer": { "type": "string" },
                "stream_seq": { "type": "integer" },
                "deliveries": { "type": "integer" },
            },
        },
    })
}

/// The dialect of the schemas beside the document.
const FORMAT: &str = "application/schema+json;version=draft-2020-12";

fn schema(what: What) -> Value {
    json!({ "schemaFormat": FORMAT, "schema": { "$ref": path(what) } })
}

fn path(what: What) -> String {
    format!("./schemas/{}.json", what.event_type())
}

fn headers(described: &[(&str, &str)]) -> Value {
    let properties: Map<String, Value> = described
        .iter()
        .map(|(name, text)| {
            (
                (*name).to_owned(),
                json!({ "type": "string", "description": text }),
            )
        })
        .collect();
    json!({ "type": "object", "properties": properties })
}
