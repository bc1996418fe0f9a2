//! Names of sensors and metrics, each kept once.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::refusal::Reason;

/// The longest name: a partition key in CQL has 64 KiB, and nobody reads one of a kilobyte.
pub const LONGEST_NAME: usize = 1024;

/// What a name takes beside its letters.
const OVERHEAD: u64 = 64;

/// Names by number.
#[derive(Debug, Default)]
pub struct Names {
    names: Vec<Arc<str>>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    bytes: u64,
    /// The one that was asked for last: rows of one sensor often stand together.
    recent: u32,
    /// The one that was asked for after each of them: sensors often take turns.
    after: Vec<u32>,
    /// The one that was asked for after that which was asked for last.
    next: u32,
}

impl Names {
    /// The number of a name, which is new or known.
    pub fn number(&mut self, name: &[u8]) -> Result<u32, Reason> {
        let same = |number: &u32| {
            let known = self.names.get(*number as usize);
            known.is_some_and(|known| known.as_bytes() == name)
        };
        if same(&self.recent) {
            return Ok(self.recent);
        }
        let next = self.next;
        if same(&next) {
            return Ok(self.found(next));
        }
        let hash = self.hasher.hash_one(name);
        let number = match self.index.find(hash, same) {
            Some(number) => *number,
            None => self.add(name, hash)?,
        };
        Ok(self.found(number))
    }

    fn found(&mut self, number: u32) -> u32 {
        self.after.resize(self.names.len(), 0);
        self.after[self.recent as usize] = number;
        self.recent = number;
        self.next = self.after[number as usize];
        number
    }

    fn add(&mut self, name: &[u8], hash: u64) -> Result<u32, Reason> {
        let text = check(name)?;
        let number = u32::try_from(self.names.len()).map_err(|_| Reason::TooLarge)?;
        self.names.push(Arc::from(text));
        self.bytes += text.len() as u64 + OVERHEAD;
        let (names, hasher) = (&self.names, &self.hasher);
        self.index.insert_unique(hash, number, |number| {
            hasher.hash_one(names[*number as usize].as_bytes())
        });
        Ok(number)
    }

    /// What a number stands for.
    pub fn name(&self, number: u32) -> &Arc<str> {
        &self.names[number as usize]
    }

    /// The same, for one who looks up what numbers stand for.
    pub(crate) fn copy(&self) -> Self {
        Self {
            names: self.names.clone(),
            ..Self::default()
        }
    }

    /// Roughly how much memory they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What a name of a sensor or a metric must be.
pub fn check(name: &[u8]) -> Result<&str, Reason> {
    if name.is_empty() {
        return Err(Reason::Empty);
    }
    if name.len() > LONGEST_NAME {
        return Err(Reason::LongName(LONGEST_NAME));
    }
    if name.contains(&0) {
        return Err(Reason::Nul);
    }
    std::str::from_utf8(name).map_err(|_| Reason::NotUtf8)
}
