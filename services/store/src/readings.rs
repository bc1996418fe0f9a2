//! The readings themselves.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use proto::FileId;

use crate::{Error, Result};

/// One reading, as a file says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Sensor, any UTF-8.
    pub sensor: Arc<str>,
    /// What was measured.
    pub metric: Arc<str>,
    /// When, to the millisecond.
    pub time: Timestamp,
    /// The value; finite.
    pub value: f64,
    /// Decides which of two readings with one sensor, metric and time stays: the greater.
    pub write_timestamp: i64,
}

impl Reading {
    /// Refuses what no store keeps: a value that is not finite.
    pub(crate) fn check(&self) -> Result<()> {
        if self.value.is_finite() {
            return Ok(());
        }
        Err(Error::Broken(format!(
            "the {} of sensor {} at {} is {}: only finite values are stored",
            self.metric, self.sensor, self.time, self.value
        )))
    }
}

/// A stored reading, as it is read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// When.
    pub time: Timestamp,
    /// What was measured.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// The file that wrote it.
    pub file: FileId,
}

/// What a sensor has of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// When its first reading was.
    pub first: Timestamp,
    /// Its latest reading.
    pub latest: Stored,
}

/// Which readings of a sensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Sensor.
    pub sensor: String,
    /// One metric, or all of them.
    pub metric: Option<String>,
    /// From this time on, inclusive.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// The database of readings.
#[async_trait]
pub trait Readings: Send + Sync + 'static {
    /// Stores readings of one file; they are durable when it returns. Writing the same readings
    /// again changes nothing; in whatever order two files are written, each cell (sensor, metric,
    /// time) ends with the reading whose write timestamp is greater. Where write timestamps are
    /// equal, the value decides that is bigger byte by byte (IEEE 754, most significant byte first,
    /// so that a negative value is bigger than a positive one); whether the file is that value's
    /// or the other one is the store's to say.
    ///
    /// An error, or a caller that goes away, leaves any part of the readings stored: who asked
    /// asks again. Times are truncated to the millisecond; a value that is not finite is refused,
    /// and nothing is stored.
    async fn write(&self, file: FileId, readings: Vec<Reading>) -> Result<()>;

    /// Stored readings, newest first and at one time by metric, a page at a time: those that come
    /// after `after`, the last one of the page before, of which time and metric count.
    async fn page(
        &self,
        query: &Query,
        after: Option<&Stored>,
        limit: usize,
    ) -> Result<Vec<Stored>>;

    /// The names of sensors in the order of their bytes, from `from` on, at most `limit`. (The next
    /// page begins at the last name with a `\0` behind it.) May name sensors that have no readings
    /// any more. A CQL store looks at every sensor it has, whatever the limit.
    async fn sensors(&self, from: &str, limit: usize) -> Result<Vec<String>>;

    /// What a sensor has, in the order of its metrics. Costs the number of its metrics, however
    /// many readings there are and however far apart they lie.
    async fn series(&self, sensor: &str) -> Result<Vec<Series>>;

    /// How many readings a file wrote that no later one has overridden.
    async fn count(&self, file: FileId) -> Result<u64>;

    /// Takes out the readings that a file wrote with write timestamps before `before`, where no
    /// other has overridden them; answers how many this call has taken out. From then on such a
    /// cell is as if it held an invisible reading with the write timestamp of the one that was
    /// taken out: what is written with that one or an earlier one does not show, what is written
    /// with a later one does. (A CQL database remembers it for the table's `gc_grace_seconds`.)
    ///
    /// An error, or a caller that goes away, leaves any part of them there: who asked asks again.
    /// Doing it again takes out nothing more.
    async fn retract(&self, file: FileId, before: i64) -> Result<u64>;
}
