//! Whether a file that still lies at the source waits, has ended, or is stuck. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proto::What;

/// How far the stream `FILES` and its readers have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Horizon {
    /// The sequence of the stream's last message.
    pub last: u64,
    /// Ingest has acknowledged everything that is for it up to here.
    pub ingest: u64,
    /// So has the mover.
    pub mover: u64,
}

/// When something is stuck.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Now: not after the horizon.
    pub now: Timestamp,
    /// How old a file's last event has to be.
    pub stuck_after: Duration,
}

/// A file at the source whose `arrived` was published long ago, and what `FILES` says of it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    /// The sequence of the last `arrived` that the stream holds, or its mark.
    arrived: u64,
    /// The sequence of the last `ingested` or `rejected`.
    read: Option<u64>,
    /// When the stream took the last of them.
    since: Timestamp,
    /// The event that ended its way.
    ended: Option<What>,
}

/// An event of a file's, as the stream holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Which.
    pub what: What,
    /// Its sequence.
    pub sequence: u64,
    /// When the stream took it.
    pub time: Timestamp,
}

/// What becomes of a suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its way has ended, though its object is still there: nothing is to be done about it, ever.
    Ended(What),
    /// Somebody has it, or will have it: nothing is to be done now.
    Waiting,
    /// Its last event was acknowledged long ago and nothing came of it.
    Stuck,
}

impl Suspect {
    /// Whether a file is worth reading `FILES` for, by the mark of its `arrived` alone.
    ///
    /// Both readers must have acknowledged past it. For ingest that is what *stuck* means. What
    /// ingest said lies after `arrived`, so a mover that has not come as far as `arrived` has not
    /// come to that either: while the mover is behind, its whole backlog needs no reading.
    pub(crate) fn new(
        published: u64,
        decided: Timestamp,
        horizon: &Horizon,
        patience: &Patience,
    ) -> Option<Self> {
        let suspect = Self {
            arrived: published,
            read: None,
            since: decided,
            ended: None,
        };
        let passed = published <= horizon.ingest && published <= horizon.mover;
        let suspicious = suspect.is_lost(horizon) || passed;
        (suspicious && patience.is_over(decided)).then_some(suspect)
    }

    /// Where to begin to read for it.
    pub(crate) fn read_from(&self, horizon: &Horizon) -> u64 {
        if self.is_lost(horizon) {
            1
        } else {
            self.arrived
        }
    }

    /// Whether its mark is of a stream that has been made anew since.
    fn is_lost(&self, horizon: &Horizon) -> bool {
        self.arrived > horizon.last
    }

    /// Takes note of an event of the file's first way, in the stream's order.
    pub(crate) fn hear(&mut self, heard: Heard) {
        match heard.what {
            What::Arrived => self.arrived = heard.sequence,
            What::Ingested | What::Rejected => self.read = Some(heard.sequence),
            // An outcome is final, whatever is said again after it.
            What::Superseded | What::Moved | What::Failed | What::Notified => {
                self.ended = Some(heard.what);
            }
            // Of other ways than the first.
            What::Commanded | What::Retracted => {}
        }
        self.since = heard.time;
    }

    /// What becomes of it, once the stream was read up to the horizon's last message.
    ///
    /// A step's output is in the stream before its input is acknowledged, and the horizon's
    /// acknowledgements are older than its last message: so an input that was acknowledged within
    /// the horizon, and has no output in the stream, will never have one. An `arrived` may come
    /// late and be answered by nothing, while what came of an earlier one still waits for the
    /// mover: so each step's input has to be acknowledged, and not the last event alone.
    pub(crate) fn verdict(&self, horizon: &Horizon, patience: &Patience) -> Verdict {
        if let Some(what) = self.ended {
            return Verdict::Ended(what);
        }
        let by_ingest = self.is_lost(horizon) || self.arrived <= horizon.ingest;
        let by_mover = self.read.is_none_or(|read| read <= horizon.mover);
        if by_ingest && by_mover && patience.is_over(self.since) {
            Verdict::Stuck
        } else {
            Verdict::Waiting
        }
    }
}

impl Patience {
    fn is_over(&self, since: Timestamp) -> bool {
        SignedDuration::try_from(self.stuck_after)
            .is_ok_and(|stuck_after| self.now.duration_since(since) >= stuck_after)
    }
}

#[cfg(test)]
mod tests;
