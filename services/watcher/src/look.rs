//! One look at one key: from "something may be there" to the settled outcome `arrived`.

use async_trait::async_trait;
use jiff::Timestamp;
use objects::Head;
use proto::event::{Arrived, FoundBy};
use proto::{File, FileId};
use runtime::Trouble;
use store::journal::Settled;

use crate::notification::Announced;
use crate::order::{self, Place, Row};

/// How often a look starts anew because somebody else was faster.
const ATTEMPTS: usize = 16;

/// What a look needs of the world. The watcher has one of these, the test of the interleavings
/// another.
#[async_trait]
pub(crate) trait World: Send + Sync {
    /// The key's row, and its revision.
    async fn row(&self, bucket: &str, key: &str) -> Result<Option<(Row, u64)>, Trouble>;
    /// What is there now.
    async fn head(&self, bucket: &str, key: &str) -> Result<Option<Head>, Trouble>;
    /// The outcome of a file's replay 0.
    async fn settled(&self, file: FileId) -> Result<Option<Settled>, Trouble>;
    /// Writes the key's row if it still has `revision` (none: if there is none). Answers whether
    /// it did.
    async fn write_row(
        &self,
        bucket: &str,
        key: &str,
        revision: Option<u64>,
        row: &Row,
    ) -> Result<bool, Trouble>;
    /// Settles and publishes an outcome; answers what is stored.
    async fn settle(&self, arrived: Arrived) -> Result<Settled, Trouble>;
    /// Publishes a stored outcome again.
    async fn repeat(&self, file: FileId) -> Result<(), Trouble>;
    /// The profile that reads an object.
    fn profile(&self, bucket: &str, key: &str) -> &str;
    /// The time.
    fn now(&self) -> Timestamp;
}

/// What a look came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// Nothing is there.
    Gone,
    /// A version that was settled before.
    Known(Settled),
    /// A version that nobody had settled.
    Arrived(Settled),
}

/// A look, and whether the version announced is another than the one found: then the announced one
/// is of the past, and the one found has been handled as if it had been announced.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    /// What was seen.
    pub seen: Seen,
    /// Whether the announced version is of the past.
    pub past: bool,
}

/// Looks at a key and settles what is there.
///
/// Read the row, `HEAD`, look for the outcome, compare-and-set the row, settle, publish: in this
/// order ([`order::place`] says why), and safe to repeat from the start after any of them.
///
/// | dies, or loses, after | then |
/// |---|---|
/// | the row was written | the next look finds its own file in the row, and takes that order time |
/// | the outcome was settled | the next look finds it without mark and publishes what is stored; so does the runtime, at start and every minute |
/// | it was published | the same once more: `FILES` may hold an event twice |
/// | the row, to another watcher | from the start: what is there now may be another version |
///
/// If a newer version comes between writing the row and settling, its own order time is later, and
/// this one's outcome is settled all the same: ingest finds it replaced. Two watchers that look at
/// one version at once settle the same order time, since it stands in the row: one created it, the
/// other reads it.
pub(crate) async fn look(
    world: &dyn World,
    bucket: &str,
    key: &str,
    announced: &Announced,
    found_by: FoundBy,
) -> Result<Look, Trouble> {
    for _ in 0..ATTEMPTS {
        let row = world.row(bucket, key).await?;
        let Some(head) = world.head(bucket, key).await? else {
            return Ok(Look {
                seen: Seen::Gone,
                past: false,
            });
        };
        let past = order::agrees(&head.version, announced) == Some(false);
        let file = FileId::of(bucket, key, &head.version);
        if let Some(settled) = world.settled(file).await? {
            // Whoever has just settled it is about to publish it, and the runtime sees to what has
            // no mark; but a notification is not acknowledged before its outcome is.
            if settled.published.is_none() && found_by != FoundBy::Sweep {
                world.repeat(file).await?;
            }
            let seen = Seen::Known(settled);
            return Ok(Look { seen, past });
        }
        let (row, revision) = row.unzip();
        let place = order::place(row.as_ref(), file, &head.version, announced, world.now());
        let place = place.map_err(|error| Trouble::Reject {
            reason: format!("{bucket}/{}: {error}", key.escape_debug()),
        })?;
        let order = match place {
            Place::Fixed(order) => order,
            Place::Last(next) => {
                if !world.write_row(bucket, key, revision, &next).await? {
                    continue;
                }
                next.order
            }
        };
        let arrived = Arrived {
            file: File {
                id: file,
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                version: head.version,
                size: head.size,
                content_type: head.content_type,
                content_encoding: head.content_encoding,
                order,
                profile: world.profile(bucket, key).to_owned(),
            },
            replay: 0,
            found_by,
        };
        let seen = Seen::Arrived(world.settle(arrived).await?);
        return Ok(Look { seen, past });
    }
    Err(Trouble::Retry {
        reason: format!(
            "{bucket}/{}: other watchers were faster {ATTEMPTS} times",
            key.escape_debug()
        ),
    })
}

#[cfg(test)]
mod tests;
