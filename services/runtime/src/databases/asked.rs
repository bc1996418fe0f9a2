//! What a service asks of its databases, whichever those are: failpoints around it, and a span.

use std::sync::Arc;

use async_trait::async_trait;
use failpoint::{Call, Subject, around};
use jiff::Timestamp;
use proto::{Event, FileId};
use store::journal::{Cell, Created, Entry, Overdue, Page, Position, Register, Settled};
use store::readings::{Query, Reading, Series, Stored};
use store::{Journal, Readings, Result};
use tracing::Instrument;

use crate::telemetry;

/// A database that is asked.
pub(super) struct Asked<S: ?Sized> {
    pub(super) store: Arc<S>,
    /// As the semantic conventions call it.
    pub(super) system: &'static str,
}

impl<S: ?Sized> Asked<S> {
    /// Asks: with failpoints before and after it, in a span of the file for which it is asked.
    async fn ask<T>(
        &self,
        call: Call,
        subject: Subject<'_>,
        asked: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (collection, operation) = call.name().split_once('.').unwrap_or(("", call.name()));
        let span = tracing::info_span!(
            target: telemetry::TARGET,
            "database",
            otel.name = format_args!("{operation} {collection}"),
            otel.kind = "client",
            db.system.name = self.system,
            db.operation.name = operation,
            db.collection.name = collection,
            landfall.kind = (!subject.kind.is_empty()).then_some(subject.kind),
        );
        let answer = around(call, subject, asked).instrument(span.clone()).await;
        if let Err(error) = &answer {
            telemetry::failed(&span, kind(error), &error.to_string());
        }
        answer
    }
}

#[async_trait]
impl Journal for Asked<dyn Journal> {
    async fn settle(&self, event: &Event) -> Result<Settled> {
        let subject = Subject {
            kind: event.data.what().token(),
            name: &event.about().0.key,
        };
        self.ask(Call::JournalSettle, subject, self.store.settle(event))
            .await
    }

    async fn settled(&self, cell: Cell) -> Result<Option<Settled>> {
        let file = cell.file.to_string();
        let subject = Subject::named(&file);
        self.ask(Call::JournalSettled, subject, self.store.settled(cell))
            .await
    }

    async fn settled_many(&self, cells: &[Cell]) -> Result<Vec<Option<Settled>>> {
        let asked = self.store.settled_many(cells);
        self.ask(Call::JournalSettledMany, Subject::NONE, asked)
            .await
    }

    async fn mark_published(&self, cell: Cell, sequence: u64) -> Result<()> {
        let file = cell.file.to_string();
        let marked = self.store.mark_published(cell, sequence);
        self.ask(Call::JournalMarkPublished, Subject::named(&file), marked)
            .await
    }

    async fn unpublished(
        &self,
        before: Timestamp,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page> {
        let asked = self.store.unpublished(before, after, limit);
        self.ask(Call::JournalUnpublished, Subject::NONE, asked)
            .await
    }

    async fn renew(&self, cells: &[Cell], registers: &[Register]) -> Result<()> {
        let asked = self.store.renew(cells, registers);
        self.ask(Call::JournalRenew, Subject::NONE, asked).await
    }

    async fn unmark(&self, created: Timestamp, last: u64) -> Result<u64> {
        let asked = self.store.unmark(created, last);
        self.ask(Call::JournalUnmark, Subject::NONE, asked).await
    }

    async fn create_due(
        &self,
        register: &Register,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Created> {
        let created = self.store.create_due(register, value, due);
        self.ask(Call::JournalCreate, named(register), created)
            .await
    }

    async fn read(&self, register: &Register) -> Result<Option<Entry>> {
        let read = self.store.read(register);
        self.ask(Call::JournalRead, named(register), read).await
    }

    async fn replace_due(
        &self,
        register: &Register,
        revision: u64,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Option<u64>> {
        let replaced = self.store.replace_due(register, revision, value, due);
        self.ask(Call::JournalReplace, named(register), replaced)
            .await
    }

    async fn overdue(
        &self,
        kind: &'static str,
        before: Timestamp,
        last: Option<&Overdue>,
        limit: usize,
    ) -> Result<Vec<Overdue>> {
        let subject = Subject { kind, name: "" };
        let asked = self.store.overdue(kind, before, last, limit);
        self.ask(Call::JournalOverdue, subject, asked).await
    }

    async fn forget(&self, before: Timestamp) -> Result<u64> {
        let forgotten = self.store.forget(before);
        self.ask(Call::JournalForget, Subject::NONE, forgotten)
            .await
    }
}

fn kind(error: &store::Error) -> &'static str {
    match error {
        store::Error::Away { .. } => "away",
        store::Error::Broken(_) => "broken",
    }
}

fn named(register: &Register) -> Subject<'_> {
    Subject {
        kind: register.kind,
        name: &register.name,
    }
}

#[async_trait]
impl Readings for Asked<dyn Readings> {
    async fn write(&self, file: FileId, readings: Vec<Reading>) -> Result<()> {
        let name = file.to_string();
        // One of many, which have one span together: see ingest's step.
        let written = self.store.write(file, readings);
        around(Call::ReadingsWrite, Subject::named(&name), written).await
    }

    async fn count(&self, file: FileId) -> Result<u64> {
        let name = file.to_string();
        let counted = self.store.count(file);
        self.ask(Call::ReadingsCount, Subject::named(&name), counted)
            .await
    }

    async fn retract(&self, file: FileId, before: i64) -> Result<u64> {
        let name = file.to_string();
        let retracted = self.store.retract(file, before);
        self.ask(Call::ReadingsRetract, Subject::named(&name), retracted)
            .await
    }

    // What people ask for; no service does.

    async fn page(
        &self,
        query: &Query,
        after: Option<&Stored>,
        limit: usize,
    ) -> Result<Vec<Stored>> {
        self.store.page(query, after, limit).await
    }

    async fn sensors(&self, from: &str, limit: usize) -> Result<Vec<String>> {
        self.store.sensors(from, limit).await
    }

    async fn series(&self, sensor: &str) -> Result<Vec<Series>> {
        self.store.series(sensor).await
    }
}
