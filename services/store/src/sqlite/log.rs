//! Keeps the write-ahead log short.

use std::time::Duration;

use rusqlite::Connection;

use super::database::{Database, PATIENCE};

/// Pages (of 4 KiB) in the log from which on its content is moved to the file proper.
const MOVE: u32 = 2_000;
/// Pages from which on readers and other processes' writers are made to wait for that.
const INSIST: u32 = 16_000;
/// How long they are waited for.
const INSISTENCE: Duration = Duration::from_millis(200);
/// How much longer the log must get before the next try, where somebody keeps it busy.
const STEP: u32 = 1_000;

/// When the log is looked at next.
#[derive(Debug)]
pub(super) struct Log {
    next: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { next: MOVE }
    }
}

impl Log {
    /// Looks how long the log is, after a commit, and shortens it where it is time. A failure
    /// costs room, no more: the next commit meets it again.
    pub(super) fn tidy(&mut self, connection: &Connection, database: &Database) {
        let pages = match checkpoint(connection, "NOOP") {
            Ok(state) if state.pages < MOVE => {
                self.next = MOVE;
                return;
            }
            Ok(state) if state.pages < self.next => return,
            Ok(state) => state.pages,
            // The next transaction will say what is wrong.
            Err(_) => return,
        };
        self.next = pages + STEP;
        let moved = if pages < INSIST {
            checkpoint(connection, "PASSIVE")
        } else {
            insist(connection)
        };
        let path = database.path().display();
        match moved {
            Ok(state) if pages < INSIST || !state.busy => {}
            Ok(_) => tracing::warn!(
                %path, pages,
                "the write-ahead log grows: something keeps reading the file without an end"
            ),
            Err(error) => {
                tracing::warn!(%path, pages, "cannot shorten the write-ahead log: {error}");
            }
        }
    }
}

struct State {
    /// Whether somebody else stood in the way.
    busy: bool,
    /// How long the log is.
    pages: u32,
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<State> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| {
        Ok(State {
            busy: row.get(0)?,
            // -1 before the first write.
            pages: row.get(1).unwrap_or_default(),
        })
    })
}

/// Makes others wait until the log can begin anew.
fn insist(connection: &Connection) -> rusqlite::Result<State> {
    connection.busy_timeout(INSISTENCE)?;
    let state = checkpoint(connection, "RESTART");
    connection.busy_timeout(PATIENCE)?;
    state
}
