//! Events as the auditor reads them: from their JSON, by types of its own, so that a mistake in
//! the services' types is not made twice.

use jiff::Timestamp;
use proto::FileId;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Who has a journal, in the order of a file's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is a service")]
pub enum Step {
    Watcher,
    Ingest,
    Mover,
    Notifier,
}

impl Step {
    /// Every step, in the order of a file's way.
    pub const ALL: [Self; 4] = [Self::Watcher, Self::Ingest, Self::Mover, Self::Notifier];

    /// The service's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Watcher => "watcher",
            Self::Ingest => "ingest",
            Self::Mover => "mover",
            Self::Notifier => "notifier",
        }
    }

    /// The step with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Who says it.
    pub step: Step,
    /// About which replay of the file.
    pub replay: u32,
    /// When it was decided.
    pub time: Timestamp,
    /// About which file.
    pub file: File,
    /// What it says.
    pub said: Said,
    /// Sums up all of its JSON: two events with the same sum are the same.
    pub sum: Sum,
}

/// The first 128 bits of SHA-256 over JSON, whatever the order of its names.
pub type Sum = [u8; 16];

/// A file version.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct File {
    /// Its id.
    pub id: FileId,
    /// Bucket it was uploaded to.
    pub bucket: String,
    /// Key it was uploaded as.
    pub key: String,
    /// Which version of the key.
    pub version: Version,
    /// Bytes.
    pub size: u64,
    /// Order time.
    pub order: Timestamp,
}

/// What tells two versions of a key apart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Version {
    /// Entity tag without quotes.
    pub etag: String,
    /// In whole seconds.
    pub last_modified: Timestamp,
    /// In a versioned bucket.
    #[serde(default)]
    pub id: Option<String>,
}

/// What an event says, as far as it is judged.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Said {
    /// The watcher knows the file.
    #[serde(rename = "io.landfall.file.arrived.v1")]
    Arrived {},
    /// Its readings are in the database.
    #[serde(rename = "io.landfall.file.ingested.v1")]
    Ingested {
        /// What was counted.
        report: Counts,
    },
    /// It was refused.
    #[serde(rename = "io.landfall.file.rejected.v1")]
    Rejected {},
    /// It was gone before it was read.
    #[serde(rename = "io.landfall.file.superseded.v1")]
    Superseded {
        /// What became of it.
        how: Vanished,
        /// How many of its readings may be in the database.
        rows_up_to: u64,
    },
    /// It was filed away, or could not be.
    #[serde(rename = "io.landfall.file.moved.v1")]
    Moved {
        /// What became of the object.
        outcome: Move,
        /// Where its copy is.
        #[serde(default)]
        destination: Option<Place>,
    },
    /// A step gave up.
    #[serde(rename = "io.landfall.file.failed.v1")]
    Failed {
        /// The message that was given up on.
        dead_letter: Letter,
    },
    /// The mail has ended.
    #[serde(rename = "io.landfall.file.notified.v1")]
    Notified {
        /// How.
        outcome: Mailed,
    },
    /// Its readings were taken out of the database.
    #[serde(rename = "io.landfall.file.retracted.v1")]
    Retracted {},
}

/// What a person ordered about a file: `commanded`. No step's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered {
    /// Which of the file's ways it is to begin.
    pub replay: u32,
    /// The file.
    pub file: File,
    /// From where on; none for a retraction.
    pub from: Option<Stage>,
}

/// From where on a way is gone again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "as in the contract")]
pub enum Stage {
    Ingest,
    Move,
    Notify,
}

/// What was counted in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "as in the contract's report")]
pub struct Counts {
    pub profile_hash: String,
    pub read: u64,
    pub stored: u64,
    pub rejected: u64,
    pub duplicated: u64,
    #[serde(default)]
    pub at_least: bool,
}

/// How a version left its place without Landfall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "as in the contract")]
pub enum Vanished {
    Gone,
    Replaced,
}

impl Vanished {
    /// The contract's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Replaced => "replaced",
        }
    }
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "as in the contract")]
pub enum Move {
    Archived,
    Replaced,
    Gone,
    Left,
    Deleted,
}

/// How a mail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "as in the contract")]
pub enum Mailed {
    Accepted,
    Refused,
    Unknown,
    Nobody,
}

/// An object by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub struct Place {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
}

/// A message in `DEAD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Letter {
    /// Its sequence.
    pub sequence: u64,
}

impl Place {
    /// `bucket/key` for a line of text.
    pub fn shown(&self) -> String {
        shown(&format!("{}/{}", self.bucket, self.key))
    }
}

/// Text from outside, so that it stays on its line and colours nothing.
pub(crate) fn shown(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    });
    letters.collect()
}

impl File {
    /// Where it was uploaded.
    pub fn place(&self) -> Place {
        Place {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
        }
    }
}

impl Said {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Arrived {} => "arrived",
            Self::Ingested { .. } => "ingested",
            Self::Rejected {} => "rejected",
            Self::Superseded { .. } => "superseded",
            Self::Moved { .. } => "moved",
            Self::Failed { .. } => "failed",
            Self::Notified { .. } => "notified",
            Self::Retracted {} => "retracted",
        }
    }

    /// Whether the step may say it.
    fn fits(&self, step: Step) -> bool {
        match self {
            Self::Arrived {} => step == Step::Watcher,
            Self::Ingested { .. }
            | Self::Rejected {}
            | Self::Superseded { .. }
            | Self::Retracted {} => step == Step::Ingest,
            Self::Moved { .. } => step == Step::Mover,
            Self::Notified { .. } => step == Step::Notifier,
            Self::Failed { .. } => step != Step::Watcher,
        }
    }
}

impl Event {
    /// Reads an event; answers one line if it is none.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Envelope {
            id: String,
            subject: FileId,
            time: Timestamp,
            data: About,
        }
        #[derive(Deserialize)]
        struct About {
            file: File,
            replay: u32,
        }
        let wrong = |error: serde_json::Error| format!("it is no event: {error}");
        let value: Value = serde_json::from_slice(json).map_err(wrong)?;
        let envelope = Envelope::deserialize(&value).map_err(wrong)?;
        let said = Said::deserialize(&value).map_err(wrong)?;
        let About { file, replay } = envelope.data;
        let step = envelope.id.rsplit('/').next().and_then(Step::named);
        let step = step.filter(|step| said.fits(*step)).ok_or_else(|| {
            format!(
                "its id `{}` names no step that says `{}`",
                envelope.id,
                said.word()
            )
        })?;
        if envelope.id != format!("{}/{replay}/{}", file.id, step.name())
            || envelope.subject != file.id
        {
            return Err(format!(
                "its envelope `{}` is about another file than its data",
                envelope.id
            ));
        }
        Ok(Self {
            step,
            replay,
            time: envelope.time,
            file,
            said,
            sum: sum(&value),
        })
    }
}

impl Ordered {
    /// Reads a command; answers one line if it is none.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Envelope {
            id: String,
            subject: FileId,
            #[serde(rename = "type")]
            kind: String,
            data: About,
        }
        #[derive(Deserialize)]
        struct About {
            file: File,
            replay: u32,
            command: Command,
        }
        #[derive(Deserialize)]
        #[serde(tag = "do", rename_all = "lowercase")]
        enum Command {
            Replay { from: Stage },
            Retract,
        }
        let Envelope {
            id,
            subject,
            kind,
            data,
        } = serde_json::from_slice(json).map_err(|error| format!("it is no command: {error}"))?;
        let About {
            file,
            replay,
            command,
        } = data;
        let whose = format!("{}/{replay}/operator/", file.id);
        if kind != "io.landfall.file.commanded.v1"
            || subject != file.id
            || !id.starts_with(&whose)
            || replay == 0
        {
            return Err(format!(
                "its envelope `{id}` is no command's about its file"
            ));
        }
        Ok(Self {
            replay,
            file,
            from: match command {
                Command::Replay { from } => Some(from),
                Command::Retract => None,
            },
        })
    }
}

/// Sums JSON up.
fn sum(value: &Value) -> Sum {
    let mut hash = Sha256::new();
    add(&mut hash, value);
    let mut sum = Sum::default();
    sum.copy_from_slice(&hash.finalize()[..16]);
    sum
}

fn add(hash: &mut Sha256, value: &Value) {
    let mut mark = |kind: u8, length: usize| {
        hash.update([kind]);
        hash.update((length as u64).to_be_bytes());
    };
    match value {
        Value::Array(items) => {
            mark(b'[', items.len());
            items.iter().for_each(|item| add(hash, item));
        }
        Value::Object(fields) => {
            mark(b'{', fields.len());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            for (name, item) in fields {
                add(hash, &Value::String(name.clone()));
                add(hash, item);
            }
        }
        Value::String(text) => {
            mark(b'"', text.len());
            hash.update(text);
        }
        other => {
            let text = other.to_string();
            mark(b'=', text.len());
            hash.update(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(name: &str) -> Value {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/examples");
        let text = std::fs::read(format!("{folder}/{name}.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn read(value: &Value) -> Result<Event, String> {
        Event::read(value.to_string().as_bytes())
    }

    #[test]
    fn every_example_of_the_contract_is_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/examples");
        let mut words = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let json = std::fs::read(entry.unwrap().path()).unwrap();
            match Ordered::read(&json) {
                Ok(ordered) => assert_eq!(ordered.replay, 1),
                Err(_) => _ = words.insert(Event::read(&json).unwrap().said.word()),
            }
        }
        assert_eq!(words.len(), 8, "{words:?}");
    }

    #[test]
    fn an_event_that_contradicts_itself_is_none() {
        let good = example("moved-archived");
        assert!(read(&good).is_ok());
        let broken = |path: &str, to: Value| {
            let mut broken = good.clone();
            *broken.pointer_mut(path).unwrap() = to;
            read(&broken).is_err()
        };
        let id = good["subject"].as_str().unwrap();
        assert!(broken("/id", format!("{id}/0/ingest").into()));
        assert!(broken("/id", format!("{id}/1/mover").into()));
        assert!(broken("/subject", "0".repeat(32).into()));
        assert!(broken("/data/replay", 1.into()));
        assert!(broken("/type", "io.landfall.file.moved.v2".into()));
    }

    #[test]
    fn sums_are_the_same_for_the_same_content_only() {
        let value = |text: &str| sum(&serde_json::from_str(text).unwrap());
        assert_eq!(
            value(r#"{"a":1,"b":[2]}"#),
            value(r#"{ "b": [2], "a": 1 }"#)
        );
        for other in [r#"{"a":1,"b":[3]}"#, r#"{"a":1,"b":2}"#, r#"{"a":1}"#] {
            assert_ne!(value(r#"{"a":1,"b":[2]}"#), value(other));
        }
    }
}
