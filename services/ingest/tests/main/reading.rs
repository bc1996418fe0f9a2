//! Reads bytes as the service does, and keeps everything that came out.

use ingest::table::{Part, Pass, Room, Rules, Seen, Stop, Terms};
use runtime::config::Profile;
use serde_json::json;
use store::readings::Reading;

/// Terms that refuse nothing by themselves.
pub(crate) fn terms() -> Terms {
    Terms {
        latest: "2100-01-01T00:00:00Z".parse().unwrap(),
        longest_line: 1024 * 1024,
        unpacked: 1 << 40,
        refused_rows: 16 * 1024 * 1024,
        part: 917_504,
    }
}

/// A profile from its settings, as they stand in a configuration.
pub(crate) fn profile(settings: &serde_json::Value) -> Profile {
    let mut whole = json!({ "name": "test" });
    whole
        .as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

/// A reading as (sensor, metric, milliseconds, value).
pub(crate) type Plain = (String, String, i64, f64);

/// What came out of a file.
pub(crate) struct Outcome {
    /// What the pass saw.
    pub(crate) seen: Seen,
    /// What would be written, part by part.
    pub(crate) written: Vec<Vec<Plain>>,
}

impl Outcome {
    /// Everything written, as it ends in the database: later parts win. Sorted.
    pub(crate) fn stored(&self) -> Vec<Plain> {
        let mut cells = std::collections::BTreeMap::new();
        for (sensor, metric, time, value) in self.written.iter().flatten().cloned() {
            cells.insert((sensor, metric, time), value);
        }
        let cells = cells.into_iter();
        cells
            .map(|((sensor, metric, time), value)| (sensor, metric, time, value))
            .collect()
    }

    /// The first refusals, one line each.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let first = self.seen.rejects.first().iter();
        first
            .map(|reject| {
                let column = reject.column.as_deref().unwrap_or("-");
                format!(
                    "{} {column} `{}` {}",
                    reject.line, reject.value, reject.reason
                )
            })
            .collect()
    }
}

fn plain(reading: &Reading) -> Plain {
    (
        reading.sensor.to_string(),
        reading.metric.to_string(),
        reading.time.as_millisecond(),
        reading.value,
    )
}

/// Reads `pieces` one after the other.
pub(crate) fn read_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    profile: &Profile,
    terms: &Terms,
    key: &str,
) -> Outcome {
    let rules = Rules::new(profile, key).unwrap();
    let mut pass = Pass::new(rules, terms, Room::most(terms), key);
    let mut written = vec![];
    let mut take = |part: &mut Part| -> Result<(), Stop> {
        part.cells.sort();
        let readings = part.readings(0..part.cells.len(), 0);
        written.push(readings.iter().map(plain).collect());
        Ok(())
    };
    for piece in pieces {
        if !pass.push(piece, &mut take).unwrap() {
            break;
        }
    }
    let mut seen = pass.finish(&mut take).unwrap();
    take(&mut seen.last).unwrap();
    Outcome { seen, written }
}

/// Reads `bytes` in one piece.
pub(crate) fn read(bytes: &[u8], profile: &Profile) -> Outcome {
    read_pieces([bytes], profile, &terms(), "incoming/file.csv")
}
