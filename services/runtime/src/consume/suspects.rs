//! Messages that come again and again without ever having been answered. The process may die of
//! one of them, and all that it held comes again with it, each time, until the deliveries of all
//! have run out.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::Message;

/// From this delivery on: one may be a restart's, a second is seldom.
const SUSPECT: u64 = 3;
/// What was held together comes again together, within this time.
const GATHER: Duration = Duration::from_millis(200);

/// Lets suspects be worked on one at a time, from the last sequence to the first, and after the
/// next death the other way: so what lies on either side of a deadly one is done before its
/// turn, within two deliveries.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    queue: Mutex<Queue>,
    changed: Notify,
    /// Of this process; whoever comes first decides.
    ascending: OnceLock<bool>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<u64>,
    working: Option<u64>,
}

/// A turn, or the wait for it; over when dropped.
pub(super) struct Turn<'a> {
    suspects: &'a Suspects,
    sequence: u64,
}

impl Suspects {
    /// Waits for the turn of `message`; none for one that is under no suspicion.
    pub(super) async fn turn(&self, message: &Message) -> Option<Turn<'_>> {
        if message.delivered < SUSPECT {
            return None;
        }
        let ascending = *self
            .ascending
            .get_or_init(|| message.delivered.is_multiple_of(2));
        let sequence = message.sequence;
        self.queue().waiting.insert(sequence);
        let turn = Turn {
            suspects: self,
            sequence,
        };
        tokio::time::sleep(GATHER).await;
        loop {
            let changed = self.changed.notified();
            if self.queue().begin(sequence, ascending) {
                return Some(turn);
            }
            changed.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Begins with `sequence` if it is its turn.
    fn begin(&mut self, sequence: u64, ascending: bool) -> bool {
        let next = if ascending {
            self.waiting.first()
        } else {
            self.waiting.last()
        };
        let begins = self.working.is_none() && next == Some(&sequence);
        if begins {
            self.waiting.remove(&sequence);
            self.working = Some(sequence);
        }
        begins
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = self.suspects.queue();
        queue.waiting.remove(&self.sequence);
        if queue.working == Some(self.sequence) {
            queue.working = None;
        }
        drop(queue);
        self.suspects.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures::future::join_all;
    use jiff::Timestamp;

    use super::*;

    fn message(sequence: u64, delivered: u64) -> Message {
        Message {
            subject: String::new(),
            headers: async_nats::HeaderMap::new(),
            payload: Bytes::new(),
            sequence,
            stored: Timestamp::UNIX_EPOCH,
            delivered,
        }
    }

    /// The order in which messages of this delivery are worked on, and how many at once at most.
    async fn worked_on(sequences: &[u64], delivered: u64) -> (Vec<u64>, usize) {
        let suspects = Arc::new(Suspects::default());
        let log = Mutex::new((vec![], 0, 0));
        join_all(sequences.iter().map(async |&sequence| {
            let turn = suspects.turn(&message(sequence, delivered)).await;
            {
                let (order, now, most) = &mut *log.lock().unwrap();
                order.push(sequence);
                *now += 1;
                *most = (*most).max(*now);
            }
            tokio::task::yield_now().await;
            log.lock().unwrap().1 -= 1;
            drop(turn);
        }))
        .await;
        let (order, _, most) = log.into_inner().unwrap();
        (order, most)
    }

    #[tokio::test]
    async fn suspects_are_worked_on_one_at_a_time_from_either_end_by_turns() {
        assert_eq!(worked_on(&[5, 3, 9], 3).await, (vec![9, 5, 3], 1));
        assert_eq!(worked_on(&[5, 3, 9], 4).await, (vec![3, 5, 9], 1));
    }

    #[tokio::test]
    async fn others_do_not_wait() {
        assert_eq!(worked_on(&[5, 3, 9], 2).await, (vec![5, 3, 9], 3));
    }

    #[tokio::test]
    async fn who_is_cut_off_while_waiting_keeps_nobody() {
        let suspects = Suspects::default();
        let first = suspects.turn(&message(1, 4)).await;
        let second = tokio::time::timeout(2 * GATHER, suspects.turn(&message(2, 4))).await;
        assert!(second.is_err(), "two at once");
        drop(first);
        assert!(suspects.turn(&message(3, 4)).await.is_some());
    }
}
