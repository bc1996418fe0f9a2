//! Taking readings out, so that they stay out.
//!
//! A reading that was retracted leaves its write timestamp behind, in a table of its own that no
//! reader looks at: what is not later than that is not written any more, as it is with a deletion
//! in a CQL database. Where a later reading comes, it takes the retraction's place.

use proto::FileId;
use rusqlite::{Connection, params};

/// A reading that a file wrote, and when by its write timestamp.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    series: i64,
    time: i64,
    write_timestamp: i64,
}

/// Some of what a file wrote, and after which series and time to go on; none if that was all.
pub(super) struct Page {
    pub(super) written: Vec<Written>,
    pub(super) next: Option<(i64, i64)>,
}

/// Whether anything is retracted at all.
pub(super) fn is_any(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM retraction)")?
        .query_row([], |row| row.get(0))
}

/// Whether a reading with this write timestamp is not to be written; if it is, it takes the place
/// of the retraction.
pub(super) fn holds(
    connection: &Connection,
    (series, time): (i64, i64),
    write_timestamp: i64,
) -> rusqlite::Result<bool> {
    let held: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM retraction
             WHERE series = ?1 AND time = ?2 AND write_timestamp >= ?3)",
        )?
        .query_row(params![series, time, write_timestamp], |row| row.get(0))?;
    if !held {
        connection
            .prepare_cached("DELETE FROM retraction WHERE series = ?1 AND time = ?2")?
            .execute(params![series, time])?;
    }
    Ok(held)
}

/// What a file wrote before a write timestamp, among the next `limit` readings after `start`
/// (series, time).
pub(super) fn find_some(
    connection: &Connection,
    file: FileId,
    before: i64,
    start: (i64, i64),
    limit: u16,
) -> rusqlite::Result<Page> {
    let mut select = connection.prepare_cached(
        "SELECT series, time, write_timestamp, file = ?1 AND write_timestamp < ?2 FROM reading
         WHERE (series, time) > (?3, ?4) ORDER BY series, time LIMIT ?5",
    )?;
    let mut rows = select.query(params![file.bytes(), before, start.0, start.1, limit])?;
    let (mut seen, mut found, mut last) = (0_u16, vec![], None);
    while let Some(row) = rows.next()? {
        seen += 1;
        let written = Written {
            series: row.get(0)?,
            time: row.get(1)?,
            write_timestamp: row.get(2)?,
        };
        if row.get(3)? {
            found.push(written);
        }
        last = Some((written.series, written.time));
    }
    Ok(Page {
        written: found,
        next: last.filter(|_| seen == limit),
    })
}

/// Takes readings of a file out, unless they were overridden meanwhile; answers how many.
pub(super) fn retract(
    connection: &Connection,
    file: FileId,
    written: &[Written],
) -> rusqlite::Result<u64> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM reading
         WHERE series = ?1 AND time = ?2 AND file = ?3 AND write_timestamp = ?4",
    )?;
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO retraction (series, time, write_timestamp) VALUES (?1, ?2, ?3)",
    )?;
    let mut retracted = 0;
    for Written {
        series,
        time,
        write_timestamp,
    } in written
    {
        let key = params![series, time, file.bytes(), write_timestamp];
        if delete.execute(key)? == 1 {
            insert.execute(params![series, time, write_timestamp])?;
            retracted += 1;
        }
    }
    Ok(retracted)
}
