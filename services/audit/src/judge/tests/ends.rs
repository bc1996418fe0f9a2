//! What each file came to.

use super::*;

#[test]
fn a_row_of_a_journal_that_cannot_be_read() {
    let found = broken(|facts| {
        facts
            .unreadable
            .push("the mover's journal holds x".to_owned());
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Rule::Journal);
}

#[test]
fn a_file_that_the_watcher_does_not_know() {
    assert_one(Rule::Arrived, GOOD, "notified", |facts| {
        way(facts, GOOD).outcomes[0] = None;
        facts.files.messages.remove(&1);
    });
}

#[test]
fn an_arrived_in_the_stream_that_the_watchers_journal_does_not_hold() {
    assert_one(Rule::Arrived, STRANGE, "the watcher's journal", |facts| {
        say(facts, STRANGE, Step::Watcher, Said::Arrived {});
        facts.ways.remove(&cell(STRANGE));
    });
}

#[test]
fn a_way_with_two_ends() {
    let found = broken(|facts| {
        say(facts, OLD, Step::Mover, not_archived(Move::Gone));
        say(facts, OLD, Step::Notifier, ACCEPTED);
    });
    let rules: Vec<Rule> = found.iter().map(|(rule, ..)| *rule).collect();
    assert!(rules.contains(&Rule::OneEnd), "{found:#?}");
    assert!(rules.contains(&Rule::Steps), "{found:#?}");
}

#[test]
fn a_file_on_its_way_is_wrong_only_where_nothing_may_be() {
    let ingested = |facts: &mut Facts| {
        let way = way(facts, GOOD);
        way.outcomes[Step::Mover as usize] = None;
        way.outcomes[Step::Notifier as usize] = None;
        way.mail = None;
        facts
            .files
            .messages
            .retain(|sequence, _| ![3, 4].contains(sequence));
        facts.mails = None;
        facts.sources.insert(id(GOOD), Source::This);
    };
    assert_one(Rule::Settled, GOOD, "waiting for the mover", ingested);
    let mut facts = good();
    ingested(&mut facts);
    facts.settled = false;
    assert_eq!(judge(&facts), []);
    let open = open(&facts);
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].at, "waiting for the mover");
    assert_eq!(open[0].since, now() - SignedDuration::from_mins(20));
}

#[test]
fn a_mail_that_waits_is_open_and_says_whether_it_will_be_woken() {
    let mut facts = good();
    let way = way(&mut facts, GOOD);
    way.outcomes[Step::Notifier as usize] = None;
    way.mail = Some(MailRow::Waiting(now()));
    assert!(open(&facts)[0].at.contains("no wake is ordered"));
    facts.wakes.insert(cell(GOOD));
    assert!(!open(&facts)[0].at.contains("no wake is ordered"));
}
