//! What is wrong, in one line each.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::event::{File, Place};
use crate::facts::Cell;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// Which rule is broken.
    pub rule: Rule,
    /// Id of the file that it is about, if it is about one.
    pub file: Option<String>,
    /// `bucket/key` of the file or object, control characters escaped.
    pub name: Option<String>,
    /// What is wrong.
    pub what: String,
    /// How to go on.
    pub next: String,
}

/// The rules: each is a part of the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An outcome is a journal's that can be read.
    Journal,
    /// Every file that anybody knows is in the watcher's journal.
    Arrived,
    /// A way ends once.
    OneEnd,
    /// Nothing is under way (where whoever asks says so).
    Settled,
    /// `FILES` holds events, and no two different ones of one step.
    OneOutcome,
    /// What `FILES` holds is what the journal holds.
    Published,
    /// An outcome has the mark of its publication, and the message there is the event.
    Mark,
    /// Each step follows the one before.
    Steps,
    /// `failed` has its dead letter, and a dead letter its outcome.
    DeadLetter,
    /// The event's counts add up, and are what the copy holds.
    Counts,
    /// A copy can be read again.
    Readable,
    /// Every reading is in the database, as the file says it or a later one.
    Readings,
    /// Every row in the database is a reading of the file that it names.
    Rows,
    /// An archived file's copy is where the event says, whole and its own.
    Copy,
    /// A file that was archived, or is said to be replaced or gone, is not at its source any more.
    Source,
    /// Nothing is filed that was not to be filed there.
    Filed,
    /// No two files share a destination.
    Destination,
    /// No last copy is gone but by somebody else's doing.
    LastCopy,
    /// Every upload is known, and every file was uploaded.
    Upload,
    /// Every mail that was accepted is there, once; others are not.
    Mail,
}

impl Rule {
    /// The rule's name, as it begins each line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Arrived => "arrived",
            Self::OneEnd => "one-end",
            Self::Settled => "settled",
            Self::OneOutcome => "one-outcome",
            Self::Published => "published",
            Self::Mark => "mark",
            Self::Steps => "steps",
            Self::DeadLetter => "dead-letter",
            Self::Counts => "counts",
            Self::Readable => "readable",
            Self::Readings => "readings",
            Self::Rows => "rows",
            Self::Copy => "copy",
            Self::Source => "source",
            Self::Filed => "filed",
            Self::Destination => "destination",
            Self::LastCopy => "last-copy",
            Self::Upload => "upload",
            Self::Mail => "mail",
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Violation {
    /// About nothing in particular.
    pub fn new(rule: Rule, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            rule,
            file: None,
            name: None,
            what: what.into(),
            next: next.into(),
        }
    }

    /// About a file.
    #[must_use]
    pub fn of(self, file: &File) -> Self {
        let Place { bucket, key } = file.place();
        Self {
            file: Some(file.id.to_string()),
            ..self.at(&Place { bucket, key })
        }
    }

    /// About a way of which no more than its number may be known.
    #[must_use]
    pub fn about(self, cell: Cell, file: Option<&File>) -> Self {
        match file {
            Some(file) => self.of(file),
            None => Self {
                file: Some(cell.0.to_string()),
                ..self
            },
        }
    }

    /// About an object.
    #[must_use]
    pub fn at(self, place: &Place) -> Self {
        Self {
            name: Some(place.shown()),
            ..self
        }
    }

    /// What stays the same when it is met again: rule, file and object, not the words.
    pub(crate) fn identity(&self) -> (Rule, Option<&str>, Option<&str>) {
        (self.rule, self.file.as_deref(), self.name.as_deref())
    }
}

impl fmt::Display for Violation {
    /// `rule: id bucket/key: what; how to go on`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.rule.name())?;
        let about: Vec<&str> = [&self.file, &self.name]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        if !about.is_empty() {
            write!(f, "{}: ", about.join(" "))?;
        }
        write!(f, "{}; {}", self.what, self.next)
    }
}
