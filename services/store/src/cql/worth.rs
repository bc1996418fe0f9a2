//! Entries of the agenda come before what they are about, and stay after it: what each is worth
//! follows from the row that is there.

use super::agenda::Entry;
use super::outcomes::Outcome;
use super::registers::Row;

/// What an entry of the agenda is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// The row is what the entry says.
    Live,
    /// It is out of date for good.
    Dead,
    /// The write that it is about may still come.
    Open,
}

/// What an entry of [`super::agenda::List::Unpublished`] is worth.
pub(super) fn publishing(item: &Entry, outcome: Option<&Outcome>) -> Worth {
    match outcome {
        Some(outcome) if i64::from(outcome.generation) < item.revision => Worth::Open,
        Some(outcome)
            if outcome.published.is_none()
                && outcome.settled == item.time
                && i64::from(outcome.generation) == item.revision =>
        {
            Worth::Live
        }
        Some(_) => Worth::Dead,
        None => Worth::Open,
    }
}

/// What an entry of [`super::agenda::List::Due`] is worth.
pub(super) fn waking(item: &Entry, row: Option<&Row>) -> Worth {
    match row {
        Some(row) if row.revision < item.revision => Worth::Open,
        Some(row) if row.revision == item.revision && row.due == Some(item.time) => Worth::Live,
        Some(_) => Worth::Dead,
        None => Worth::Open,
    }
}

/// What an entry of [`super::agenda::List::Marked`] or [`super::agenda::List::Written`] is worth.
/// `now` is the time that the row has.
pub(super) fn forgetting(item: &Entry, now: Option<i64>) -> Worth {
    match now {
        Some(now) if now == item.time => Worth::Live,
        Some(now) if now > item.time => Worth::Dead,
        Some(_) | None => Worth::Open,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn outcome(generation: i32, published: Option<i64>) -> Outcome {
        Outcome {
            event: String::new(),
            settled: 7,
            generation,
            published,
            marked: published,
        }
    }

    #[test]
    fn an_entry_is_out_of_date_only_once_its_write_cannot_come_any_more() {
        let item = |time, revision| Entry::new(time, "", "", revision);
        let published = |time, revision, outcome: Option<Outcome>| {
            publishing(&item(time, revision), outcome.as_ref())
        };
        assert_eq!(published(7, 0, None), Worth::Open);
        assert_eq!(published(7, 0, Some(outcome(0, None))), Worth::Live);
        assert_eq!(published(6, 0, Some(outcome(0, None))), Worth::Dead);
        assert_eq!(published(7, 0, Some(outcome(0, Some(1)))), Worth::Dead);
        // The mark is about to be taken back.
        assert_eq!(published(7, 1, Some(outcome(0, Some(1)))), Worth::Open);
        assert_eq!(published(7, 1, Some(outcome(1, None))), Worth::Live);
        assert_eq!(published(7, 0, Some(outcome(1, None))), Worth::Dead);

        let row = |revision, due| Row::new(&[], revision, due);
        let due = Timestamp::from_microsecond(7).ok();
        let woken = |time, revision, row: Option<Row>| waking(&item(time, revision), row.as_ref());
        assert_eq!(woken(7, 1, None), Worth::Open);
        assert_eq!(woken(7, 2, Some(row(1, due))), Worth::Open);
        assert_eq!(woken(7, 1, Some(row(1, due))), Worth::Live);
        assert_eq!(woken(7, 1, Some(row(1, None))), Worth::Dead);
        assert_eq!(woken(6, 1, Some(row(1, due))), Worth::Dead);
        assert_eq!(woken(7, 1, Some(row(2, due))), Worth::Dead);

        assert_eq!(forgetting(&item(7, 1), None), Worth::Open);
        assert_eq!(forgetting(&item(7, 1), Some(6)), Worth::Open);
        assert_eq!(forgetting(&item(7, 1), Some(7)), Worth::Live);
        assert_eq!(forgetting(&item(7, 1), Some(8)), Worth::Dead);
    }
}
