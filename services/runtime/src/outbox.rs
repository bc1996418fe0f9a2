use std::sync::Arc;

use proto::{Data, User};
use store::Journal;
use store::journal::{Cell, Settled};

use crate::Trouble;

/// Settles outcomes in the journal and publishes what is stored, in this order.
///
/// Safe to repeat at any line: *create if absent* decides which outcome counts, what is published
/// is what is stored, and an outcome without the mark of its publication is published again at
/// start and by the sweep.
#[derive(Clone)]
pub struct Outbox {
    user: User,
    journal: Arc<dyn Journal>,
}

impl Outbox {
    /// Settles `data` as this service's outcome, publishes what is stored now, and marks it.
    /// Answers what is stored, which may be an earlier outcome.
    pub async fn settle(&self, data: Data) -> Result<Settled, Trouble> {
        let _ = (&self.user, &self.journal, data);
        unimplemented!()
    }

    /// Publishes the outcome of `cell` again if it has one; answers it.
    pub async fn repeat(&self, cell: Cell) -> Result<Option<Settled>, Trouble> {
        let _ = cell;
        unimplemented!()
    }
}
