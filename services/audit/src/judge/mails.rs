//! One mail was sent, or its sending is shown as unknown.

use std::collections::BTreeMap;

use crate::event::{Mailed, Said, Step};
use crate::facts::{Cell, Facts, Mail, MailRow, Way};
use crate::violation::{Rule, Violation};

pub(super) fn judge(facts: &Facts, found: &mut Vec<Violation>) {
    let Some(mails) = &facts.mails else { return };
    let mut by_id: BTreeMap<&str, Vec<&Mail>> = BTreeMap::new();
    let mut by_way: BTreeMap<Cell, Vec<&Mail>> = BTreeMap::new();
    for mail in mails {
        if facts.whole || facts.is_chosen(&mail.about) {
            by_id.entry(&mail.id).or_default().push(mail);
            by_way.entry(mail.about).or_default().push(mail);
        }
    }
    for (id, copies) in &by_id {
        if copies.len() > 1 {
            let what = format!(
                "{} mails have the Message-ID {}: {}",
                copies.len(),
                crate::event::shown(id),
                names(copies)
            );
            let next = "find out whether the mail server doubled it; else report it";
            let cell = copies[0].about;
            found.push(Violation::new(Rule::Mail, what, next).about(cell, facts.file(cell.0)));
        }
    }
    for (cell, way) in facts.judged() {
        let copies = by_way.get(cell).map_or(&[][..], Vec::as_slice);
        if let Some((what, next)) = sent(way, copies) {
            found.push(Violation::new(Rule::Mail, what, next).about(*cell, way.file()));
        }
    }
    for (cell, copies) in &by_way {
        if facts.last_way(cell.0).is_none() {
            let what = format!("{} is about a file that nobody knows", names(copies));
            let next = "was the journal lost? Else find out who sent it";
            found.push(Violation::new(Rule::Mail, what, next).about(*cell, None));
        }
    }
}

/// What is wrong with the mails about a way, if anything is.
fn sent(way: &Way, mails: &[&Mail]) -> Option<(String, &'static str)> {
    let ended = match (way.said(Step::Notifier), way.mail) {
        (Some(Said::Notified { outcome }), _) => Some(*outcome),
        (_, Some(MailRow::Ended(outcome))) => Some(outcome),
        _ => None,
    };
    match (ended, mails) {
        (Some(Mailed::Accepted), []) => Some((
            "its mail was accepted, and is not in the mailbox".to_owned(),
            "ask the mail server what became of it",
        )),
        (Some(Mailed::Refused), [_, ..]) => Some((
            format!(
                "its mail was refused, and is in the mailbox: {}",
                names(mails)
            ),
            "this is an error of the notifier's or of the mail server's; report it",
        )),
        (Some(Mailed::Nobody), [_, ..]) => Some((
            format!(
                "nobody was to be told, and there is a mail: {}",
                names(mails)
            ),
            "this is an error of the notifier's; report it",
        )),
        (None, [_, ..]) if !may_be_out(way) => Some((
            format!(
                "a mail about it is there that nobody ordered: {}",
                names(mails)
            ),
            "was the notifier's journal lost? Else find out who sent it",
        )),
        // One that is there twice was told by its Message-ID.
        (Some(_), [first, others @ ..]) if others.iter().any(|other| other.id != first.id) => {
            Some((
                format!("{} mails are about it: {}", mails.len(), names(mails)),
                "this is an error of the notifier's; report it",
            ))
        }
        _ => None,
    }
}

/// Whether a mail may have gone out without an end of it being known.
fn may_be_out(way: &Way) -> bool {
    let given_up = matches!(way.said(Step::Notifier), Some(Said::Failed { .. }));
    given_up || matches!(way.mail, Some(MailRow::HandingOver(_)))
}

fn names(mails: &[&Mail]) -> String {
    let names = mails.iter().map(|mail| crate::event::shown(&mail.name));
    names.collect::<Vec<_>>().join(", ")
}
