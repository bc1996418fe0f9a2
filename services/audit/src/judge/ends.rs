//! Every file in the watcher's journal has one end, or is on its way.

use jiff::Timestamp;
use serde::Serialize;

use crate::event::{File, Said, Step};
use crate::facts::{Cell, Facts, MailRow, Way};
use crate::violation::{Rule, Violation};

/// A file that is on its way: no wrong by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Open {
    /// File id.
    pub file: String,
    /// `bucket/key`, control characters escaped.
    pub name: String,
    /// Where it is.
    pub at: String,
    /// Since when.
    pub since: Timestamp,
}

pub(super) fn judge(facts: &Facts, found: &mut Vec<Violation>) {
    if facts.whole {
        let next = "look at the row with `sqlite3`, and whether a newer Landfall wrote it";
        let lines = facts.unreadable.iter();
        found.extend(lines.map(|line| Violation::new(Rule::Journal, line.as_str(), next)));
    }
    for (cell, way) in &facts.ways {
        if !facts.is_chosen(cell) && way.file().is_some() {
            continue;
        }
        let new = |what: String, next: &str| Violation::new(Rule::Arrived, what, next);
        let young = way
            .last()
            .is_some_and(|outcome| outcome.event.time >= facts.horizon);
        if young && way.outcome(Step::Watcher).is_none() && cell.1 == 0 {
            let word = way.last().map_or("", |last| last.event.said.word());
            let what = format!("it was {word}, and the watcher's journal does not know it");
            let next = "restore the watcher's journal, or upload the file again";
            found.push(new(what, next).about(*cell, way.file()));
        }
        let ends = way.ends();
        if ends.len() > 1 {
            let words: Vec<&str> = ends.iter().map(|end| end.event.said.word()).collect();
            let what = format!("its way has {} ends: {}", ends.len(), words.join(", "));
            let next = "this is an error of Landfall's; keep the journals and report it";
            found.push(Violation::new(Rule::OneEnd, what, next).about(*cell, way.file()));
        }
    }
    if facts.settled {
        found.extend(open(facts).into_iter().map(|open| {
            let what = format!("it is {} since {}", open.at, open.since);
            Violation {
                file: Some(open.file),
                name: Some(open.name),
                ..Violation::new(
                    Rule::Settled,
                    what,
                    "wait, or see the log of the service that has it",
                )
            }
        }));
    }
}

/// The files that are on their way, and the mails about failures that are.
pub fn open(facts: &Facts) -> Vec<Open> {
    let ways = facts.judged();
    ways.filter_map(|(cell, way)| {
        let file = way.file()?;
        let (at, since) = whereabouts(facts, *cell, way)?;
        Some(of(file, at, since))
    })
    .collect()
}

fn of(file: &File, at: String, since: Timestamp) -> Open {
    Open {
        file: file.id.to_string(),
        name: file.place().shown(),
        at,
        since,
    }
}

/// Where a file is, and since when; none if it has ended.
fn whereabouts(facts: &Facts, cell: Cell, way: &Way) -> Option<(String, Timestamp)> {
    let last = &way.last()?.event;
    let ended = !way.ends().is_empty();
    let wake = if facts.wakes.contains(&cell) {
        ""
    } else {
        ", and no wake is ordered"
    };
    let at = match way.mail {
        Some(MailRow::Waiting(due)) => format!("waiting until {due} for its mail{wake}"),
        Some(MailRow::HandingOver(deadline)) => {
            format!("being mailed, which is given up on at {deadline}{wake}")
        }
        _ if ended => return None,
        Some(MailRow::Ended(_)) => "mailed, which the notifier is to say yet".to_owned(),
        None => match last.said {
            Said::Arrived {} => "waiting for ingest".to_owned(),
            Said::Ingested { .. } | Said::Rejected {} => "waiting for the mover".to_owned(),
            _ => "waiting for the notifier".to_owned(),
        },
    };
    // A mail about a failure that cannot be sent has ended with the notifier's `failed`.
    let told = way.outcome(Step::Notifier).is_some();
    (!told).then_some((at, last.time))
}
