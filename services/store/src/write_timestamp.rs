//! Write timestamps: 64-bit microseconds that decide which of two readings with one sensor, metric
//! and time stays.
//!
//! ```text
//! order time in whole seconds × 1,000,000
//!                    + replay × 100,000       0..=9
//!                       + tie × parts         tie = file id mod slots, slots = ⌊100,000 / parts⌋
//!                            + part           0..parts
//! ```
//!
//! - A later order second beats everything earlier: all below it is less than 1,000,000.
//! - Of one file, a later replay beats an earlier one whatever `parts` either has: all below the
//!   replay is less than 100,000.
//! - Of one replay of one file, a later part beats an earlier one.
//! - Two files with the same order second are in an arbitrary but fixed order, which the tie
//!   decides. They tie (two readings of theirs have the same write timestamp) with a probability
//!   of at most 1 in `slots` of the one with more parts: 1 in 100,000 for files read in one part,
//!   1 in 1,000 for files read in 100 parts. [`crate::Readings`] says what happens then.
//! - Nothing is ever a whole second above its order time, so that with order times at most 25
//!   hours ahead the databases' limit for the future (3 days in `ScyllaDB`) is never met.

use jiff::{SignedDuration, Timestamp};
use proto::FileId;

use crate::{Error, Result};

/// Highest replay there is room for.
pub const MAX_REPLAY: u32 = 9;
/// Most parts there is room for.
pub const MAX_PARTS: u32 = 100_000;
/// How far ahead of the clock an order time may be: the day that the watcher allows by its own
/// clock, and an hour by which the clocks of two machines may differ.
pub const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24 + 1);

/// The write timestamps of one replay of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteTimestamps {
    base: i64,
    parts: u32,
}

impl WriteTimestamps {
    /// For a file that is read in `parts` consecutive parts, within each of which later lines
    /// override earlier ones in memory. `now` is what the order time must not be far ahead of.
    pub fn new(
        order: Timestamp,
        file: FileId,
        replay: u32,
        parts: u32,
        now: Timestamp,
    ) -> Result<Self> {
        if replay > MAX_REPLAY {
            return Err(Error::Broken(format!(
                "replay {replay} of file {file}: there is room for replays 0 to {MAX_REPLAY}; \
                 upload the file again instead"
            )));
        }
        if !(1..=MAX_PARTS).contains(&parts) {
            return Err(Error::Broken(format!(
                "file {file} in {parts} parts: it can be read in 1 to {MAX_PARTS}; \
                 split the file"
            )));
        }
        if order.subsec_nanosecond() != 0 {
            return Err(Error::Broken(format!(
                "order time {order} of file {file} is not in whole seconds"
            )));
        }
        if order.duration_since(now) > MAX_AHEAD {
            return Err(Error::Broken(format!(
                "order time {order} of file {file} is more than 25 hours ahead of this machine's \
                 clock, {now}; set the clocks of this machine and of the object store right"
            )));
        }
        let slots = u128::from(MAX_PARTS / parts);
        let tie = u128::from_be_bytes(file.bytes()) % slots;
        // Less than 100,000, since `slots * parts` is at most that.
        let tie = i64::try_from(tie).unwrap_or_default() * i64::from(parts);
        Ok(Self {
            base: order.as_second() * 1_000_000 + i64::from(replay) * 100_000 + tie,
            parts,
        })
    }

    /// The write timestamp of everything in part `part`, counted from 0.
    pub fn part(self, part: u32) -> Result<i64> {
        if part < self.parts {
            Ok(self.base + i64::from(part))
        } else {
            Err(Error::Broken(format!(
                "part {} of a file that has {}: it is not what it was when it was first read",
                part + 1,
                self.parts
            )))
        }
    }
}

/// What every write timestamp of the ways before `replay` of a file with this order time is less
/// than, and none of the others is.
pub fn first_of(order: Timestamp, replay: u32) -> i64 {
    order.as_second() * 1_000_000 + i64::from(replay) * 100_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(number: u128) -> FileId {
        FileId::from_bytes(number.to_be_bytes())
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn new(order: i64, file: u128, replay: u32, parts: u32) -> WriteTimestamps {
        WriteTimestamps::new(
            second(order),
            self::file(file),
            replay,
            parts,
            second(order),
        )
        .unwrap()
    }

    fn orders() -> std::ops::RangeInclusive<i64> {
        Timestamp::MIN.as_second()..=Timestamp::MAX.as_second() - 1
    }

    /// One write timestamp of a file: its number, replay, parts and one of the parts.
    fn written() -> impl Strategy<Value = (u128, u32, u32, u32)> {
        let parts = prop_oneof![1..=MAX_PARTS, 1..=3_u32, Just(MAX_PARTS)];
        (any::<u128>(), 0..=MAX_REPLAY, parts).prop_flat_map(|(file, replay, parts)| {
            (Just(file), Just(replay), Just(parts), 0..parts)
        })
    }

    proptest! {
        #[test]
        fn a_later_order_second_beats_everything_earlier(
            order in orders(), ahead in 1..1_000_000_000_i64, a in written(), b in written(),
        ) {
            prop_assume!(orders().contains(&(order + ahead)));
            let earlier = new(order, a.0, a.1, a.2).part(a.3).unwrap();
            let later = new(order + ahead, b.0, b.1, b.2).part(b.3).unwrap();
            prop_assert!(later > earlier);
        }

        #[test]
        fn of_one_file_a_later_replay_beats_an_earlier_one_whatever_the_parts(
            order in orders(), a in written(), b in written(),
        ) {
            prop_assume!(a.1 < b.1);
            let earlier = new(order, a.0, a.1, a.2).part(a.3).unwrap();
            let later = new(order, a.0, b.1, b.2).part(b.3).unwrap();
            prop_assert!(later > earlier);
        }

        #[test]
        fn the_first_of_a_replay_parts_the_ways_before_it_from_the_others(
            order in orders(), a in written(), replay in 0..=MAX_REPLAY + 1,
        ) {
            let timestamp = new(order, a.0, a.1, a.2).part(a.3).unwrap();
            prop_assert_eq!(timestamp < first_of(second(order), replay), a.1 < replay);
        }

        #[test]
        fn of_one_replay_a_later_part_beats_an_earlier_one(order in orders(), a in written()) {
            prop_assume!(a.3 > 0);
            let of_file = new(order, a.0, a.1, a.2);
            prop_assert!(of_file.part(a.3).unwrap() > of_file.part(a.3 - 1).unwrap());
        }

        #[test]
        fn it_is_never_before_the_order_time_nor_a_second_after(order in orders(), a in written()) {
            let above = new(order, a.0, a.1, a.2).part(a.3).unwrap() - order * 1_000_000;
            prop_assert!((0..1_000_000).contains(&above));
        }

        #[test]
        fn it_depends_on_nothing_but_its_arguments(order in orders(), a in written(), b in 0..9_i64) {
            prop_assume!(orders().contains(&(order - 9)));
            let now = second(order + b - 9);
            let at_another_time = WriteTimestamps::new(second(order), file(a.0), a.1, a.2, now);
            prop_assert_eq!(at_another_time.unwrap(), new(order, a.0, a.1, a.2));
        }
    }

    #[test]
    fn the_digits_are_where_they_are_said_to_be() {
        // 123,456 mod 100,000 slots
        let plain = new(1_700_000_000, 123_456, 0, 1);
        assert_eq!(plain.part(0).unwrap(), 1_700_000_000_023_456);
        // 123,456 mod 33,333 slots = 23,457; times 3 parts = 70,371; and the last part
        let replayed = new(1_700_000_000, 123_456, 9, 3);
        assert_eq!(replayed.part(2).unwrap(), 1_700_000_000_970_373);
        let before_1970 = new(-1, 7, 1, 1);
        assert_eq!(before_1970.part(0).unwrap(), -1_000_000 + 100_007);
    }

    #[test]
    fn two_files_of_one_second_tie_as_rarely_as_is_said() {
        let order = second(0);
        let version = proto::Version::new("etag", order, None);
        let id = |number: u64| FileId::of("landfall", &number.to_string(), &version);
        for (parts, slots) in [(1, 100_000_usize), (100, 1_000), (50_001, 1)] {
            let timestamp = |number| {
                let of_file = WriteTimestamps::new(order, id(number), 0, parts, order).unwrap();
                of_file.part(0).unwrap()
            };
            let mut seen = std::collections::HashMap::<i64, usize>::new();
            let files = 4_000;
            for number in 0..files {
                *seen.entry(timestamp(number)).or_default() += 1;
            }
            let ties: usize = seen.values().map(|n| n * (n - 1) / 2).sum();
            let pairs = usize::try_from(files * (files - 1) / 2).unwrap();
            let expected = pairs / slots;
            assert!(
                ties <= expected + expected / 5 + 20,
                "{ties} of {expected} in {parts} parts"
            );
            assert!(
                ties >= expected - expected / 5 - 20,
                "{ties} of {expected} in {parts} parts"
            );
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_refused() {
        let order = second(1_700_000_000);
        let refused = |order, replay, parts, now| {
            let error = WriteTimestamps::new(order, file(7), replay, parts, now).unwrap_err();
            error.to_string()
        };
        assert!(refused(order, 10, 1, order).contains("replay 10"));
        assert!(refused(order, 0, 0, order).contains("in 0 parts"));
        assert!(refused(order, 0, 100_001, order).contains("in 100001 parts"));
        let fraction = Timestamp::new(1_700_000_000, 1).unwrap();
        assert!(refused(fraction, 0, 1, order).contains("whole seconds"));
        // What another machine's clock allowed as a day ahead.
        let by_another_clock =
            order + SignedDuration::from_hours(24) + SignedDuration::from_mins(30);
        assert!(WriteTimestamps::new(by_another_clock, file(7), 0, 1, order).is_ok());
        let ahead = order + MAX_AHEAD;
        assert!(WriteTimestamps::new(ahead, file(7), 0, 1, order).is_ok());
        let too_far = ahead + SignedDuration::from_secs(1);
        assert!(refused(too_far, 0, 1, order).contains("clock"));
        let timestamps = new(0, 7, 0, 3);
        assert!(timestamps.part(2).is_ok());
        assert!(
            timestamps
                .part(3)
                .unwrap_err()
                .to_string()
                .contains("part 4")
        );
    }
}
