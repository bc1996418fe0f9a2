//! What the services tell each other: CloudEvents 1.0 in structured JSON.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{File, FileId, User};

/// One event: the envelope of CloudEvents around what happened to one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Always `1.0`.
    #[serde(rename = "specversion")]
    pub spec_version: SpecVersion,
    /// `<file>/<replay>/<step>`; also the `Nats-Msg-Id`. A step has one outcome, so it is unique.
    /// A command has 16 random digits behind it, since two people may order the same.
    #[schemars(extend("pattern" = "^[0-9a-f]{32}/[0-9]+/[a-z]+(/[0-9a-f]{16})?$"))]
    pub id: String,
    /// `/landfall/<service>`: who says it.
    #[schemars(extend("pattern" = "^/landfall/[a-z]+$"))]
    pub source: String,
    /// The file's id.
    pub subject: FileId,
    /// When the outcome was decided (not when this copy was published).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// Always `application/json`.
    #[serde(rename = "datacontenttype")]
    pub data_content_type: DataContentType,
    /// `type` and `data`.
    #[serde(flatten)]
    pub data: Data,
}

/// The CloudEvents version that this contract speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SpecVersion {
    /// CloudEvents 1.0
    #[serde(rename = "1.0")]
    V1,
}

/// The media type of `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DataContentType {
    /// JSON, RFC 8259.
    #[serde(rename = "application/json")]
    Json,
}

/// What happened. A new major version of a type is a new variant; until then it is unknown, and
/// whoever reads it puts it among the dead letters instead of guessing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Data {
    /// The watcher knows a new file version.
    #[serde(rename = "io.landfall.file.arrived.v1")]
    Arrived(Arrived),
    /// Its readings are in the database.
    #[serde(rename = "io.landfall.file.ingested.v1")]
    Ingested(Ingested),
    /// It was refused as a whole: nothing of it is in the database.
    #[serde(rename = "io.landfall.file.rejected.v1")]
    Rejected(Rejected),
    /// It was gone or replaced before it was read. Terminal.
    #[serde(rename = "io.landfall.file.superseded.v1")]
    Superseded(Superseded),
    /// It was filed away.
    #[serde(rename = "io.landfall.file.moved.v1")]
    Moved(Moved),
    /// A step gave up. Terminal until it is replayed.
    #[serde(rename = "io.landfall.file.failed.v1")]
    Failed(Failed),
    /// The people who care were told, or could not be. Terminal.
    #[serde(rename = "io.landfall.file.notified.v1")]
    Notified(Notified),
    /// A person ordered something about it.
    #[serde(rename = "io.landfall.file.commanded.v1")]
    Commanded(Commanded),
    /// The readings that it wrote were taken out of the database. Terminal.
    #[serde(rename = "io.landfall.file.retracted.v1")]
    Retracted(Retracted),
}

/// The third token of a `FILES` subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is named after the event it stands for")]
pub enum What {
    Arrived,
    Ingested,
    Rejected,
    Superseded,
    Moved,
    Failed,
    Notified,
    Commanded,
    Retracted,
}

impl What {
    /// Every kind of event, in the order of a file's way; at the end what a person orders.
    pub const ALL: [Self; 9] = [
        Self::Arrived,
        Self::Ingested,
        Self::Rejected,
        Self::Superseded,
        Self::Moved,
        Self::Failed,
        Self::Notified,
        Self::Commanded,
        Self::Retracted,
    ];

    /// The token as it stands in subjects.
    pub fn token(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Ingested => "ingested",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
            Self::Moved => "moved",
            Self::Failed => "failed",
            Self::Notified => "notified",
            Self::Commanded => "commanded",
            Self::Retracted => "retracted",
        }
    }

    /// The CloudEvents `type`.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Arrived => "io.landfall.file.arrived.v1",
            Self::Ingested => "io.landfall.file.ingested.v1",
            Self::Rejected => "io.landfall.file.rejected.v1",
            Self::Superseded => "io.landfall.file.superseded.v1",
            Self::Moved => "io.landfall.file.moved.v1",
            Self::Failed => "io.landfall.file.failed.v1",
            Self::Notified => "io.landfall.file.notified.v1",
            Self::Commanded => "io.landfall.file.commanded.v1",
            Self::Retracted => "io.landfall.file.retracted.v1",
        }
    }
}

/// `arrived`: the watcher knows a new file version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Arrived {
    /// The file.
    pub file: File,
    /// 0 for the first way, n for the n-th replay.
    pub replay: u32,
    /// What made the watcher look.
    pub found_by: FoundBy,
}

/// What made the watcher look at an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FoundBy {
    /// A notification of the store.
    Notification,
    /// The listing.
    Sweep,
    /// A person, with `landfall backfill`.
    Backfill,
}

/// `ingested`: every accepted row is durable in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ingested {
    /// The file.
    pub file: File,
    /// 0 for the first way, n for the n-th replay.
    pub replay: u32,
    /// What was read and stored.
    pub report: Report,
    /// Who ordered this way, and from where on; none of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<Replayed>,
}

/// `rejected`: nothing of the file is in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// The file.
    pub file: File,
    /// 0 for the first way, n for the n-th replay.
    pub replay: u32,
    /// One line for a person: what is wrong and how to mend it.
    pub reason: String,
    /// What was read; `stored` is 0.
    pub report: Report,
    /// Who ordered this way, and from where on; none of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<Replayed>,
}

/// What reading a file came to. Counts are of readings: a wide row holds several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Hex SHA-256 of the profile as it was used; the profile is kept under it.
    pub profile_hash: String,
    /// Readings in the file. Where the file was ingested: `stored + rejected + duplicated`.
    pub read: u64,
    /// Readings in the database, each with a sensor, metric and time of its own.
    pub stored: u64,
    /// Readings that were refused; a row that cannot be read at all counts as one.
    pub rejected: u64,
    /// Readings overridden by a later line of the same file.
    pub duplicated: u64,
    /// Lines that were refused.
    pub rejected_lines: u64,
    /// Whether `duplicated` is only a lower bound (and `stored` an upper one): the file has more
    /// distinct readings than fit the memory bound at once.
    #[serde(default)]
    pub at_least: bool,
    /// Times finer than a millisecond that were truncated to it.
    #[serde(default)]
    pub truncated_times: u64,
    /// Earliest reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub first: Option<Timestamp>,
    /// Latest reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last: Option<Timestamp>,
    /// Where the refused rows were put, ready to be corrected and uploaded again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<Location>,
    /// The first few refused rows, and before them one that took the rest of the file along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_rejects: Vec<Reject>,
}

/// What the list of reasons has behind the key of the refused rows.
pub const REASONS: &str = ".reasons.csv";

impl Report {
    /// The list of what is wrong with each refused row: it lies beside the rows.
    pub fn reasons(&self) -> Option<Location> {
        let Location { bucket, key } = self.rejects.clone()?;
        let key = key + REASONS;
        Some(Location { bucket, key })
    }
}

/// Why one row was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reject {
    /// Line in the file, from 1.
    pub line: u64,
    /// Column by name, or by number from 1; none where the row as a whole is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What stood there, shortened.
    pub value: String,
    /// Why it cannot be taken.
    pub reason: String,
}

/// An object by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Location {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
}

/// `superseded`: the version was gone before ingest had read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Superseded {
    /// The file.
    pub file: File,
    /// 0 for the first way, n for the n-th replay.
    pub replay: u32,
    /// What became of it.
    pub how: Vanished,
    /// How many of its readings may be in the database: 0, unless it vanished between the two
    /// readings of a large file.
    pub rows_up_to: u64,
}

/// How a version left its place without Landfall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Vanished {
    /// No object has the key any more.
    Gone,
    /// Another version has the key.
    Replaced,
}

/// `moved`: the file was filed away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// The file.
    pub file: File,
    /// 0 for the first way, n for the n-th replay.
    pub replay: u32,
    /// What became of the object.
    pub outcome: MoveOutcome,
    /// Where the copy is; only with `archived`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Location>,
    /// Why ingest refused the file; none where it was ingested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// What ingest reported.
    pub report: Report,
    /// Who ordered this way, and from where on; none of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<Replayed>,
}

/// What became of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MoveOutcome {
    /// The copy is at the destination, and this version is no longer at the source.
    Archived,
    /// Another version took its place before it could be copied.
    Replaced,
    /// It was deleted before it could be copied.
    Gone,
    /// It stays where it is, by choice.
    Left,
    /// It was deleted by choice, once its readings were stored; there is no copy.
    Deleted,
}

/// `failed`: a step gave up on the file. It stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failed {
    /// The file.
    pub file: File,
    /// 0 for the first way, n for the n-th replay.
    pub replay: u32,
    /// Which service gave up.
    pub step: User,
    /// One line for a person: what is wrong and how to mend it.
    pub reason: String,
    /// The message as it came, for whoever looks into it.
    pub dead_letter: DeadLetter,
    /// Who ordered this way, and from where on; none of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<Replayed>,
}

/// A message in the stream `DEAD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Stream name.
    pub stream: String,
    /// Sequence in it.
    pub sequence: u64,
}

/// `notified`: how the mail about the file ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notified {
    /// The file.
    pub file: File,
    /// 0 for the first way, n for the n-th replay.
    pub replay: u32,
    /// How it ended.
    pub outcome: MailOutcome,
    /// Name of the route that chose the receivers; none where no route matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// `Message-ID` without its angle brackets, the same on every try of one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Each receiver and what the server said of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<Receiver>,
    /// What the server said last, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// How often the mail was tried.
    pub tries: u32,
}

/// How a mail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailOutcome {
    /// The server took it for at least one receiver.
    Accepted,
    /// The server refused it for good.
    Refused,
    /// The connection ended after the body had gone out and before the answer came: it may or may
    /// not have been taken. No machine sends it again.
    Unknown,
    /// No route wants to hear of this file.
    Nobody,
}

/// A receiver of a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receiver {
    /// Mail address.
    pub address: String,
    /// Whether the server took it.
    pub accepted: bool,
    /// What the server said.
    pub answer: String,
}

/// `commanded`: a person ordered something about a file whose last way has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commanded {
    /// The file; its profile is the one that it is to be read with.
    pub file: File,
    /// The way that this begins: the one after the file's last. Of several commands for one way,
    /// the one that ingest's journal holds counts.
    pub replay: u32,
    /// What is to be done.
    pub command: Command,
    /// Who ordered it: `user@host`, or whatever name was given.
    pub by: String,
    /// Why, as they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Where the copy of the file's last way is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<Location>,
}

/// What a person can order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Command {
    /// To go a file's way again.
    Replay {
        /// From where on.
        from: Stage,
        /// Whether it is read with the profile as ingest has it configured, and not as it was when
        /// the file was last read.
        #[serde(default)]
        corrected: bool,
    },
    /// To take what the file wrote out of the database.
    Retract,
}

/// From where on a file's way is gone again. What comes before it is taken over from the way
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Read, store, file away, tell.
    Ingest,
    /// File away, tell.
    Move,
    /// Tell.
    Notify,
}

impl Stage {
    /// Its word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Move => "move",
            Self::Notify => "notify",
        }
    }
}

/// Who ordered a way, and from where on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// Id of the `commanded` that counted.
    pub command: String,
    /// From where on the way is gone again.
    pub from: Stage,
    /// Who ordered it.
    pub by: String,
    /// Why, as they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// `retracted`: what the file's ways before this one wrote is no longer in the database, where no
/// other file had overridden it before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retracted {
    /// The file.
    pub file: File,
    /// The way that this is: what later ones write stays.
    pub replay: u32,
    /// How many readings of the file were in the database when this was decided.
    pub readings: u64,
    /// Id of the `commanded` that counted.
    pub command: String,
    /// Who ordered it.
    pub by: String,
    /// Why, as they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Event {
    /// Wraps an outcome of `step`'s in its envelope.
    pub fn new(step: User, data: Data, time: Timestamp) -> Self {
        let (file, replay) = data.about();
        Self {
            spec_version: SpecVersion::V1,
            id: format!("{}/{}/{}", file.id, replay, step.name()),
            source: format!("/landfall/{}", step.name()),
            subject: file.id,
            time,
            data_content_type: DataContentType::Json,
            data,
        }
    }

    /// Wraps a person's command. `unique` tells it from every other command.
    pub fn command(commanded: Commanded, unique: u64, time: Timestamp) -> Self {
        let mut event = Self::new(User::Operator, Data::Commanded(commanded), time);
        event.id += &format!("/{unique:016x}");
        event
    }

    /// Who ordered the way that this is about, and from where on; none of a first way.
    pub fn replayed(&self) -> Option<Replayed> {
        match &self.data {
            Data::Commanded(commanded) => commanded.replayed(&self.id),
            Data::Ingested(data) => data.replayed.clone(),
            Data::Rejected(data) => data.replayed.clone(),
            Data::Moved(data) => data.replayed.clone(),
            Data::Failed(data) => data.replayed.clone(),
            Data::Arrived(_) | Data::Superseded(_) | Data::Notified(_) | Data::Retracted(_) => None,
        }
    }

    /// Reads an event from JSON. Fields that this version does not know are ignored; a type it
    /// does not know, a new major version among them, is not guessed at.
    pub fn parse(json: &[u8]) -> Result<Self, Unreadable> {
        let event: Self = serde_json::from_slice(json).map_err(|error| why(json, error))?;
        let (file, replay) = event.about();
        let cell = format!("{}/{replay}/", file.id);
        if event.subject != file.id || !event.id.starts_with(&cell) {
            return Err(Unreadable::Contradiction(event.id));
        }
        Ok(event)
    }

    /// Which file, and which replay of it.
    pub fn about(&self) -> (&File, u32) {
        self.data.about()
    }
}

impl Commanded {
    /// What the events of the way that it begins say of it; `id` is that of its event. None where
    /// it is no replay.
    pub fn replayed(&self, id: &str) -> Option<Replayed> {
        match self.command {
            Command::Replay { from, .. } => Some(Replayed {
                command: id.to_owned(),
                from,
                by: self.by.clone(),
                why: self.why.clone(),
            }),
            Command::Retract => None,
        }
    }
}

/// Why a message is no event that this version can work with.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is of a type, or of a major version of one, that this version does not know.
    #[error(
        "events of type `{0}` are unknown to this version of Landfall; upgrade what reads them"
    )]
    UnknownType(String),
    /// It is an event of another version of CloudEvents.
    #[error("version `{0}` of CloudEvents is unknown to this version of Landfall")]
    UnknownVersion(String),
    /// It is no JSON, or a field is missing or wrong.
    #[error("no event as the contract has it: {0}")]
    Json(serde_json::Error),
    /// Its envelope is about another file than its data.
    #[error("event `{0}` has another file or replay in its envelope than in its data")]
    Contradiction(String),
}

/// What is wrong with `json`, which could not be read with this `error`.
fn why(json: &[u8], error: serde_json::Error) -> Unreadable {
    /// As much of an event as tells whether the rest could be read.
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(rename = "specversion")]
        spec_version: String,
        #[serde(rename = "type")]
        event_type: String,
    }
    let is_known = |event_type: &str| What::ALL.iter().any(|what| what.event_type() == event_type);
    match serde_json::from_slice::<Envelope>(json) {
        Ok(envelope) if envelope.spec_version != "1.0" => {
            Unreadable::UnknownVersion(envelope.spec_version)
        }
        Ok(envelope) if !is_known(&envelope.event_type) => {
            Unreadable::UnknownType(envelope.event_type)
        }
        _ => Unreadable::Json(error),
    }
}

impl Data {
    /// Which file, and which replay of it.
    pub fn about(&self) -> (&File, u32) {
        match self {
            Self::Arrived(data) => (&data.file, data.replay),
            Self::Ingested(data) => (&data.file, data.replay),
            Self::Rejected(data) => (&data.file, data.replay),
            Self::Superseded(data) => (&data.file, data.replay),
            Self::Moved(data) => (&data.file, data.replay),
            Self::Failed(data) => (&data.file, data.replay),
            Self::Notified(data) => (&data.file, data.replay),
            Self::Commanded(data) => (&data.file, data.replay),
            Self::Retracted(data) => (&data.file, data.replay),
        }
    }

    /// The kind of event.
    pub fn what(&self) -> What {
        match self {
            Self::Arrived(_) => What::Arrived,
            Self::Ingested(_) => What::Ingested,
            Self::Rejected(_) => What::Rejected,
            Self::Superseded(_) => What::Superseded,
            Self::Moved(_) => What::Moved,
            Self::Failed(_) => What::Failed,
            Self::Notified(_) => What::Notified,
            Self::Commanded(_) => What::Commanded,
            Self::Retracted(_) => What::Retracted,
        }
    }
}
