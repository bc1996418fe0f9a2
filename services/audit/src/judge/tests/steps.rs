//! Steps that do not fit together.

use super::*;

#[test]
fn moved_without_a_reading() {
    assert_one(
        Rule::Steps,
        BAD,
        "the mover says `moved`, and ingest nothing",
        |facts| {
            let said = way(facts, BAD).outcomes[Step::Ingest as usize]
                .take()
                .unwrap();
            facts.files.messages.remove(&said.published.unwrap());
        },
    );
}

#[test]
fn notified_without_a_move() {
    assert_one(
        Rule::Steps,
        LATE,
        "the notifier says `notified`, and the mover nothing",
        |facts| {
            let said = way(facts, LATE).outcomes[Step::Mover as usize]
                .take()
                .unwrap();
            facts.files.messages.remove(&said.published.unwrap());
            way(facts, LATE).mail = None;
        },
    );
}

#[test]
fn superseded_with_a_later_step() {
    let found = broken(|facts| say(facts, OLD, Step::Mover, not_archived(Move::Replaced)));
    assert!(
        found[0]
            .2
            .contains("the mover says `moved`, and ingest `superseded`"),
        "{found:#?}"
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn a_mail_whose_row_and_event_disagree() {
    assert_one(Rule::Steps, GOOD, "the mail's row says", |facts| {
        way(facts, GOOD).mail = Some(MailRow::Ended(Mailed::Unknown));
    });
}

#[test]
fn failed_without_its_dead_letter() {
    assert_one(Rule::DeadLetter, STUCK, "message 1 of DEAD", |facts| {
        facts.dead.messages.clear();
    });
    assert_one(Rule::DeadLetter, STUCK, "message 1 of DEAD", |facts| {
        facts.dead.messages.get_mut(&1).unwrap().by = "ingest".to_owned();
        let way = way(facts, STUCK);
        assert!(way.outcome(Step::Ingest).is_some());
    });
    let aged = broken(|facts| {
        facts.dead.messages.clear();
        facts.dead.first = 2;
    });
    assert_eq!(aged, [], "it was too old to be kept");
}

#[test]
fn a_dead_letter_without_its_failed() {
    let bury = |facts: &mut Facts, age| {
        let letter = Buried {
            by: "notifier".to_owned(),
            about: Some((cell(STUCK), place("", STUCK))),
            stored: now() - age,
        };
        facts.dead.last = 2;
        facts.dead.messages.insert(2, letter);
    };
    let old = SignedDuration::from_mins(30);
    let words = "the notifier never said `failed`";
    assert_one(Rule::DeadLetter, STUCK, words, |facts| bury(facts, old));
    let young = broken(|facts| {
        facts.settled = false;
        bury(facts, SignedDuration::from_secs(1));
    });
    assert_eq!(young, [], "it may be said right now");
}

#[test]
fn a_failure_of_the_notifiers_own_about_a_failure_is_no_second_end() {
    let found = broken(|facts| {
        let letter = Buried {
            by: "notifier".to_owned(),
            about: Some((cell(STUCK), place("", STUCK))),
            stored: now(),
        };
        facts.dead.messages.insert(2, letter);
        let dead_letter = Letter { sequence: 2 };
        say(facts, STUCK, Step::Notifier, Said::Failed { dead_letter });
    });
    assert_eq!(found, []);
}
