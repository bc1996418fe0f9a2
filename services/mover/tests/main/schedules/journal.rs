//! A journal in memory. Each replica has a view of it in which every call waits for its turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use proto::Event;
use store::Journal;
use store::journal::{Cell, Created, Entry, Overdue, Page, Position, Register, Settled};
use tokio::sync::{mpsc, oneshot};

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    registers: HashMap<Register, Entry>,
    outcomes: HashMap<Cell, Settled>,
}

/// A call that waits; when it is dropped, it goes on.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) replica: usize,
    pub(super) what: &'static str,
    pub(super) go: oneshot::Sender<()>,
}

/// One replica's view.
pub(super) struct View {
    pub(super) memory: Arc<Memory>,
    pub(super) replica: usize,
    pub(super) turns: mpsc::UnboundedSender<Turn>,
}

impl Memory {
    /// The outcome of a cell.
    pub(super) fn outcome(&self, cell: Cell) -> Option<Event> {
        let state = self.0.lock().unwrap();
        Some(state.outcomes.get(&cell)?.event.clone())
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap() = State::default();
    }
}

impl View {
    async fn ask<T>(&self, what: &'static str, call: impl FnOnce(&mut State) -> T) -> T {
        let (go, turn) = oneshot::channel();
        let replica = self.replica;
        let _ = self.turns.send(Turn { replica, what, go });
        let _ = turn.await;
        call(&mut self.memory.0.lock().unwrap())
    }
}

#[async_trait]
impl Journal for View {
    async fn settle(&self, event: &Event) -> store::Result<Settled> {
        let fresh = Settled {
            event: event.clone(),
            published: None,
        };
        let settled = self.ask("settle", |state| {
            let cell = state.outcomes.entry(Cell::of(event));
            cell.or_insert(fresh).clone()
        });
        Ok(settled.await)
    }

    async fn settled(&self, cell: Cell) -> store::Result<Option<Settled>> {
        let settled = self.ask("settled", |state| state.outcomes.get(&cell).cloned());
        Ok(settled.await)
    }

    async fn create_due(
        &self,
        register: &Register,
        value: &[u8],
        _: Option<Timestamp>,
    ) -> store::Result<Created> {
        let created = self.ask("create", |state| {
            let ours = !state.registers.contains_key(register);
            let fresh = Entry {
                value: value.to_vec(),
                revision: 1,
            };
            let entry = state.registers.entry(register.clone()).or_insert(fresh);
            Created {
                entry: entry.clone(),
                ours,
            }
        });
        Ok(created.await)
    }

    async fn read(&self, register: &Register) -> store::Result<Option<Entry>> {
        let entry = self.ask("read", |state| state.registers.get(register).cloned());
        Ok(entry.await)
    }

    async fn replace_due(
        &self,
        register: &Register,
        revision: u64,
        value: &[u8],
        _: Option<Timestamp>,
    ) -> store::Result<Option<u64>> {
        let replaced = self.ask("replace", |state| {
            let entry = state.registers.get_mut(register)?;
            (entry.revision == revision).then(|| {
                entry.revision += 1;
                entry.value = value.to_vec();
                entry.revision
            })
        });
        Ok(replaced.await)
    }

    // The rest is the runtime's.
    async fn settled_many(&self, _: &[Cell]) -> store::Result<Vec<Option<Settled>>> {
        unreachable!("the mover asks for one at a time")
    }

    async fn mark_published(&self, _: Cell, _: u64) -> store::Result<()> {
        unreachable!("nothing is published")
    }

    async fn unpublished(
        &self,
        _: Timestamp,
        _: Option<Position>,
        _: usize,
    ) -> store::Result<Page> {
        unreachable!("nothing is published")
    }

    async fn unmark(&self, _: Timestamp, _: u64) -> store::Result<u64> {
        unreachable!("nothing is published")
    }

    async fn renew(&self, _: &[Cell], _: &[Register]) -> store::Result<()> {
        unreachable!("nothing is forgotten")
    }

    async fn overdue(
        &self,
        _: &'static str,
        _: Timestamp,
        _: Option<&Overdue>,
        _: usize,
    ) -> store::Result<Vec<Overdue>> {
        unreachable!("the mover has no due times")
    }

    async fn forget(&self, _: Timestamp) -> store::Result<u64> {
        unreachable!("nothing is forgotten")
    }
}
