//! The contract as an AsyncAPI 3 document: channels, messages, and which user sends and receives
//! what.
//!
//! AsyncAPI's binding for NATS knows core NATS alone (queue groups); what JetStream adds stands
//! under `x-jetstream`.

mod channel;
mod message;

use serde_json::{Map, Value, json};

use crate::consumer::{self, Consumer};
use crate::user::permissions;
use crate::{User, subject};
use channel::Channel;

/// The document.
pub fn document() -> Value {
    let channels = channel::all();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Landfall",
            "version": "1",
            "description": "Files land in object storage; their readings go into a database, the \
                file is filed away, and one mail tells of it. What the services say to each other \
                over NATS JetStream: CloudEvents 1.0 in structured JSON.",
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "nats": {
                "host": "127.0.0.1:4222",
                "protocol": "nats",
                "description": "NATS 2.12 or later with JetStream. Each service has a user of its \
                    own; what each may do is in nats/permissions.conf.",
                "security": [{ "type": "userPassword" }],
            },
        },
        "channels": named(&channels, Channel::describe),
        "operations": operations(&channels),
        "components": { "messages": message::all() },
    })
}

fn named(channels: &[Channel], describe: impl Fn(&Channel) -> Value) -> Map<String, Value> {
    channels
        .iter()
        .map(|channel| (channel.name.clone(), describe(channel)))
        .collect()
}

/// Who may publish to a channel sends there; who has a consumer on it, or may subscribe, receives.
fn operations(channels: &[Channel]) -> Map<String, Value> {
    let mut operations = Map::new();
    for user in User::ALL {
        let may = permissions(user);
        for channel in channels {
            let meets = |filters: &[String]| {
                filters
                    .iter()
                    .any(|filter| subject::overlap(filter, &channel.pattern()))
            };
            if meets(&may.publish) {
                operations.insert(
                    operation_name(user, "Sends", channel),
                    operation(channel, "send", user, None),
                );
            }
            let consumer = consumer::of(user)
                .into_iter()
                .chain(consumer::advisories(user))
                .find(|consumer| meets(&consumer.filters));
            if consumer.is_some() || meets(&may.subscribe) {
                operations.insert(
                    operation_name(user, "Receives", channel),
                    operation(channel, "receive", user, consumer.as_ref()),
                );
            }
        }
    }
    operations
}

/// `moverSendsMoved`
fn operation_name(user: User, verb: &str, channel: &Channel) -> String {
    let (first, rest) = channel.name.split_at(1);
    format!("{}{verb}{}{rest}", user.name(), first.to_uppercase())
}

fn operation(channel: &Channel, action: &str, user: User, consumer: Option<&Consumer>) -> Value {
    let messages: Vec<Value> = channel
        .messages
        .iter()
        .map(|message| json!({ "$ref": format!("#/channels/{}/messages/{message}", channel.name) }))
        .collect();
    let mut operation = json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{}", channel.name) },
        "messages": messages,
        "tags": [{ "name": user.name() }],
    });
    if let Some(consumer) = consumer {
        operation["x-jetstream"] = json!({
            "stream": consumer.stream.name,
            "consumer": consumer.name(),
            "filters": consumer.filters,
        });
    }
    operation
}
