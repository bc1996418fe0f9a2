//! Which version an object is, and its place among the versions of its key. Pure.

use jiff::{SignedDuration, Timestamp};
use proto::{FileId, Version};
use serde::{Deserialize, Serialize};

use crate::notification::Announced;

/// How far ahead of the clock an order time may be: write timestamps end there.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// What the watcher keeps of a key: the version that came last, and its order time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The version that the order time is for.
    pub file: FileId,
    /// Its order time, in whole seconds.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub order: Timestamp,
    /// Its `Last-Modified`, in whole seconds.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub last_modified: Timestamp,
}

/// Where a version stands among those of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// After all the others: this row is to be written, if the old one is still the same.
    Last(Row),
    /// It has an order time that needs no row.
    Fixed(Timestamp),
}

/// An order time that cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooFarAhead {
    /// The store's clock, or ours, is wrong.
    #[error(
        "its Last-Modified {last_modified} is more than a day ahead of this machine's clock \
         ({now}): set the clock of the store, or of this machine, right; \
         the sweep takes the file once they agree"
    )]
    Clock {
        /// What `HEAD` says.
        last_modified: Timestamp,
        /// Our clock.
        now: Timestamp,
    },
    /// Versions of a key are a second apart at least.
    #[error(
        "the key is uploaded more often than once a second, so that the order time of its newest \
         version would be {order}, more than a day ahead of the clock: upload under different \
         keys; the sweep takes this version when the clock has caught up"
    )]
    Uploads {
        /// The order time it would have had.
        order: Timestamp,
    },
}

/// Gives a version that no journal cell knows its place.
///
/// `row` was read *before* `HEAD` was asked. Then writing the new row on the condition that the
/// old one is still there proves that nobody looked at the key between the two and saw a later
/// version: so order times increase in the order of uploads. (With `HEAD` first they do not:
/// whoever sees v1, sleeps while another handles v2, and then reads the row, puts v1 after v2.)
pub(crate) fn place(
    row: Option<&Row>,
    file: FileId,
    head: &Version,
    announced: &Announced,
    now: Timestamp,
) -> Result<Place, TooFarAhead> {
    let last_modified = head.last_modified;
    let limit = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let own = own_time(head, announced, limit);
    if own > limit {
        return Err(TooFarAhead::Clock { last_modified, now });
    }
    let Some(row) = row else {
        return Ok(Place::Last(Row {
            file,
            order: own,
            last_modified,
        }));
    };
    if row.file == file {
        // Whoever wrote the row died before the outcome was settled.
        return Ok(Place::Fixed(row.order));
    }
    if is_back_again(row, head) {
        let before = row.order.checked_sub(SECOND).unwrap_or(Timestamp::MIN);
        return Ok(Place::Fixed(own.min(before)));
    }
    let after = row.order.checked_add(SECOND).unwrap_or(Timestamp::MAX);
    let order = own.max(after);
    if order > limit {
        return Err(TooFarAhead::Uploads { order });
    }
    Ok(Place::Last(Row {
        file,
        order,
        last_modified,
    }))
}

/// `Last-Modified`, or the notification's time if that is later, about this very version, and
/// no nonsense (the store's own word is there without it). Some stores say when a multipart upload
/// was begun, and notify when it was completed.
fn own_time(head: &Version, announced: &Announced, limit: Timestamp) -> Timestamp {
    let last_modified = head.last_modified;
    announced
        .time
        .filter(|_| agrees(head, announced) == Some(true))
        .and_then(|time| Timestamp::from_second(time.as_second()).ok())
        .filter(|time| *time <= limit)
        .map_or(last_modified, |time| time.max(last_modified))
}

/// Whether a notification is about the version that `HEAD` shows. None: it does not say.
pub(crate) fn agrees(head: &Version, announced: &Announced) -> Option<bool> {
    match (&announced.version_id, &head.id) {
        (Some(announced), Some(found)) => Some(announced == found),
        _ => announced.etag.as_ref().map(|etag| *etag == head.etag),
    }
}

/// In a versioned bucket, a version that was covered by a later one before it was looked at comes
/// to light again when that one is taken away. It is older, and so it is ordered: before the key's
/// last, though not always after everything before that, whose order times are not kept. (Without version
/// ids nothing comes back: an older `Last-Modified` is a clock that was set back.)
fn is_back_again(row: &Row, head: &Version) -> bool {
    head.id.is_some() && head.last_modified < row.last_modified
}

#[cfg(test)]
mod tests;
