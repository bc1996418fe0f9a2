//! What was found: everything that is judged, and nothing of how it was come by.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use proto::FileId;

use crate::event::{Event, File, Mailed, Ordered, Place, Said, Stage, Step, Sum};
use crate::recount::Recount;

/// A way: a file and which replay of it.
pub type Cell = (FileId, u32);

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When the look began.
    pub now: Timestamp,
    /// Whether nothing is under way, as whoever asked says: then what is open is wrong.
    pub settled: bool,
    /// Whether all files were looked at, and not a choice of them.
    pub whole: bool,
    /// What is older than this may have been forgotten by the journals.
    pub horizon: Timestamp,
    /// The files that are judged.
    pub chosen: BTreeSet<FileId>,
    /// What the journals hold.
    pub ways: BTreeMap<Cell, Way>,
    /// Rows of the journals that cannot be read, one line each.
    pub unreadable: Vec<String>,
    /// Who claims which destination in the mover's journal.
    pub claims: HashMap<Place, FileId>,
    /// The stream `FILES`.
    pub files: Stream<Heard>,
    /// The stream `DEAD`.
    pub dead: Stream<Buried>,
    /// Ways whose wake stands in `DELAY`, or is on its way out of it.
    pub wakes: BTreeSet<Cell>,
    /// Order seconds of files that were retracted.
    pub retracted: BTreeSet<i64>,
    /// How many readings in the database each file wrote.
    pub rows: HashMap<FileId, Rows>,
    /// What counting the readings of each ingested file again came to.
    pub recounts: BTreeMap<FileId, Recount>,
    /// Every object where Landfall files files away.
    pub filed: BTreeMap<Place, Filed>,
    /// What lies at the source of each file.
    pub sources: BTreeMap<FileId, Source>,
    /// The mails that can be seen, where they can.
    pub mails: Option<Vec<Mail>>,
    /// Every upload there ever was, in their order, where that is known.
    pub uploads: Option<Vec<Upload>>,
}

/// What the journals hold of one way.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// The outcome of each step, in the order of [`Step::ALL`].
    pub outcomes: [Option<Outcome>; 4],
    /// What a person ordered it with; none of a first way.
    pub ordered: Option<Ordered>,
    /// What ingest decided.
    pub decision: Option<Decision>,
    /// The mail's row.
    pub mail: Option<MailRow>,
}

/// A row of a journal.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The event.
    pub event: Event,
    /// Its mark: the sequence in `FILES` under which it was published.
    pub published: Option<u64>,
}

/// What ingest decided before the first row.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// To store its readings.
    Ingest(Plan),
    /// To refuse it.
    Reject,
    /// It was gone.
    Superseded,
}

/// How ingest reads a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Later times are refused.
    pub latest: Timestamp,
    /// In how many parts it is written.
    pub parts: u32,
}

/// A mail's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailRow {
    /// It waits for its time.
    Waiting(Timestamp),
    /// It may be going out right now.
    HandingOver(Timestamp),
    /// It has ended.
    Ended(Mailed),
}

/// A stream as far as it was read.
#[derive(Clone, Debug)]
pub struct Stream<T> {
    /// The first sequence that it still holds.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// What it holds, by sequence.
    pub messages: BTreeMap<u64, T>,
}

/// A message of `FILES`.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// An event.
    Event {
        /// Which way it is about.
        cell: Cell,
        /// Who says it.
        step: Step,
        /// The word for what it says.
        word: &'static str,
        /// All of it.
        sum: Sum,
        /// What the file is called.
        name: Place,
    },
    /// A person's command: how many there are of one way is no matter.
    Ordered,
    /// Something else, and why it cannot be read.
    Unreadable(String),
}

/// A message of `dead.<service>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Buried {
    /// Who gave up.
    pub by: String,
    /// About which way, where that can be read.
    pub about: Option<(Cell, Place)>,
    /// When.
    pub stored: Timestamp,
}

/// Readings of one file in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The greatest write timestamp among them, µs.
    pub newest: i64,
}

/// An object that was filed away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// Whose it says it is.
    pub file: Option<FileId>,
    /// Which replay put it there.
    pub replay: Option<u32>,
    /// Bytes.
    pub size: u64,
    /// `Last-Modified`.
    pub modified: Timestamp,
}

/// What lies where a file was uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This version.
    This,
    /// Another one.
    Another,
    /// Nothing.
    Nothing,
}

/// A mail in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `Message-ID` without brackets.
    pub id: String,
    /// Which way it is about, by its `Message-ID`.
    pub about: Cell,
    /// Where it lies.
    pub name: String,
}

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Where to.
    pub place: Place,
    /// Entity tag without quotes.
    pub etag: String,
    /// Version id, in a versioned bucket.
    pub version: Option<String>,
    /// SHA-256 of what was uploaded, as hex, where it is known.
    pub sha256: Option<String>,
    /// Whether somebody other than Landfall deleted it afterwards.
    pub deleted: bool,
}

impl Way {
    /// A step's outcome.
    pub fn outcome(&self, step: Step) -> Option<&Outcome> {
        self.outcomes[step as usize].as_ref()
    }

    /// What a step said.
    pub fn said(&self, step: Step) -> Option<&Said> {
        self.outcome(step).map(|outcome| &outcome.event.said)
    }

    /// The file, as the first event about it describes it.
    pub fn file(&self) -> Option<&File> {
        let mut outcomes = self.outcomes.iter().flatten();
        outcomes.next().map(|outcome| &outcome.event.file)
    }

    /// The last step that said something.
    pub fn last(&self) -> Option<&Outcome> {
        self.outcomes.iter().rev().flatten().next()
    }

    /// From where on it was gone again; none of a first way and of a retraction.
    pub fn from(&self) -> Option<Stage> {
        self.ordered.as_ref()?.from
    }

    /// Whether it takes readings out, or has.
    pub fn is_retraction(&self) -> bool {
        let ordered = self.ordered.as_ref();
        ordered.is_some_and(|ordered| ordered.from.is_none())
    }

    /// Whether ingest was to read the file on it.
    pub fn reads(&self) -> bool {
        matches!(self.from(), None | Some(Stage::Ingest)) && !self.is_retraction()
    }

    /// The events that end a way, of which there is to be one. A mail about `failed` that cannot
    /// be sent ends in the notifier's `failed`, which is no second end of the file's.
    pub fn ends(&self) -> Vec<&Outcome> {
        let failed = [Step::Ingest, Step::Mover]
            .iter()
            .any(|step| matches!(self.said(*step), Some(Said::Failed { .. })));
        let ends = self.outcomes.iter().flatten().filter(|outcome| {
            let Event { step, said, .. } = &outcome.event;
            match said {
                Said::Superseded { .. } | Said::Notified { .. } | Said::Retracted {} => true,
                Said::Failed { .. } => !(failed && *step == Step::Notifier),
                _ => false,
            }
        });
        ends.collect()
    }
}

impl Facts {
    /// Whether a way's file is judged.
    pub fn is_chosen(&self, cell: &Cell) -> bool {
        self.chosen.contains(&cell.0)
    }

    /// The ways that are judged.
    pub fn judged(&self) -> impl Iterator<Item = (&Cell, &Way)> {
        self.ways.iter().filter(|(cell, _)| self.is_chosen(cell))
    }

    /// A file, as the journals know it.
    pub fn file(&self, id: FileId) -> Option<&File> {
        let mut ways = self.ways.range((id, 0)..=(id, u32::MAX));
        ways.find_map(|(_, way)| way.file())
    }

    /// The ways of a file, from the first on.
    pub fn ways_of(&self, id: FileId) -> impl DoubleEndedIterator<Item = (&Cell, &Way)> + Clone {
        self.ways.range((id, 0)..=(id, u32::MAX))
    }

    /// Which of its ways may have readings of a file in the database: those that read it, since it
    /// was last retracted.
    pub fn standing(&self, id: FileId) -> impl DoubleEndedIterator<Item = (&Cell, &Way)> + Clone {
        let retracted = self.ways_of(id).rev().find(|(_, way)| way.is_retraction());
        let since = retracted.map_or(0, |(cell, _)| cell.1 + 1);
        let ways = self.ways.range((id, since)..=(id, u32::MAX));
        ways.filter(|(_, way)| way.reads())
    }

    /// The last way of a file.
    pub fn last_way(&self, id: FileId) -> Option<(&Cell, &Way)> {
        self.ways.range((id, 0)..=(id, u32::MAX)).next_back()
    }
}
