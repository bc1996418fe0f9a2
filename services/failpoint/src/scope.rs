//! Whether what is done right now belongs to a replay.

use std::cell::Cell;

thread_local! {
    static REPLAY: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn is_replay() -> bool {
    REPLAY.get()
}

/// One poll of what belongs to a way. When it is dropped, what was before is true again: a poll may
/// panic, and its thread has others to poll.
pub(crate) struct Scope {
    outer: bool,
}

impl Scope {
    pub(crate) fn enter(replay: bool) -> Self {
        Self {
            outer: REPLAY.replace(replay),
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        REPLAY.set(self.outer);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::on_way;

    #[test]
    fn what_belongs_to_a_replay_is_known_at_each_of_its_polls_and_at_no_other_time() {
        let look = async |seen: &Cell<Option<bool>>| {
            for _ in 0..2 {
                seen.set(Some(is_replay()));
                let mut again = true;
                std::future::poll_fn(|_| {
                    if std::mem::take(&mut again) {
                        Poll::Pending
                    } else {
                        Poll::Ready(())
                    }
                })
                .await;
            }
        };
        let (first, second) = (Cell::new(None), Cell::new(None));
        let mut replay = pin!(on_way(1, look(&first)));
        let mut other = pin!(on_way(0, look(&second)));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(replay.as_mut().poll(&mut context).is_pending());
            assert!(!is_replay());
            assert!(other.as_mut().poll(&mut context).is_pending());
            assert_eq!((first.take(), second.take()), (Some(true), Some(false)));
        }
        assert!(replay.as_mut().poll(&mut context).is_ready());
        assert!(!is_replay());
    }

    #[test]
    fn a_panic_on_a_way_leaves_the_thread_to_the_next() {
        let panicked = catch_unwind(|| {
            let mut replay = pin!(on_way(1, async { panic!("as a failpoint does") }));
            let mut context = Context::from_waker(Waker::noop());
            let _: Poll<()> = replay.as_mut().poll(&mut context);
        });
        assert!(panicked.is_err());
        assert!(!is_replay());
    }
}
