//! Rows that wait to be sent, gathered by partition.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

/// Every so many batches, one is of the partition that has waited longest: a file's last rows may
/// be of a partition that never fills.
const TURN: u64 = 4;

/// Sensor, metric, first millisecond of the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Partition {
    pub(super) sensor: Arc<str>,
    pub(super) metric: Arc<str>,
    pub(super) bucket: i64,
}

/// Rows of one partition that came together, and are sent together.
pub(super) trait Run {
    /// How many rows; at least one.
    fn rows(&self) -> usize;
    /// Whether nobody waits for them any more.
    fn is_forsaken(&self) -> bool;
}

/// What waits. Whoever has room for a request takes the fullest partition, so that the busier the
/// database is, the fuller its batches are.
#[derive(Debug)]
pub(super) struct Gather<R> {
    /// When the partition that waits began to.
    since: HashMap<Partition, u64>,
    waiting: BTreeMap<u64, Waiting<R>>,
    /// Rows up to a batch, and since when they wait.
    fullest: BTreeSet<(usize, Reverse<u64>)>,
    /// Rows of a batch.
    batch: usize,
    clock: u64,
    taken: u64,
}

#[derive(Debug)]
struct Waiting<R> {
    partition: Partition,
    runs: Vec<R>,
    rows: usize,
}

impl<R: Run> Gather<R> {
    /// Of batches of so many rows.
    pub(super) fn new(batch: usize) -> Self {
        Self {
            since: HashMap::new(),
            waiting: BTreeMap::new(),
            fullest: BTreeSet::new(),
            batch,
            clock: 0,
            taken: 0,
        }
    }

    /// Adds rows.
    pub(super) fn put(&mut self, partition: &Partition, run: R) {
        let Some(since) = self.since.get(partition).copied() else {
            let rows = run.rows();
            return self.begin(Waiting {
                partition: partition.clone(),
                runs: Vec::from([run]),
                rows,
            });
        };
        if let Some(waiting) = self.waiting.get_mut(&since) {
            self.fullest
                .remove(&(waiting.rows.min(self.batch), Reverse(since)));
            waiting.rows += run.rows();
            waiting.runs.push(run);
            self.fullest
                .insert((waiting.rows.min(self.batch), Reverse(since)));
        }
    }

    /// Takes a batch: of the fullest partition, and of several full ones that which has waited
    /// longest.
    pub(super) fn take(&mut self) -> Option<(Partition, Vec<R>)> {
        loop {
            let oldest = *self.waiting.first_key_value()?.0;
            self.taken += 1;
            let since = match self.fullest.last() {
                Some((_, Reverse(fullest))) if !self.taken.is_multiple_of(TURN) => *fullest,
                _ => oldest,
            };
            let runs = self.take_of(since)?;
            if !runs.1.is_empty() {
                return Some(runs);
            }
        }
    }

    /// Takes as many runs as make a batch, those that came first; the partition waits anew with
    /// what it has left.
    fn take_of(&mut self, since: u64) -> Option<(Partition, Vec<R>)> {
        let mut waiting = self.waiting.remove(&since)?;
        self.fullest
            .remove(&(waiting.rows.min(self.batch), Reverse(since)));
        self.since.remove(&waiting.partition);
        let mut rows = 0;
        let fitting = waiting.runs.iter().take_while(|run| {
            let first = rows == 0;
            rows += run.rows();
            first || rows <= self.batch
        });
        let count = fitting.count();
        let mut runs: Vec<R> = waiting.runs.drain(..count).collect();
        waiting.rows -= runs.iter().map(Run::rows).sum::<usize>();
        let partition = waiting.partition.clone();
        if !waiting.runs.is_empty() {
            self.begin(waiting);
        }
        runs.retain(|run| !run.is_forsaken());
        Some((partition, runs))
    }

    /// All that waits.
    #[cfg(test)]
    pub(super) fn held(&self) -> impl Iterator<Item = &R> {
        self.waiting.values().flat_map(|waiting| &waiting.runs)
    }

    fn begin(&mut self, waiting: Waiting<R>) {
        self.clock += 1;
        self.since.insert(waiting.partition.clone(), self.clock);
        self.fullest
            .insert((waiting.rows.min(self.batch), Reverse(self.clock)));
        self.waiting.insert(self.clock, waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many rows, and whether anybody waits for them.
    #[derive(Debug, PartialEq)]
    struct Rows(usize, bool);

    impl Run for Rows {
        fn rows(&self) -> usize {
            self.0
        }

        fn is_forsaken(&self) -> bool {
            !self.1
        }
    }

    fn partition(name: &str) -> Partition {
        Partition {
            sensor: name.into(),
            metric: "value".into(),
            bucket: 0,
        }
    }

    fn gather(runs: &[(&str, usize)]) -> Gather<Rows> {
        let mut gather = Gather::new(100);
        for (name, rows) in runs {
            gather.put(&partition(name), Rows(*rows, true));
        }
        gather
    }

    /// Everything that is taken: whose, and how many rows.
    fn taken(mut gather: Gather<Rows>) -> Vec<(String, usize)> {
        let batches = std::iter::from_fn(|| gather.take());
        let batches = batches.map(|(partition, runs)| {
            let rows = runs.iter().map(Run::rows).sum();
            (partition.sensor.to_string(), rows)
        });
        batches.collect()
    }

    fn are(taken: &[(String, usize)], expected: &[(&str, usize)]) {
        let taken: Vec<_> = taken.iter().map(|(name, rows)| (&**name, *rows)).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn the_fullest_partition_goes_first_with_the_rows_of_all_who_wait_for_it() {
        let gather = gather(&[("a", 10), ("b", 20), ("c", 5), ("a", 15), ("c", 2)]);
        are(&taken(gather), &[("a", 25), ("b", 20), ("c", 7)]);
    }

    #[test]
    fn full_partitions_take_turns_in_batches_of_whole_runs() {
        let gather = gather(&[("a", 100), ("a", 60), ("a", 60), ("b", 100), ("b", 100)]);
        let expected = [("a", 100), ("b", 100), ("a", 60), ("b", 100), ("a", 60)];
        are(&taken(gather), &expected);
    }

    #[test]
    fn what_waits_longest_has_its_turn_however_full_others_are() {
        let mut gather = gather(&[("small", 1)]);
        let mut batches = 0;
        loop {
            gather.put(&partition("busy"), Rows(100, true));
            gather.put(&partition("busier"), Rows(100, true));
            batches += 1;
            let (partition, _) = gather.take().unwrap();
            if &*partition.sensor == "small" {
                break;
            }
            assert!(batches < 10, "it never comes");
        }
        assert!(batches > 2, "it is not what is fullest");
    }

    #[test]
    fn rows_that_nobody_waits_for_are_not_sent() {
        let mut gather = gather(&[("a", 10), ("b", 1)]);
        gather.put(&partition("c"), Rows(50, false));
        gather.put(&partition("a"), Rows(70, false));
        are(&taken(gather), &[("a", 10), ("b", 1)]);
    }

    #[test]
    fn nothing_is_lost_and_nothing_stays() {
        let mut gather = Gather::new(100);
        let (mut put, mut got) = (0, 0);
        for number in 0..10_000_usize {
            let name = format!("{}", number * number % 37);
            let rows = number * 7 % 100 + 1;
            put += rows;
            gather.put(&partition(&name), Rows(rows, true));
            if number % 3 == 0 {
                let (_, runs) = gather.take().unwrap();
                let rows: usize = runs.iter().map(Run::rows).sum();
                assert!(rows <= 100);
                got += rows;
            }
        }
        while let Some((_, runs)) = gather.take() {
            got += runs.iter().map(Run::rows).sum::<usize>();
        }
        assert_eq!(put, got);
        assert_eq!((gather.waiting.len(), gather.since.len()), (0, 0));
        assert!(gather.fullest.is_empty());
    }
}
