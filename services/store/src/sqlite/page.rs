//! One page of a sensor's readings: newest first, at one time by metric.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;
use proto::FileId;
use rusqlite::{Connection, params};

use crate::readings::Query;

/// Times in milliseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    first: i64,
    last: i64,
}

impl Range {
    /// What a query asks for.
    pub(super) fn of(query: &Query) -> Self {
        Self {
            first: query.from.map_or(i64::MIN, milliseconds_up),
            last: query
                .until
                .map_or(i64::MAX, |until| milliseconds_up(until) - 1),
        }
    }

    /// What of it comes after the last row (time, metric) of the page before, in `metric`.
    pub(super) fn after(self, before: Option<&(i64, String)>, metric: &str) -> Self {
        let last = match before {
            Some((time, passed)) if metric <= passed.as_str() => time - 1,
            Some((time, _)) => *time,
            None => return self,
        };
        Self {
            last: self.last.min(last),
            ..self
        }
    }
}

/// The first whole millisecond that is not before `time`.
fn milliseconds_up(time: Timestamp) -> i64 {
    let floor = time.as_nanosecond().div_euclid(1_000_000);
    let up = floor + i128::from(time.as_nanosecond().rem_euclid(1_000_000) != 0);
    // A timestamp's range is far smaller.
    i64::try_from(up).unwrap_or(i64::MAX)
}

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
