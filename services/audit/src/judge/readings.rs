//! The database holds what the files say.

use std::collections::HashSet;

use jiff::Timestamp;
use proto::FileId;
use runtime::text;

use crate::event::{Counts, Said, Step};
use crate::facts::{Decision, Facts, Rows, Way};
use crate::recount::{Counted, Sample};
use crate::violation::{Rule, Violation};

pub(super) fn judge(facts: &Facts, found: &mut Vec<Violation>) {
    for (cell, way) in facts.judged() {
        if let (Some(Said::Ingested { report }), Some(file)) = (way.said(Step::Ingest), way.file())
        {
            let Counts {
                read,
                stored,
                rejected,
                duplicated,
                ..
            } = report;
            if *read != stored + rejected + duplicated {
                let what = format!(
                    "replay {}: read {read}, which is not stored {stored} + rejected {rejected} + \
                     duplicated {duplicated}",
                    cell.1
                );
                let next = "this is an error of ingest's; keep the file and report it";
                found.push(Violation::new(Rule::Counts, what, next).of(file));
            }
        }
    }
    // What was counted in a copy that is not the file's says nothing of the file.
    let foreign = super::told(found, Rule::Copy);
    let mut compared = HashSet::new();
    for (id, recount) in &facts.recounts {
        let Some(file) = facts.file(*id) else {
            continue;
        };
        if foreign.contains(&id.to_string()) {
            continue;
        }
        let mut wrong = |rule, what: String, next: &str| {
            found.push(Violation::new(rule, what, next).of(file));
        };
        match &recount.counted {
            Err(reason) => wrong(
                Rule::Readable,
                format!(
                    "its copy cannot be read again: {}",
                    crate::event::shown(reason)
                ),
                "compare it with what was uploaded",
            ),
            Ok(counted) if was_ingested(facts, *id) => {
                if counts(&recount.said, counted, &mut wrong) {
                    // What an earlier way wrote stays where the last one does not override it.
                    let ways = facts.standing(*id);
                    let alone = ways.filter(|(_, way)| way.decision.is_some()).count() == 1;
                    held(counted, alone, &mut wrong);
                    compared.insert(*id);
                }
            }
            Ok(_) => {}
        }
    }
    for (id, rows) in &facts.rows {
        owner(facts, *id, *rows, compared.contains(id), found);
    }
}

fn was_ingested(facts: &Facts, id: FileId) -> bool {
    let mut ways = facts.standing(id);
    ways.any(|(_, way)| is_ingested(way))
}

fn is_ingested(way: &Way) -> bool {
    matches!(way.said(Step::Ingest), Some(Said::Ingested { .. }))
}

/// Whether what the event says was counted is what the copy holds.
fn counts(said: &Counts, counted: &Counted, wrong: &mut impl FnMut(Rule, String, &str)) -> bool {
    let duplicated = counted.accepted - counted.distinct;
    // Where a file has more distinct readings than memory, duplicates may have gone unseen.
    let same = if said.at_least {
        said.stored >= counted.distinct && said.duplicated <= duplicated
    } else {
        said.stored == counted.distinct && said.duplicated == duplicated
    };
    let read = counted.accepted + counted.rejected;
    if !same || said.read != read || said.rejected != counted.rejected {
        let what = format!(
            "the event says read {}, stored {}, rejected {}, duplicated {}; its copy holds {read}, \
             {}, {}, {duplicated}",
            said.read,
            said.stored,
            said.rejected,
            said.duplicated,
            counted.distinct,
            counted.rejected
        );
        let next = "compare the copy with what was uploaded; upload it again to have it as it is";
        wrong(Rule::Counts, what, next);
        return false;
    }
    true
}

/// Every reading of the file is in the database, and every row that names the file is its.
fn held(counted: &Counted, alone: bool, wrong: &mut impl FnMut(Rule, String, &str)) {
    let all = counted.distinct;
    let again = "upload the file again under its key";
    let mut tell = |rule, sample: &Sample, what: &str| {
        let Sample { count, first } = sample;
        if *count > 0 {
            wrong(
                rule,
                format!(
                    "{} of its {} {what}: {first}",
                    text::count(*count),
                    text::counted(all, "reading")
                ),
                again,
            );
        }
    };
    tell(Rule::Readings, &counted.missing, "are not in the database");
    tell(
        Rule::Readings,
        &counted.differing,
        "have another value in the database",
    );
    tell(
        Rule::Readings,
        &counted.older,
        "gave way to an older file's in the database",
    );
    tell(
        Rule::Readings,
        &counted.misdated,
        "have a write timestamp in the database that is not their file's",
    );
    let Sample { count, first } = &counted.strays;
    if *count > 0 && alone {
        wrong(
            Rule::Rows,
            format!(
                "in the database, and not in the file: {} ({first})",
                text::counted(*count, "reading")
            ),
            "find out who wrote them, and delete them",
        );
    }
}

/// Rows are a file's that was to be stored.
fn owner(facts: &Facts, id: FileId, rows: Rows, compared: bool, found: &mut Vec<Violation>) {
    let Rows { count, newest } = rows;
    let Some((_, way)) = facts.last_way(id) else {
        let order = Timestamp::from_microsecond(newest).unwrap_or(Timestamp::MAX);
        if facts.whole && order >= facts.horizon {
            found.push(Violation {
                file: Some(id.to_string()),
                ..Violation::new(
                    Rule::Rows,
                    format!(
                        "in the database, of a file that nobody knows: {}",
                        text::counted(count, "reading")
                    ),
                    "find out who wrote them, and delete them",
                )
            });
        }
        return;
    };
    if !facts.chosen.contains(&id) {
        return;
    }
    // While a retraction is under way, some of what the ways before it wrote is there still.
    let last = facts.ways_of(id).rev().find(|(_, way)| way.is_retraction());
    if last.is_some_and(|(_, way)| !matches!(way.said(Step::Ingest), Some(Said::Retracted {}))) {
        return;
    }
    let ways = facts.standing(id);
    let most = |way: &Way| match way.said(Step::Ingest) {
        Some(Said::Ingested { report }) => report.stored,
        Some(Said::Superseded { rows_up_to, .. }) => *rows_up_to,
        // Until its outcome, and after a failure: what was decided may be stored in part.
        None | Some(Said::Failed { .. })
            if matches!(way.decision, Some(Decision::Ingest(_)))
                // Decisions are as old as a file's first step.
                || way.file().is_none_or(|file| file.order < facts.horizon) =>
        {
            u64::MAX
        }
        _ => 0,
    };
    // Each way may have readings that the next does not override.
    let allowed = ways.map(|(_, way)| most(way));
    let allowed = allowed.fold(0_u64, u64::saturating_add);
    let strays = || {
        facts
            .recounts
            .get(&id)?
            .counted
            .as_ref()
            .ok()
            .map(|counted| counted.strays.count)
    };
    let told = compared && strays().is_some_and(|strays| strays > 0);
    if count > allowed && !told {
        let said = way.said(Step::Ingest);
        let word = said.map_or("not decided on yet", |said| said.word());
        let what = format!(
            "in the database it has {}, and it may have {}: it is {word}",
            text::counted(count, "reading"),
            text::count(allowed)
        );
        let next = "find out who wrote them, and delete them";
        found.push(Violation::new(Rule::Rows, what, next).about((id, 0), facts.file(id)));
    }
}
