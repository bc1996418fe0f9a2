//! Channels: every subject, with a name for each token that varies.

use serde_json::{Map, Value, json};

use crate::stream::{self, Retention, Stream};
use crate::{User, What, subject};

/// A subject whose varying tokens have names.
pub(super) struct Channel {
    /// What the document calls it.
    pub(super) name: String,
    /// The subject, with `{parameter}` for each token that varies.
    pub(super) address: String,
    /// What it is for.
    description: String,
    /// The stream that stores it.
    stream: Stream,
    /// Messages that it carries, by their names among the components.
    pub(super) messages: Vec<&'static str>,
}

/// Every channel.
pub(super) fn all() -> Vec<Channel> {
    let mut channels = vec![Channel {
        name: "storage".to_owned(),
        address: "storage.{sender}".to_owned(),
        description: "Raw notifications, as the stores send them".to_owned(),
        stream: stream::STORAGE,
        messages: vec!["notification"],
    }];
    channels.extend(What::ALL.into_iter().map(|what| Channel {
        name: what.token().to_owned(),
        address: format!("files.{{partition}}.{}.{{profile}}", what.token()),
        description: format!("Files that were {}", what.token()),
        stream: stream::FILES,
        messages: vec![what.token()],
    }));
    channels.extend([
        Channel {
            name: "delayWait".to_owned(),
            address: "delay.wait.{file}.{replay}".to_owned(),
            description: "The schedule of one file's mail; a second one replaces the first"
                .to_owned(),
            stream: stream::DELAY,
            messages: vec!["wait"],
        },
        Channel {
            name: "delayDue".to_owned(),
            address: subject::DELAY_DUE.to_owned(),
            description: "What a schedule delivers once it is due; the server publishes it"
                .to_owned(),
            stream: stream::DELAY,
            messages: vec!["due"],
        },
        Channel {
            name: "dead".to_owned(),
            address: "dead.{service}".to_owned(),
            description: "What a service gave up on".to_owned(),
            stream: stream::DEAD,
            messages: vec!["deadLetter"],
        },
        Channel {
            name: "maxDeliveries".to_owned(),
            address: subject::max_deliveries_advisory("{stream}", "{consumer}"),
            description: "The server ran out of deliveries of a message: a crash loop".to_owned(),
            stream: stream::DEAD,
            messages: vec!["advisory"],
        },
        Channel {
            name: "terminated".to_owned(),
            address: subject::terminated_advisory("{stream}", "{consumer}"),
            description: "A message was terminated".to_owned(),
            stream: stream::DEAD,
            messages: vec!["advisory"],
        },
    ]);
    channels
}

impl Channel {
    /// The subject as NATS filters are written: `*` for each token that varies.
    pub(super) fn pattern(&self) -> String {
        let tokens: Vec<&str> = self
            .address
            .split('.')
            .map(|token| if token.starts_with('{') { "*" } else { token })
            .collect();
        tokens.join(".")
    }

    pub(super) fn describe(&self) -> Value {
        let messages: Map<String, Value> = self
            .messages
            .iter()
            .map(|message| {
                let target = format!("#/components/messages/{message}");
                ((*message).to_owned(), json!({ "$ref": target }))
            })
            .collect();
        let mut channel = json!({
            "address": self.address,
            "description": self.description,
            "messages": messages,
            "x-jetstream": jetstream(self.stream),
        });
        let parameters: Map<String, Value> = self
            .address
            .split('.')
            .filter_map(|token| token.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| (name.to_owned(), parameter(name)))
            .collect();
        if !parameters.is_empty() {
            channel["parameters"] = Value::Object(parameters);
        }
        channel
    }
}

fn jetstream(stream: Stream) -> Value {
    json!({
        "stream": stream.name,
        "retention": match stream.retention {
            Retention::WorkQueue => "workqueue",
            Retention::Limits => "limits",
        },
        "maxAgeSeconds": stream.max_age.map(|age| age.as_secs()),
        "schedules": stream.schedules,
    })
}

fn parameter(name: &str) -> Value {
    let services = || -> Vec<&str> {
        User::ALL
            .into_iter()
            .filter(|user| !crate::consumer::of(*user).is_empty())
            .map(User::name)
            .collect()
    };
    let senders = || -> Vec<&str> {
        let http = subject::STORAGE_HTTP.trim_start_matches("storage.");
        std::iter::once(http)
            .chain(subject::STORAGE_SENDERS)
            .collect()
    };
    match name {
        "sender" => json!({
            "description": "Who sent it: `http` for what came over HTTP, else the store that \
                published it itself",
            "enum": senders(),
        }),
        "partition" => json!({
            "description": "File id modulo the number of partitions",
            "enum": (0..subject::PARTITIONS).map(|n| n.to_string()).collect::<Vec<_>>(),
        }),
        "profile" => json!({
            "description": "The profile that reads the file: `[a-z0-9-]`, at most 64",
            "examples": ["default"],
        }),
        "file" => json!({ "description": "File id: 32 lower-case hex digits" }),
        "replay" => json!({
            "description": "0 for the first way, n for the n-th replay",
            "examples": ["0"],
        }),
        "stream" => json!({
            "description": "Stream of the message",
            "enum": stream::ALL.map(|stream| stream.name),
        }),
        // A service's consumers are called as it is.
        _ => json!({ "description": "Name of the service", "enum": services() }),
    }
}
