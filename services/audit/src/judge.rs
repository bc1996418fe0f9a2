//! The judgement: facts in, violations out. Each part of the promise has a file of its own.

mod ends;
mod events;
mod mails;
mod objects;
mod readings;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use jiff::SignedDuration;

use crate::facts::Facts;
use crate::violation::{Rule, Violation};

pub use ends::{Open, open};

/// What is settled and not yet published for longer than this will not be published by itself:
/// services look every minute.
const PUBLISHED_WITHIN: SignedDuration = SignedDuration::from_mins(3);

/// Everything that is wrong, in a fixed order. One cause is one line: what only follows from a
/// violation that was found before is left out, and comes to light once that is mended.
pub fn judge(facts: &Facts) -> Vec<Violation> {
    let mut found = Vec::new();
    ends::judge(facts, &mut found);
    events::judge(facts, &mut found);
    steps::judge(facts, &mut found);
    objects::judge(facts, &mut found);
    readings::judge(facts, &mut found);
    mails::judge(facts, &mut found);
    found.sort();
    found.dedup();
    found
}

/// The files that are known to break a rule.
fn told(found: &[Violation], rule: Rule) -> HashSet<String> {
    let of = found.iter().filter(|violation| violation.rule == rule);
    of.filter_map(|violation| violation.file.clone()).collect()
}
