//! What an audit came to.

use std::collections::BTreeMap;
use std::fmt;

use runtime::text::counted;
use serde::Serialize;

use crate::event::{Move, Said, Step};
use crate::facts::{Facts, Way};
use crate::judge::Open;
use crate::violation::Violation;

/// What an audit came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// In numbers.
    pub summary: Summary,
    /// Files on their way.
    pub open: Vec<Open>,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

/// An audit in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many files were judged.
    pub files: u64,
    /// How they ended: `archived`, `rejected`, `replaced`, `gone`, `superseded`, `retracted`,
    /// `failed`, `open`.
    pub ended: BTreeMap<&'static str, u64>,
    /// How many files were read again.
    pub recounted: u64,
    /// How many readings they hold.
    pub readings: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Mails that were seen; none where no mailbox was to be seen.
    pub mails: Option<u64>,
}

impl Summary {
    pub(crate) fn of(facts: &Facts) -> Self {
        let mut summary = Self::default();
        for id in &facts.chosen {
            if let Some((_, way)) = facts.last_way(*id) {
                summary.files += 1;
                *summary.ended.entry(end(way)).or_default() += 1;
            }
        }
        let recounts = facts.recounts.values();
        for counted in recounts.filter_map(|recount| recount.counted.as_ref().ok()) {
            summary.recounted += 1;
            summary.readings += counted.distinct;
            summary.bytes += counted.bytes;
        }
        let mails = facts.mails.as_ref();
        summary.mails = mails.map(|mails| mails.len() as u64);
        summary
    }
}

/// How a way ended.
fn end(way: &Way) -> &'static str {
    let ends = way.ends();
    let Some(end) = ends.first() else {
        return "open";
    };
    match (&end.event.said, way.said(Step::Mover)) {
        (Said::Superseded { .. }, _) => "superseded",
        (Said::Retracted {}, _) => "retracted",
        (Said::Failed { .. }, _) => "failed",
        (_, Some(Said::Moved { outcome, .. })) => match outcome {
            Move::Archived if way.said(Step::Ingest) == Some(&Said::Rejected {}) => "rejected",
            Move::Archived => "archived",
            Move::Replaced => "replaced",
            Move::Gone => "gone",
            Move::Left => "left",
            Move::Deleted => "deleted",
        },
        _ => "notified",
    }
}

impl fmt::Display for Summary {
    /// `12 files: 10 archived, 2 open; 1,200 readings (34,567 bytes) of 10 files counted again`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended: Vec<String> = self
            .ended
            .iter()
            .map(|(how, number)| format!("{number} {how}"))
            .collect();
        f.write_str(&counted(self.files, "file"))?;
        if !ended.is_empty() {
            write!(f, ": {}", ended.join(", "))?;
        }
        write!(
            f,
            "; {} ({}) of {} counted again",
            counted(self.readings, "reading"),
            counted(self.bytes, "byte"),
            counted(self.recounted, "file")
        )?;
        match self.mails {
            Some(mails) => write!(f, "; {} seen", counted(mails, "mail")),
            None => Ok(()),
        }
    }
}
