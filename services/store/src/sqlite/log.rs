//! Keeps the write-ahead log short.

use std::time::Duration;

use metrics::Gauge;
use rusqlite::Connection;

use super::database::{Database, PATIENCE};

/// Pages (of 4 KiB) in the log from which on its content is moved to the file proper.
const MOVE: u32 = 2_000;
/// Pages from which on readers and other processes' writers are made to wait for that.
const INSIST: u32 = 16_000;
/// How long they are waited for.
const INSISTENCE: Duration = Duration::from_millis(200);
/// How much longer the log gets before the next try, where somebody keeps it busy; a quarter of
/// its length where that is more.
const STEP: u32 = 1_000;

/// When the log is moved next.
pub(super) struct Log {
    /// How long it was after the last commit.
    pages: u32,
    next: u32,
    gauge: Gauge,
}

impl Log {
    pub(super) fn new(database: &Database) -> Self {
        Self {
            pages: 0,
            next: MOVE,
            gauge: metrics::gauge!("landfall_store_log_pages", "file" => database.name()),
        }
    }

    /// Looks how long the log is, after a commit, and moves it where it is time; the next commit
    /// then begins it anew. A failure costs room, no more: the next commit meets it again.
    pub(super) fn tidy(&mut self, connection: &Connection, database: &Database) {
        let Ok(State { pages, .. }) = checkpoint(connection, "NOOP") else {
            return;
        };
        if pages < self.pages {
            // It has begun anew.
            self.next = MOVE;
        }
        self.pages = pages;
        self.gauge.set(pages);
        if pages < self.next {
            return;
        }
        self.next = pages + STEP.max(pages / 4);
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test opens the file itself")]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn write(connection: &Connection) -> u32 {
        let grow = "INSERT INTO number VALUES (zeroblob(100000))";
        connection.execute(grow, []).unwrap();
        checkpoint(connection, "NOOP").unwrap().pages
    }

    /// Tries once, while a reader is busy that ends soon.
    fn began_anew(writer: &mut Connection, reader: &Connection) -> bool {
        let before = write(writer);
        let begin = "BEGIN; SELECT count(*) FROM number";
        reader.execute_batch(begin).unwrap();
        write(writer);
        let (_never, soon) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let writer = &mut *writer;
            scope.spawn(move || insist(writer).unwrap());
            let _ = soon.recv_timeout(INSISTENCE / 4);
            reader.execute_batch("COMMIT").unwrap();
        });
        write(writer) < before
    }

    #[test]
    fn a_reader_that_ends_soon_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.db");
        let (mut writer, reader) = (
            Connection::open(&path).unwrap(),
            Connection::open(&path).unwrap(),
        );
        writer.pragma_update(None, "journal_mode", "wal").unwrap();
        writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        writer
            .execute_batch("CREATE TABLE number (number)")
            .unwrap();
        // On a busy machine the reader may end too late.
        assert!((0..20).any(|_| began_anew(&mut writer, &reader)));
    }
}
