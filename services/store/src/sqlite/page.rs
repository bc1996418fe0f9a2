//! One page of a sensor's readings: newest first, at one time by metric.

use std::cmp::Reverse;
use std::sync::Arc;

use proto::FileId;
use rusqlite::{Connection, params};

use crate::range::Range;

/// A row as the file has it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) time: i64,
    pub(super) metric: Arc<str>,
    pub(super) value: f64,
    pub(super) file: FileId,
}

/// The newest rows of the series merged so far, at most `limit`.
pub(super) struct Page {
    pub(super) rows: Vec<Row>,
    limit: usize,
}

impl Page {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            rows: vec![],
            limit,
        }
    }

    /// Adds the rows of the next series in `range`, and keeps the newest.
    pub(super) fn merge(
        &mut self,
        connection: &Connection,
        series: i64,
        metric: &Arc<str>,
        range: Range,
    ) -> rusqlite::Result<()> {
        // Series come in the order of their metrics: what is not newer than the last row of a full
        // page comes after it.
        let first = match self.rows.last() {
            Some(row) if self.rows.len() == self.limit => range.first.max(row.time + 1),
            _ => range.first,
        };
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Row {
                time: row.get(0)?,
                metric: Arc::clone(metric),
                value: row.get(1)?,
                file: FileId::from_bytes(row.get(2)?),
            })
        };
        let mut select = connection.prepare_cached(
            "SELECT time, value, file FROM reading
             WHERE series = ?1 AND time BETWEEN ?2 AND ?3 ORDER BY time DESC LIMIT ?4",
        )?;
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let bounds = params![series, first, range.last, limit];
        for found in select.query_map(bounds, row)? {
            self.rows.push(found?);
        }
        // Stable: at one time, metrics stay in the order in which they are merged.
        self.rows.sort_by_key(|row| Reverse(row.time));
        self.rows.truncate(self.limit);
        Ok(())
    }
}

/// The first time of a series and its latest row; none where it has no readings.
pub(super) fn ends(
    connection: &Connection,
    series: i64,
    metric: &Arc<str>,
) -> rusqlite::Result<Option<(i64, Row)>> {
    let mut page = Page::new(1);
    page.merge(connection, series, metric, Range::ALL)?;
    let first: Option<i64> = connection
        .prepare_cached("SELECT min(time) FROM reading WHERE series = ?1")?
        .query_row([series], |row| row.get(0))?;
    Ok(first.zip(page.rows.pop()))
}
