//! One budget of memory for all files that are read at once.

use std::sync::Arc;

use runtime::config::ingest::{Config, NAMES, READING};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for.
const UNIT: u64 = 1024;

/// What a row takes in a file, roughly: for how many readings memory is reserved at first.
const ROW: u64 = 24;

/// How many times its size a gzip file unpacks to, roughly.
const PACKED: u64 = 10;

/// The budget. Who finds too little left waits, and does not read meanwhile.
#[derive(Clone, Debug)]
pub struct Memory {
    permits: Arc<Semaphore>,
    units: u32,
    most: u64,
    in_memory: u32,
}

/// A share of the budget; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    /// For how many distinct readings it is.
    pub room: u32,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// The configured budget.
    pub fn new(config: &Config) -> Self {
        let units = units(config.memory);
        Self {
            permits: Arc::new(Semaphore::new(units as usize)),
            units,
            most: config.most_of_one_file(),
            in_memory: config.in_memory,
        }
    }

    /// What a file of so many bytes usually needs. Nobody may ask for a second share while holding
    /// one: two that do would wait for each other.
    pub async fn usual(&self, size: u64, gzip: bool) -> Share {
        let text = if gzip {
            size.saturating_mul(PACKED)
        } else {
            size
        };
        let readings = (text / ROW + 64).min(self.in_memory.into());
        let room = u32::try_from(readings).unwrap_or(self.in_memory);
        // Names, refused rows and a line are never longer than the text itself, each.
        let rest = text.saturating_mul(4).min(self.most);
        let names = NAMES.min(readings * 64);
        let bytes = readings * READING + names + rest;
        self.share(room, bytes.min(self.most)).await
    }

    /// All that any file may need.
    pub async fn most(&self) -> Share {
        self.share(self.in_memory, self.most).await
    }

    async fn share(&self, room: u32, bytes: u64) -> Share {
        let units = units(bytes).min(self.units);
        let permits = Arc::clone(&self.permits).acquire_many_owned(units).await;
        Share {
            room,
            // Nobody closes it.
            _permit: permits.ok(),
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Whether a share can be had at once.
    fn at_once(share: impl Future<Output = Share>) -> Option<Share> {
        match pin!(share).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(share) => Some(share),
            Poll::Pending => None,
        }
    }

    #[test]
    fn files_wait_until_there_is_memory_for_them() {
        let config = Config {
            memory: 100 << 20,
            ..Config::default()
        };
        let memory = Memory::new(&config);
        let first = at_once(memory.most()).unwrap();
        assert_eq!(first.room, config.in_memory);
        let small = at_once(memory.usual(4000, false)).unwrap();
        assert!((200..1000).contains(&small.room), "{}", small.room);
        assert!(at_once(memory.most()).is_none());
        drop(first);
        assert!(at_once(memory.most()).is_some());
    }

    #[test]
    fn the_shares_of_small_files_are_small() {
        let memory = Memory::new(&Config::default());
        let shares: Vec<_> = (0..1000)
            .map_while(|_| at_once(memory.usual(4000, false)))
            .collect();
        assert_eq!(shares.len(), 1000);
    }

    #[test]
    fn no_file_asks_for_more_than_there_is() {
        let config = Config {
            memory: 1 << 20,
            ..Config::default()
        };
        let memory = Memory::new(&config);
        assert!(at_once(memory.usual(u64::MAX, true)).is_some());
        assert!(at_once(memory.most()).is_some());
    }
}
