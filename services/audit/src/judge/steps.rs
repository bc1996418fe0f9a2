//! The steps of a way fit each other.

use crate::event::{Said, Step};
use crate::facts::{Cell, Facts, MailRow, Way};
use crate::violation::{Rule, Violation};

use super::PUBLISHED_WITHIN;

const REPORT: &str = "this is an error of Landfall's; keep the journals and report it";

pub(super) fn judge(facts: &Facts, found: &mut Vec<Violation>) {
    // Where a journal does not hold what FILES does, that is why its steps do not fit.
    let lost = super::told(found, Rule::Published);
    for (cell, way) in facts.judged() {
        let young = way
            .last()
            .is_some_and(|outcome| outcome.event.time >= facts.horizon);
        if young && !lost.contains(&cell.0.to_string()) {
            order(*cell, way, found);
        }
        letters(facts, *cell, way, found);
    }
    buried(facts, found);
}

/// What each step says follows from what the step before said.
fn order(cell: Cell, way: &Way, found: &mut Vec<Violation>) {
    let mut wrong = |what: String| {
        found.push(Violation::new(Rule::Steps, what, REPORT).about(cell, way.file()));
    };
    let ingest = way.said(Step::Ingest);
    let mover = way.said(Step::Mover);
    let failed_unheard = matches!(ingest, None | Some(Said::Failed { .. }));
    if cell.1 > 0 && way.ordered.is_none() && !failed_unheard {
        wrong(format!(
            "ingest says {} of replay {}, which nobody ordered",
            words(ingest),
            cell.1
        ));
    }
    if matches!(ingest, Some(Said::Retracted {})) != (way.is_retraction() && !failed_unheard) {
        wrong(format!(
            "ingest says {}, and that was not what was ordered",
            words(ingest)
        ));
    }
    let read = matches!(ingest, Some(Said::Ingested { .. } | Said::Rejected {}));
    if let Some(mover) = mover
        && !read
    {
        wrong(format!(
            "the mover says `{}`, and ingest {}",
            mover.word(),
            words(ingest)
        ));
    }
    let failed = [ingest, mover]
        .iter()
        .any(|said| matches!(said, Some(Said::Failed { .. })));
    let moved = matches!(mover, Some(Said::Moved { .. }));
    match way.said(Step::Notifier) {
        Some(notifier @ Said::Notified { .. }) if !moved => wrong(format!(
            "the notifier says `{}`, and the mover {}",
            notifier.word(),
            words(mover)
        )),
        Some(Said::Failed { .. }) if !moved && !failed => {
            wrong("the notifier gave up on a file that nobody had told it of".to_owned());
        }
        _ if way.mail.is_some() && !moved && !failed => {
            wrong("there is a mail about it, and it was neither moved nor failed".to_owned());
        }
        _ => {}
    }
    if let (Some(Said::Notified { outcome }), Some(row)) = (way.said(Step::Notifier), way.mail)
        && row != MailRow::Ended(*outcome)
    {
        wrong(format!(
            "the notifier says that its mail is {outcome:?}, and the mail's row says {row:?}"
        ));
    }
}

fn words(said: Option<&Said>) -> String {
    said.map_or("nothing".to_owned(), |said| format!("`{}`", said.word()))
}

/// Each `failed` has its dead letter.
fn letters(facts: &Facts, cell: Cell, way: &Way, found: &mut Vec<Violation>) {
    for (step, outcome) in Step::ALL.into_iter().zip(&way.outcomes) {
        let Some(outcome) = outcome else { continue };
        let Said::Failed { dead_letter } = outcome.event.said else {
            continue;
        };
        let sequence = dead_letter.sequence;
        if sequence < facts.dead.first {
            continue;
        }
        // A message that was too large for a copy is buried without its content.
        let fits = facts.dead.messages.get(&sequence).is_some_and(|buried| {
            let about = buried.about.as_ref();
            buried.by == step.name() && about.is_none_or(|(of, _)| *of == cell)
        });
        if !fits {
            found.push(
                Violation::new(
                    Rule::DeadLetter,
                    format!(
                        "the {} gave up on it, and message {sequence} of DEAD is not about that",
                        step.name()
                    ),
                    "was the stream made anew? What the file was is in the journals",
                )
                .of(&outcome.event.file),
            );
        }
    }
}

/// Each dead letter about a file has an outcome: `failed`, unless another replica was faster.
fn buried(facts: &Facts, found: &mut Vec<Violation>) {
    for (sequence, buried) in &facts.dead.messages {
        let (Some((cell, name)), Some(step)) = (&buried.about, Step::named(&buried.by)) else {
            continue;
        };
        let late = facts.now.duration_since(buried.stored) > PUBLISHED_WITHIN;
        let judged = facts.whole || facts.is_chosen(cell);
        let way = facts.ways.get(cell);
        let has_outcome = way.is_some_and(|way| way.outcome(step).is_some());
        if judged && !has_outcome && buried.stored >= facts.horizon && (late || facts.settled) {
            found.push(Violation {
                file: Some(cell.0.to_string()),
                ..Violation::new(
                    Rule::DeadLetter,
                    format!(
                        "message {sequence} of DEAD is about it, and the {} never said `failed`",
                        step.name()
                    ),
                    format!(
                        "see the log of the {}, and start it if it is not up",
                        step.name()
                    ),
                )
                .at(name)
            });
        }
    }
}
