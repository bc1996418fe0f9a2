//! What is in the stream, and what the journals say of it.

use super::*;

#[test]
fn two_different_outcomes_of_one_step_in_the_stream() {
    let found = broken(|facts| {
        let Heard::Event { mut sum, .. } = facts.files.messages[&2] else {
            unreachable!()
        };
        sum[0] ^= 1;
        let mut other = facts.files.messages[&2].clone();
        if let Heard::Event { sum: of, .. } = &mut other {
            *of = sum;
        }
        facts.files.last += 1;
        facts.files.messages.insert(facts.files.last, other);
    });
    let rules: Vec<Rule> = found.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(rules, [Rule::OneOutcome], "{found:#?}");
}

#[test]
fn the_same_event_twice_in_the_stream_is_no_wrong() {
    let found = broken(|facts| {
        let again = facts.files.messages[&2].clone();
        facts.files.last += 1;
        facts.files.messages.insert(facts.files.last, again);
    });
    assert_eq!(found, []);
}

#[test]
fn a_message_in_the_stream_that_is_no_event() {
    let found = broken(|facts| {
        let heard = Heard::Unreadable("no JSON".to_owned());
        facts.files.last += 1;
        facts.files.messages.insert(facts.files.last, heard);
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Rule::OneOutcome);
}

#[test]
fn an_event_in_the_stream_that_the_journal_does_not_hold() {
    assert_one(
        Rule::Published,
        STUCK,
        "notifier's journal does not hold",
        |facts| {
            say(
                facts,
                STUCK,
                Step::Notifier,
                Said::Failed {
                    dead_letter: Letter { sequence: 1 },
                },
            );
            way(facts, STUCK).outcomes[Step::Notifier as usize] = None;
        },
    );
}

#[test]
fn an_outcome_without_the_mark_of_its_publication() {
    let unmarked = |facts: &mut Facts| outcome(facts, GOOD, Step::Mover).published = None;
    assert_one(Rule::Mark, GOOD, "mover's `moved` has no mark", unmarked);
    let mut facts = good();
    facts.settled = false;
    unmarked(&mut facts);
    assert_eq!(judge(&facts).len(), 1, "it is 20 minutes old");
    outcome(&mut facts, GOOD, Step::Mover).event.time = now();
    assert_eq!(judge(&facts), [], "it may be published right now");
}

#[test]
fn a_mark_where_another_message_is() {
    assert_one(
        Rule::Mark,
        GOOD,
        "message 2 of FILES, which is another",
        |facts| {
            outcome(facts, GOOD, Step::Mover).published = Some(2);
        },
    );
}

#[test]
fn a_mark_beyond_the_streams_end() {
    assert_one(Rule::Mark, GOOD, "FILES ends before", |facts| {
        outcome(facts, GOOD, Step::Mover).published = Some(1_000);
    });
}

#[test]
fn what_the_stream_is_too_young_for_is_not_asked_of_it() {
    let found = broken(|facts| {
        facts.files.first = 4;
        facts.files.messages.retain(|sequence, _| *sequence >= 4);
    });
    assert_eq!(found, []);
}
