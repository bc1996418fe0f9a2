//! Failpoints around what a service asks of its databases, whichever those are.

use std::sync::Arc;

use async_trait::async_trait;
use failpoint::{Call, Subject, around};
use jiff::Timestamp;
use proto::{Event, FileId};
use store::journal::{Cell, Created, Entry, Overdue, Page, Position, Register, Settled};
use store::readings::{Query, Reading, Series, Stored};
use store::{Journal, Readings, Result};

/// A store behind failpoints.
struct Failing<S: ?Sized>(Arc<S>);

/// The journal behind failpoints, in builds that have them; as it is in others.
pub(super) fn journal(journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
    if failpoint::ENABLED {
        Arc::new(Failing(journal))
    } else {
        journal
    }
}

/// The readings behind failpoints, in builds that have them; as they are in others.
pub(super) fn readings(readings: Arc<dyn Readings>) -> Arc<dyn Readings> {
    if failpoint::ENABLED {
        Arc::new(Failing(readings))
    } else {
        readings
    }
}

#[async_trait]
impl Journal for Failing<dyn Journal> {
    async fn settle(&self, event: &Event) -> Result<Settled> {
        let subject = Subject {
            kind: event.data.what().token(),
            name: &event.about().0.key,
        };
        around(Call::JournalSettle, subject, self.0.settle(event)).await
    }

    async fn settled(&self, cell: Cell) -> Result<Option<Settled>> {
        let file = cell.file.to_string();
        let subject = Subject::named(&file);
        around(Call::JournalSettled, subject, self.0.settled(cell)).await
    }

    async fn settled_many(&self, cells: &[Cell]) -> Result<Vec<Option<Settled>>> {
        let asked = self.0.settled_many(cells);
        around(Call::JournalSettledMany, Subject::NONE, asked).await
    }

    async fn mark_published(&self, cell: Cell, sequence: u64) -> Result<()> {
        let file = cell.file.to_string();
        let marked = self.0.mark_published(cell, sequence);
        around(Call::JournalMarkPublished, Subject::named(&file), marked).await
    }

    async fn unpublished(
        &self,
        before: Timestamp,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page> {
        let asked = self.0.unpublished(before, after, limit);
        around(Call::JournalUnpublished, Subject::NONE, asked).await
    }

    async fn renew(&self, cells: &[Cell], registers: &[Register]) -> Result<()> {
        let asked = self.0.renew(cells, registers);
        around(Call::JournalRenew, Subject::NONE, asked).await
    }

    async fn unmark(&self, created: Timestamp, last: u64) -> Result<u64> {
        let asked = self.0.unmark(created, last);
        around(Call::JournalUnmark, Subject::NONE, asked).await
    }

    async fn create_due(
        &self,
        register: &Register,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Created> {
        let created = self.0.create_due(register, value, due);
        around(Call::JournalCreate, named(register), created).await
    }

    async fn read(&self, register: &Register) -> Result<Option<Entry>> {
        let read = self.0.read(register);
        around(Call::JournalRead, named(register), read).await
    }

    async fn replace_due(
        &self,
        register: &Register,
        revision: u64,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Option<u64>> {
        let replaced = self.0.replace_due(register, revision, value, due);
        around(Call::JournalReplace, named(register), replaced).await
    }

    async fn overdue(
        &self,
        kind: &'static str,
        before: Timestamp,
        last: Option<&Overdue>,
        limit: usize,
    ) -> Result<Vec<Overdue>> {
        let subject = Subject { kind, name: "" };
        let asked = self.0.overdue(kind, before, last, limit);
        around(Call::JournalOverdue, subject, asked).await
    }

    async fn forget(&self, before: Timestamp) -> Result<u64> {
        let forgotten = self.0.forget(before);
        around(Call::JournalForget, Subject::NONE, forgotten).await
    }
}

fn named(register: &Register) -> Subject<'_> {
    Subject {
        kind: register.kind,
        name: &register.name,
    }
}

#[async_trait]
impl Readings for Failing<dyn Readings> {
    async fn write(&self, file: FileId, readings: Vec<Reading>) -> Result<()> {
        let name = file.to_string();
        let written = self.0.write(file, readings);
        around(Call::ReadingsWrite, Subject::named(&name), written).await
    }

    async fn count(&self, file: FileId) -> Result<u64> {
        let name = file.to_string();
        let counted = self.0.count(file);
        around(Call::ReadingsCount, Subject::named(&name), counted).await
    }

    async fn retract(&self, file: FileId, before: i64) -> Result<u64> {
        let name = file.to_string();
        let retracted = self.0.retract(file, before);
        around(Call::ReadingsRetract, Subject::named(&name), retracted).await
    }

    // What people ask for; no service does.

    async fn page(
        &self,
        query: &Query,
        after: Option<&Stored>,
        limit: usize,
    ) -> Result<Vec<Stored>> {
        self.0.page(query, after, limit).await
    }

    async fn sensors(&self, from: &str, limit: usize) -> Result<Vec<String>> {
        self.0.sensors(from, limit).await
    }

    async fn series(&self, sensor: &str) -> Result<Vec<Series>> {
        self.0.series(sensor).await
    }
}
