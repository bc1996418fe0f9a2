//! Series: each sensor's each metric has a number, which stands in every reading.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

/// Series that are remembered; one more, and all are forgotten.
const REMEMBERED: usize = 65_536;
/// Names that are longer (together, in bytes) are looked up each time.
const LONGEST: usize = 256;

/// The numbers that the writer knows by heart. Numbers never change, and what was rolled back is
/// forgotten by the writer as a whole.
#[derive(Default)]
pub(super) struct Known {
    ids: HashMap<(Arc<str>, Arc<str>), i64>,
    last: Option<(Arc<str>, Arc<str>, i64)>,
}

impl Known {
    /// The number of a series, which gets one if it has none.
    pub(super) fn id(
        &mut self,
        connection: &Connection,
        sensor: &Arc<str>,
        metric: &Arc<str>,
    ) -> rusqlite::Result<i64> {
        if let Some((last_sensor, last_metric, id)) = &self.last
            && Arc::ptr_eq(last_sensor, sensor)
            && Arc::ptr_eq(last_metric, metric)
        {
            return Ok(*id);
        }
        let names = (Arc::clone(sensor), Arc::clone(metric));
        let id = match self.ids.get(&names) {
            Some(id) => *id,
            None => {
                let id = find_or_add(connection, sensor, metric)?;
                if self.ids.len() >= REMEMBERED {
                    self.ids.clear();
                }
                if sensor.len() + metric.len() <= LONGEST {
                    self.ids.insert(names, id);
                }
                id
            }
        };
        self.last = Some((Arc::clone(sensor), Arc::clone(metric), id));
        Ok(id)
    }
}

fn find_or_add(connection: &Connection, sensor: &str, metric: &str) -> rusqlite::Result<i64> {
    let found = connection
        .prepare_cached("SELECT id FROM series WHERE sensor = ?1 AND metric = ?2")?
        .query_row(params![sensor, metric], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO series (sensor, metric) VALUES (?1, ?2)")?
        .insert(params![sensor, metric])
}

/// The series of a sensor, with their metrics, in their order; only that of `metric` if given.
pub(super) fn of(
    connection: &Connection,
    sensor: &str,
    metric: Option<&str>,
) -> rusqlite::Result<Vec<(i64, String)>> {
    connection
        .prepare_cached(
            "SELECT id, metric FROM series
             WHERE sensor = ?1 AND (?2 IS NULL OR metric = ?2) ORDER BY metric",
        )?
        .query_map(params![sensor, metric], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

/// The first names of sensors from `from` on, in their order.
pub(super) fn sensors(
    connection: &Connection,
    from: &str,
    limit: i64,
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT DISTINCT sensor FROM series WHERE sensor >= ?1 ORDER BY sensor LIMIT ?2",
        )?
        .query_map(params![from, limit], |row| row.get(0))?
        .collect()
}
