//! Batches of one statement, which differ in their values alone.

use std::sync::OnceLock;

use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;

/// Rows of one batch, at most. Cassandra was seen to be as fast with 200, and the loader to take more
/// memory from there on; of ScyllaDB's `batch_size_warn_threshold_in_kb` (128) it is a twentieth.
pub(super) const BATCH: usize = 128;

/// Batches of one to [`BATCH`] rows, each made when it is first needed: a batch has a copy of the
/// statement for every row.
pub(super) struct Batches {
    insert: PreparedStatement,
    of: Vec<OnceLock<Batch>>,
}

impl Batches {
    /// Of a statement that is safe to repeat.
    pub(super) fn new(insert: PreparedStatement) -> Self {
        Self {
            insert,
            of: (0..BATCH).map(|_| OnceLock::new()).collect(),
        }
    }

    /// For so many rows, at least one and at most [`BATCH`], all of one partition.
    pub(super) fn of(&self, rows: usize) -> &Batch {
        self.of[rows - 1].get_or_init(|| {
            let statements = vec![BatchStatement::from(self.insert.clone()); rows];
            let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
            batch.set_is_idempotent(true);
            batch
        })
    }
}
