//! One budget of memory for all files that are read at once.

use std::sync::Arc;

use runtime::config::ingest::{BEHIND, Config, NAMES, READING};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::table::{Room, Terms};

/// What one permit stands for.
const UNIT: u64 = 1024;

/// What a row takes in a file, roughly: for how many readings memory is reserved at first.
const ROW: u64 = 24;

/// How many times its size a gzip file unpacks to, roughly.
const PACKED: u64 = 10;

/// What the shortest reading takes in a plain file: a digit, and what separates it from the next.
const SHORTEST: u64 = 2;

/// Bytes of refused rows that there is room for at first, beside as many as the text has.
const REFUSED: u64 = 4096;

/// The budget. Who finds too little left waits, and does not read meanwhile.
#[derive(Clone, Debug)]
pub struct Memory {
    permits: Arc<Semaphore>,
    units: u32,
    config: Config,
}

/// A share of the budget; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    /// What it is for.
    pub room: Room,
    _permit: Option<OwnedSemaphorePermit>,
}

/// How much is asked for: the next more where the one before did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What a file of its size usually needs.
    Usual,
    /// What a plain file of its size can need, its names apart.
    Bounded,
    /// What any file may need.
    Most,
}

impl Memory {
    /// The configured budget.
    pub fn new(config: &Config) -> Self {
        let units = units(config.memory);
        Self {
            permits: Arc::new(Semaphore::new(units as usize)),
            units,
            config: config.clone(),
        }
    }

    /// Room for a file of so many bytes, on the terms on which it is read, which may be those of an
    /// earlier configuration. Nobody may ask for a second share while holding one: two that do
    /// would wait for each other.
    pub async fn ask(&self, ask: Ask, size: u64, gzip: bool, terms: &Terms) -> Share {
        let most = self.most_of_one_file(terms);
        let text = if gzip {
            size.saturating_mul(PACKED)
        } else {
            size
        };
        let mut room = Room::most(terms);
        if ask == Ask::Most || (ask == Ask::Bounded && gzip) {
            return self.share(room, most).await;
        }
        let reading = if ask == Ask::Usual { ROW } else { SHORTEST };
        let readings = (text / reading + 64).min(terms.part.into());
        room.readings = u32::try_from(readings).unwrap_or(terms.part);
        if ask == Ask::Usual {
            // What is wrong with a row may take more than the row does: then there is more room
            // the next time.
            let refused = usize::try_from(text.saturating_add(REFUSED)).unwrap_or(usize::MAX);
            room.refused = refused.min(terms.refused_rows);
        }
        let names = NAMES.min(readings * 64);
        // Only a file that fills a part has another.
        let behind = if room.readings == terms.part {
            readings * BEHIND + names
        } else {
            0
        };
        // Names and a line are never longer than the text itself, each. Refused rows are held
        // twice when they are written.
        let rest = text.saturating_mul(4);
        let bytes = (readings * READING + names + behind)
            .saturating_add(2 * room.refused as u64)
            .saturating_add(rest);
        self.share(room, bytes.min(most)).await
    }

    fn most_of_one_file(&self, terms: &Terms) -> u64 {
        let config = Config {
            in_memory: terms.part,
            refused_rows: terms.refused_rows,
            longest_line: terms.longest_line,
            ..self.config.clone()
        };
        config.most_of_one_file()
    }

    async fn share(&self, room: Room, bytes: u64) -> Share {
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

    /// The terms of a configuration.
    fn terms(config: &Config) -> Terms {
        Terms {
            latest: jiff::Timestamp::UNIX_EPOCH,
            longest_line: config.longest_line,
            unpacked: config.unpacked,
            refused_rows: config.refused_rows,
            part: config.in_memory,
        }
    }

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
            memory: 80 << 20,
            ..Config::default()
        };
        let (memory, terms) = (Memory::new(&config), terms(&config));
        let first = at_once(memory.ask(Ask::Most, 1, false, &terms)).unwrap();
        assert_eq!(first.room, Room::most(&terms));
        let small = at_once(memory.ask(Ask::Usual, 4000, false, &terms)).unwrap();
        assert!((200..1000).contains(&small.room.readings), "{small:?}");
        assert!(at_once(memory.ask(Ask::Most, 1, false, &terms)).is_none());
        drop(first);
        assert!(at_once(memory.ask(Ask::Most, 1, false, &terms)).is_some());
    }

    #[test]
    fn the_shares_of_small_files_are_small() {
        let config = Config::default();
        let (memory, terms) = (Memory::new(&config), terms(&config));
        let shares: Vec<_> = (0..1000)
            .map_while(|_| at_once(memory.ask(Ask::Usual, 4000, false, &terms)))
            .collect();
        assert_eq!(shares.len(), 1000);
    }

    #[test]
    fn a_file_of_short_readings_asks_for_no_more_than_its_text_can_hold() {
        let config = Config::default();
        let (memory, terms) = (Memory::new(&config), terms(&config));
        let shares: Vec<_> = (0..20)
            .map_while(|_| at_once(memory.ask(Ask::Bounded, 4000, false, &terms)))
            .collect();
        assert_eq!(shares.len(), 20);
        assert!(shares.iter().all(|share| share.room.readings >= 2000));
        assert!(
            shares
                .iter()
                .all(|share| share.room.refused == config.refused_rows)
        );
    }

    #[test]
    fn a_file_is_read_on_the_terms_of_its_decision() {
        let before = Config::default();
        let now = Config {
            in_memory: 1000,
            refused_rows: 1000,
            ..Config::default()
        };
        let (memory, terms) = (Memory::new(&now), terms(&before));
        let share = at_once(memory.ask(Ask::Most, 1, false, &terms)).unwrap();
        assert_eq!(share.room, Room::most(&terms));
        let share = at_once(memory.ask(Ask::Usual, 1 << 20, false, &terms)).unwrap();
        assert!(
            share.room.readings > 40_000 && share.room.refused > 1 << 20,
            "{share:?}"
        );
    }

    #[test]
    fn no_file_asks_for_more_than_there_is() {
        let config = Config {
            memory: 1 << 20,
            ..Config::default()
        };
        let (memory, terms) = (Memory::new(&config), terms(&config));
        assert!(at_once(memory.ask(Ask::Usual, u64::MAX, true, &terms)).is_some());
        assert!(at_once(memory.ask(Ask::Bounded, u64::MAX, false, &terms)).is_some());
        assert!(at_once(memory.ask(Ask::Most, u64::MAX, true, &terms)).is_some());
    }
}
