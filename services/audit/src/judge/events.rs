//! `FILES` holds what the journals hold, and nothing else.

use std::collections::BTreeMap;

use crate::event::{Place, Step, Sum};
use crate::facts::{Cell, Facts, Heard, Outcome};
use crate::violation::{Rule, Violation};

use super::PUBLISHED_WITHIN;

/// What the stream holds of one step of one way: where, and what.
type Said<'a> = BTreeMap<(Cell, Step), Vec<(u64, &'a Sum, &'a Place)>>;

pub(super) fn judge(facts: &Facts, found: &mut Vec<Violation>) {
    let mut said = Said::new();
    for (sequence, heard) in &facts.files.messages {
        match heard {
            Heard::Event {
                cell,
                step,
                sum,
                name,
                ..
            } => {
                if facts.whole || facts.is_chosen(cell) {
                    let all = said.entry((*cell, *step)).or_default();
                    all.push((*sequence, sum, name));
                }
            }
            Heard::Unreadable(reason) if facts.whole => found.push(Violation::new(
                Rule::OneOutcome,
                format!("message {sequence} of FILES is none of Landfall's: {reason}"),
                "find out who may publish to `files.>` beside the services",
            )),
            Heard::Ordered | Heard::Unreadable(_) => {}
        }
    }
    let unknown = super::told(found, Rule::Arrived);
    for ((cell, step), copies) in &said {
        if *step == Step::Watcher && unknown.contains(&cell.0.to_string()) {
            continue;
        }
        published(facts, *cell, *step, copies, found);
    }
    for (cell, way) in facts.judged() {
        for (step, outcome) in Step::ALL.into_iter().zip(&way.outcomes) {
            if let Some(outcome) = outcome {
                mark(facts, *cell, step, outcome, found);
            }
        }
    }
}

/// Each event in the stream is the outcome in the journal.
fn published(
    facts: &Facts,
    cell: Cell,
    step: Step,
    copies: &[(u64, &Sum, &Place)],
    found: &mut Vec<Violation>,
) {
    let Some((first, sum, name)) = copies.first() else {
        return;
    };
    let new = |rule, what: String, next: &str| Violation {
        file: Some(cell.0.to_string()),
        ..Violation::new(rule, what, next).at(name)
    };
    if let Some((other, ..)) = copies.iter().find(|(_, other, _)| other != sum) {
        found.push(new(
            Rule::OneOutcome,
            format!(
                "FILES holds two different outcomes of the {} for replay {}: messages {first} and {other}",
                step.name(),
                cell.1
            ),
            "the journal's counts; find out who published the other one",
        ));
        return;
    }
    let way = facts.ways.get(&cell);
    let Some(outcome) = way.and_then(|way| way.outcome(step)) else {
        let rule = if step == Step::Watcher {
            Rule::Arrived
        } else {
            Rule::Published
        };
        found.push(new(
            rule,
            format!(
                "message {first} of FILES says an outcome that the {}'s journal does not hold",
                step.name()
            ),
            "restore the journal from its backup, or find out who published it",
        ));
        return;
    };
    if let Some((other, ..)) = copies.iter().find(|(_, sum, _)| **sum != outcome.event.sum) {
        found.push(new(
            Rule::Published,
            format!(
                "message {other} of FILES is another outcome than the {}'s journal holds",
                step.name()
            ),
            "the journal's counts; find out who published the message",
        ));
    }
}

/// Each outcome has its mark, and the message there is that event.
fn mark(facts: &Facts, cell: Cell, step: Step, outcome: &Outcome, found: &mut Vec<Violation>) {
    let event = &outcome.event;
    let mut wrong = |what: String, next: &str| {
        found.push(Violation::new(Rule::Mark, what, next).of(&event.file));
    };
    let whose = format!("the {}'s `{}`", step.name(), event.said.word());
    let Some(sequence) = outcome.published else {
        let late = facts.now.duration_since(event.time) > PUBLISHED_WITHIN;
        if facts.settled || late {
            let next = format!("start the {}: it publishes what has no mark", step.name());
            wrong(format!("{whose} has no mark of its publication"), &next);
        }
        return;
    };
    let files = &facts.files;
    // Later than the stream was read, or too old for it.
    if sequence < files.first {
        return;
    }
    if sequence > files.last {
        let what = format!("{whose} is marked as message {sequence}, and FILES ends before it");
        wrong(
            what,
            "was the stream made anew? Then its files go on by the watcher's sweep",
        );
        return;
    }
    let is_it = match files.messages.get(&sequence) {
        Some(Heard::Event {
            cell: of,
            step: by,
            sum,
            ..
        }) => (*of, *by, sum) == (cell, step, &event.sum),
        _ => false,
    };
    if !is_it {
        let what = format!("{whose} is marked as message {sequence} of FILES, which is another");
        wrong(
            what,
            "was the stream made anew? Then its files go on by the watcher's sweep",
        );
    }
}
