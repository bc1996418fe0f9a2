//! Replays and retractions.

use super::*;
use crate::event::{Ordered, Stage};

/// A person orders a way of `GOOD`, and its steps say this of it.
fn again<const STEPS: usize>(
    facts: &mut Facts,
    replay: u32,
    from: Option<Stage>,
    steps: [Said; STEPS],
) {
    let file = file(GOOD);
    let mail = steps.last() == Some(&ACCEPTED);
    let way = facts.ways.entry((file.id, replay)).or_default();
    way.ordered = Some(Ordered {
        replay,
        file: file.clone(),
        from,
    });
    if from == Some(Stage::Ingest) {
        way.decision = Some(Decision::Ingest(plan()));
    }
    if mail {
        way.mail = Some(MailRow::Ended(Mailed::Accepted));
        let id = format!("{}.{replay}.0@example.org", file.id);
        let about = (file.id, replay);
        let name = format!("again-{replay}.eml");
        mails(facts).push(Mail { id, about, name });
    }
    for (step, said) in Step::ALL.into_iter().skip(1).zip(steps) {
        let event = Event {
            step,
            replay,
            time: now() - SignedDuration::from_mins(10),
            file: file.clone(),
            sum: [u8::try_from(100 + replay).unwrap() + step as u8 * 10; 16],
            said,
        };
        let sequence = facts.files.last + 1;
        facts.files.last = sequence;
        facts.files.messages.insert(sequence, heard(&event));
        let way = facts.ways.get_mut(&(file.id, replay)).unwrap();
        way.outcomes[step as usize] = Some(Outcome {
            event,
            published: Some(sequence),
        });
    }
}

fn replayed(facts: &mut Facts, from: Stage) {
    let to = archived("processed/", GOOD);
    again(facts, 1, Some(from), [ingested(), to, ACCEPTED]);
    if from != Stage::Notify {
        let filed = facts.filed.get_mut(&place("processed/", GOOD)).unwrap();
        filed.replay = Some(1);
    }
}

fn retracted(facts: &mut Facts, replay: u32) {
    again(facts, replay, None, [Said::Retracted {}]);
    facts.rows.remove(&id(GOOD));
    facts.recounts.remove(&id(GOOD));
}

#[test]
fn replays_and_retractions_are_well() {
    for from in [Stage::Ingest, Stage::Move, Stage::Notify] {
        let found = broken(|facts| replayed(facts, from));
        assert_eq!(found, [], "{from:?}");
    }
    assert_eq!(broken(|facts| retracted(facts, 1)), []);
    let found = broken(|facts| {
        replayed(facts, Stage::Ingest);
        retracted(facts, 2);
    });
    assert_eq!(found, []);
}

#[test]
fn a_copy_of_a_lower_replay_that_was_left() {
    assert_one(Rule::Copy, GOOD, "is not of replay 1", |facts| {
        replayed(facts, Stage::Move);
        let filed = facts.filed.get_mut(&place("processed/", GOOD)).unwrap();
        filed.replay = Some(0);
    });
    assert_one(Rule::Filed, GOOD, "a copy of it lies here", |facts| {
        replayed(facts, Stage::Ingest);
        facts.filed.insert(place("rejected/", GOOD), filed(GOOD));
    });
}

#[test]
fn what_a_replay_was_given_up_on_with_is_its_own() {
    let failed = Said::Failed {
        dead_letter: Letter { sequence: 2 },
    };
    let found = broken(|facts| {
        again(facts, 1, Some(Stage::Move), [ingested(), failed]);
        let buried = Buried {
            by: "mover".to_owned(),
            about: Some(((id(GOOD), 1), place("", GOOD))),
            stored: now() - SignedDuration::from_mins(10),
        };
        facts.dead.messages.insert(2, buried);
        facts.dead.last = 2;
        let filed = facts.filed.get_mut(&place("processed/", GOOD)).unwrap();
        filed.replay = Some(1);
        let way = facts.ways.get_mut(&(id(GOOD), 1)).unwrap();
        way.mail = Some(MailRow::Ended(Mailed::Nobody));
    });
    assert_eq!(found, []);
}

#[test]
fn rows_of_a_file_that_was_retracted() {
    assert_one(Rule::Rows, GOOD, "it may have 0", |facts| {
        retracted(facts, 1);
        facts.rows.insert(id(GOOD), rows(1));
    });
    // What a later replay has brought back.
    let found = broken(|facts| {
        retracted(facts, 1);
        let to = archived("processed/", GOOD);
        let steps = [ingested(), to, ACCEPTED];
        again(facts, 2, Some(Stage::Ingest), steps);
        facts.rows.insert(id(GOOD), rows(7));
        let filed = facts.filed.get_mut(&place("processed/", GOOD)).unwrap();
        filed.replay = Some(2);
    });
    assert_eq!(found, []);
}

#[test]
fn a_way_that_nobody_ordered() {
    assert_one(Rule::Steps, GOOD, "which nobody ordered", |facts| {
        replayed(facts, Stage::Ingest);
        let way = facts.ways.get_mut(&(id(GOOD), 1)).unwrap();
        way.ordered = None;
    });
    assert_one(Rule::Steps, GOOD, "not what was ordered", |facts| {
        replayed(facts, Stage::Ingest);
        let way = facts.ways.get_mut(&(id(GOOD), 1)).unwrap();
        way.ordered.as_mut().unwrap().from = None;
        facts.rows.remove(&id(GOOD));
        facts.recounts.remove(&id(GOOD));
    });
}
