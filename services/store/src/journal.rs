//! A service's journal: the outcome of its step for each (file, replay), and named registers.
//!
//! Both rest on one primitive, *create if absent*, which the database decides (a primary key in
//! `SQLite`, a lightweight transaction in CQL): whoever comes second reads what the first wrote.

use async_trait::async_trait;
use jiff::Timestamp;
use proto::{Event, FileId};

use crate::Result;

/// A journal. Each service has one of its own, and may touch no other.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Creates the outcome of the event's (file, replay) if there is none, and answers what is
    /// stored now: this event or an earlier one. Durable when it returns. Safe to repeat: the
    /// first one stays.
    async fn settle(&self, event: &Event) -> Result<Settled>;

    /// The outcome of a cell, if it has one.
    async fn settled(&self, cell: Cell) -> Result<Option<Settled>>;

    /// The outcomes of many cells, in the order asked for.
    async fn settled_many(&self, cells: &[Cell]) -> Result<Vec<Option<Settled>>>;

    /// Notes that the outcome of a cell was published, and acknowledged as `sequence`. Without
    /// this mark an outcome is published again; a lost mark costs a publication, no more. Safe to
    /// repeat: the first mark stays. A cell without an outcome stays without one.
    async fn mark_published(&self, cell: Cell, sequence: u64) -> Result<()>;

    /// Outcomes without the mark whose event's time is before `before`, oldest first, at most
    /// `limit`, from `after` on. One that cannot be read is logged and left out.
    async fn unpublished(
        &self,
        before: Timestamp,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page>;

    /// Takes back the marks that a stream made at `created`, whose last sequence is `last`, cannot
    /// have been the reason for: it was made anew since, or set back, and has lost what they say it
    /// holds. Answers how many. Safe to repeat: an outcome published again is one to whoever reads
    /// it.
    async fn unmark(&self, created: Timestamp, last: u64) -> Result<u64>;

    /// Creates a register that nobody has to look at again if there is none, and answers what it
    /// holds now. Safe to repeat, but who repeats it may read its own value as another's.
    async fn create(&self, register: &Register, value: &[u8]) -> Result<Created> {
        self.create_due(register, value, None).await
    }

    /// [`Self::create`] for a register at which somebody has to look again at `due`: from then on
    /// [`Self::overdue`] names it.
    async fn create_due(
        &self,
        register: &Register,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Created>;

    /// What a register holds.
    async fn read(&self, register: &Register) -> Result<Option<Entry>>;

    /// Compare-and-set: writes `value` if the register still has `revision`, and nobody has to look
    /// at it again. Answers the new revision, or none if another was faster or there is no such
    /// register. After an error, who asked reads the register to know whether it was written.
    async fn replace(
        &self,
        register: &Register,
        revision: u64,
        value: &[u8],
    ) -> Result<Option<u64>> {
        self.replace_due(register, revision, value, None).await
    }

    /// [`Self::replace`], after which somebody has to look at the register again at `due`.
    async fn replace_due(
        &self,
        register: &Register,
        revision: u64,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Option<u64>>;

    /// Puts off that outcomes and registers are forgotten, as if they were marked and written now:
    /// what still matters must not be taken for something new. Values, revisions and marks stay,
    /// an outcome without the mark stays without it, and what is not there stays away. Safe to
    /// repeat. (Where rows expire one by one, they are written again as they are, compared and
    /// set.)
    async fn renew(&self, cells: &[Cell], registers: &[Register]) -> Result<()>;

    /// Registers of a kind that were due before `before`, in the order of their times and names, at
    /// most `limit`, and only what comes after `last`. May name one that was written meanwhile; who
    /// acts on it changes it by compare-and-set.
    ///
    /// Costs what is due, not what there is. `SQLite` has an index of the times. A CQL store, whose
    /// registers are spread by their names, keeps a second table of them: partitioned by the kind
    /// and a few shards of the name, in the order of the times, written before the conditional
    /// write that it is about and removed after the one that leaves it. So a crash leaves an entry
    /// too many and never one too few; the register that is read with it tells, and what does not
    /// agree is passed over and removed.
    async fn overdue(
        &self,
        kind: &'static str,
        before: Timestamp,
        last: Option<&Overdue>,
        limit: usize,
    ) -> Result<Vec<Overdue>>;

    /// Removes registers that were last written before `before`, and outcomes that were marked
    /// before it; answers how many. An outcome without the mark stays, however old: it is still to
    /// be published.
    async fn forget(&self, before: Timestamp) -> Result<u64>;
}

/// One cell of the journal: a step has one outcome for each replay of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// The file.
    pub file: FileId,
    /// Which replay of it.
    pub replay: u32,
}

impl Cell {
    /// The cell that an event is about.
    pub fn of(event: &Event) -> Self {
        let (file, replay) = event.about();
        Self {
            file: file.id,
            replay,
        }
    }
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The outcome.
    pub event: Event,
    /// Its sequence in `FILES`, once it was published and the mark was written.
    pub published: Option<u64>,
}

/// Some of the outcomes without the mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Those that can be read.
    pub outcomes: Vec<Settled>,
    /// Where the next page begins; none if this is the last.
    pub next: Option<Position>,
}

/// A place among the outcomes without the mark: after one with this time and this cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its event's time, in whole microseconds.
    pub settled: Timestamp,
    /// Its cell.
    pub cell: Cell,
}

/// The name of a register: a kind, which is the service's to choose, and a name of any UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// Which sort of register: `key`, `destination`, `mail`, …
    pub kind: &'static str,
    /// Which one of the sort.
    pub name: String,
}

impl Register {
    /// A register by kind and name.
    pub fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

/// What a register holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value last written.
    pub value: Vec<u8>,
    /// Counts the writes, from 1.
    pub revision: u64,
}

/// A register at which somebody should have looked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Which register.
    pub register: Register,
    /// What it holds.
    pub entry: Entry,
    /// When it was due, to the microsecond.
    pub due: Timestamp,
}

/// The answer of [`Journal::create`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// What the register holds now.
    pub entry: Entry,
    /// Whether this call wrote it.
    pub ours: bool,
}
