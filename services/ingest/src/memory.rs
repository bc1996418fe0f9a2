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
