//! A good world, and one thing broken in it at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use proto::FileId;

use super::*;
use crate::event::{
    Counts, Event, File, Letter, Mailed, Move, Place, Said, Step, Vanished, Version,
};
use crate::facts::{
    Buried, Cell, Decision, Filed, Heard, Mail, MailRow, Outcome, Plan, Rows, Source, Stream,
    Upload, Way,
};
use crate::recount::{Counted, Recount, Sample};
use crate::violation::Rule;

/// Archived after it was ingested.
const GOOD: u8 = 1;
/// Refused, and archived among the rejected.
const BAD: u8 = 2;
/// Replaced by `NEWER` before it was read.
const OLD: u8 = 3;
/// Ingested, and replaced before it was moved.
const LATE: u8 = 4;
/// Given up on by the mover; its mail went out.
const STUCK: u8 = 5;
/// Nobody knows it.
const STRANGE: u8 = 9;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn id(number: u8) -> FileId {
    FileId::from_bytes([number; 16])
}

fn cell(number: u8) -> Cell {
    (id(number), 0)
}

fn place(prefix: &str, number: u8) -> Place {
    Place {
        bucket: "sensors".to_owned(),
        key: format!("{prefix}incoming/{number}.csv"),
    }
}

fn file(number: u8) -> File {
    let time = now() - SignedDuration::from_mins(60) + SignedDuration::from_secs(number.into());
    let Place { bucket, key } = place("", number);
    File {
        id: id(number),
        bucket,
        key,
        version: Version {
            etag: format!("tag-{number}"),
            last_modified: time,
            id: None,
        },
        size: 100,
        order: time,
    }
}

fn counts() -> Counts {
    Counts {
        profile_hash: "p".to_owned(),
        read: 10,
        stored: 7,
        rejected: 2,
        duplicated: 1,
        at_least: false,
    }
}

fn counted(number: u8) -> Counted {
    Counted {
        bytes: 100,
        sha256: format!("sum-{number}"),
        accepted: 8,
        rejected: 2,
        distinct: 7,
        ..Counted::default()
    }
}

fn archived(prefix: &str, number: u8) -> Said {
    Said::Moved {
        outcome: Move::Archived,
        destination: Some(place(prefix, number)),
    }
}

fn not_archived(outcome: Move) -> Said {
    Said::Moved {
        outcome,
        destination: None,
    }
}

const ACCEPTED: Said = Said::Notified {
    outcome: Mailed::Accepted,
};

fn ingested() -> Said {
    Said::Ingested { report: counts() }
}

fn mail(number: u8, name: &str) -> Mail {
    Mail {
        id: format!("{}.0.0@example.org", id(number)),
        about: cell(number),
        name: name.to_owned(),
    }
}

fn filed(number: u8) -> Filed {
    Filed {
        file: Some(id(number)),
        replay: Some(0),
        size: 100,
        modified: now(),
    }
}

fn upload(number: u8) -> Upload {
    Upload {
        place: place("", number),
        etag: format!("tag-{number}"),
        version: None,
        sha256: Some(format!("sum-{number}")),
        deleted: false,
    }
}

fn plan() -> Plan {
    Plan {
        latest: now(),
        parts: 1,
    }
}

/// A world in which every file has ended, one in each way.
fn good() -> Facts {
    let mut facts = Facts {
        now: now(),
        settled: true,
        whole: true,
        horizon: now() - SignedDuration::from_hours(24),
        chosen: BTreeSet::new(),
        ways: BTreeMap::new(),
        unreadable: vec![],
        claims: HashMap::from([(place("processed/", GOOD), id(GOOD))]),
        files: Stream {
            first: 1,
            last: 0,
            messages: BTreeMap::new(),
        },
        dead: Stream {
            first: 1,
            last: 1,
            messages: BTreeMap::from([(
                1,
                Buried {
                    by: "mover".to_owned(),
                    about: Some((cell(STUCK), place("", STUCK))),
                    stored: now() - SignedDuration::from_mins(30),
                },
            )]),
        },
        wakes: BTreeSet::new(),
        rows: HashMap::from([
            (id(GOOD), rows(7)),
            (id(LATE), rows(7)),
            (id(STUCK), rows(6)),
        ]),
        recounts: BTreeMap::from([(id(GOOD), recount(GOOD)), (id(STUCK), recount(STUCK))]),
        filed: BTreeMap::from([
            (place("processed/", GOOD), filed(GOOD)),
            (place("rejected/", BAD), filed(BAD)),
        ]),
        sources: BTreeMap::from([
            (id(GOOD), Source::Nothing),
            (id(BAD), Source::Nothing),
            (id(OLD), Source::Another),
            (id(LATE), Source::Another),
            (id(STUCK), Source::This),
        ]),
        mails: Some(vec![
            mail(GOOD, "1.eml"),
            mail(BAD, "2.eml"),
            mail(LATE, "3.eml"),
            mail(STUCK, "4.eml"),
        ]),
        uploads: Some(vec![]),
    };
    let superseded = Said::Superseded {
        how: Vanished::Replaced,
        rows_up_to: 0,
    };
    let failed = Said::Failed {
        dead_letter: Letter { sequence: 1 },
    };
    live(
        &mut facts,
        GOOD,
        [ingested(), archived("processed/", GOOD), ACCEPTED],
    );
    live(
        &mut facts,
        BAD,
        [Said::Rejected {}, archived("rejected/", BAD), ACCEPTED],
    );
    live(&mut facts, OLD, [superseded]);
    live(
        &mut facts,
        LATE,
        [ingested(), not_archived(Move::Replaced), ACCEPTED],
    );
    live(&mut facts, STUCK, [ingested(), failed]);
    way(&mut facts, STUCK).mail = Some(MailRow::Ended(Mailed::Accepted));
    way(&mut facts, OLD).decision = Some(Decision::Superseded);
    way(&mut facts, BAD).decision = Some(Decision::Reject);
    let uploads: Vec<Upload> = [GOOD, BAD, OLD, LATE, STUCK].map(upload).into();
    let again = [OLD, LATE].map(|number| Upload {
        etag: "somebody's".to_owned(),
        deleted: true,
        ..upload(number)
    });
    facts.uploads = Some(uploads.into_iter().chain(again).collect());
    facts
}

fn rows(count: u64) -> Rows {
    Rows {
        count,
        newest: now().as_microsecond(),
    }
}

fn recount(number: u8) -> Recount {
    Recount {
        said: counts(),
        counted: Ok(counted(number)),
    }
}

/// A file arrives, and the next steps say this of it.
fn live<const STEPS: usize>(facts: &mut Facts, number: u8, steps: [Said; STEPS]) {
    facts.chosen.insert(id(number));
    let mail = steps.last() == Some(&ACCEPTED);
    let said = [Said::Arrived {}].into_iter().chain(steps);
    for (step, said) in Step::ALL.into_iter().zip(said) {
        say(facts, number, step, said);
    }
    let way = way(facts, number);
    way.decision = Some(Decision::Ingest(plan()));
    way.mail = mail.then_some(MailRow::Ended(Mailed::Accepted));
}

/// A step settles and publishes an outcome.
fn say(facts: &mut Facts, number: u8, step: Step, said: Said) {
    let event = Event {
        step,
        replay: 0,
        time: now() - SignedDuration::from_mins(20),
        file: file(number),
        sum: [number * 16 + step as u8; 16],
        said,
    };
    let sequence = facts.files.last + 1;
    facts.files.last = sequence;
    facts.files.messages.insert(sequence, heard(&event));
    way(facts, number).outcomes[step as usize] = Some(Outcome {
        event,
        published: Some(sequence),
    });
}

fn heard(event: &Event) -> Heard {
    Heard::Event {
        cell: (event.file.id, event.replay),
        step: event.step,
        word: event.said.word(),
        sum: event.sum,
        name: event.file.place(),
    }
}

fn way(facts: &mut Facts, number: u8) -> &mut Way {
    facts.ways.entry(cell(number)).or_default()
}

fn outcome(facts: &mut Facts, number: u8, step: Step) -> &mut Outcome {
    way(facts, number).outcomes[step as usize].as_mut().unwrap()
}

fn ended_event(facts: &mut Facts) -> &mut Outcome {
    outcome(facts, GOOD, Step::Notifier)
}

fn count(facts: &mut Facts) -> &mut Counted {
    let recount = facts.recounts.get_mut(&id(GOOD)).unwrap();
    recount.counted.as_mut().unwrap()
}

fn mails(facts: &mut Facts) -> &mut Vec<Mail> {
    facts.mails.as_mut().unwrap()
}

fn uploads(facts: &mut Facts) -> &mut Vec<Upload> {
    facts.uploads.as_mut().unwrap()
}

/// What is wrong after `breaking` the good world: rule, file, words.
fn broken(breaking: impl FnOnce(&mut Facts)) -> Vec<(Rule, Option<String>, String)> {
    let mut facts = good();
    breaking(&mut facts);
    let found = judge(&facts).into_iter();
    found
        .map(|wrong| (wrong.rule, wrong.file, wrong.what))
        .collect()
}

/// Breaking it so is one violation, of this rule and about this file, that says `words`.
#[track_caller]
fn assert_one(rule: Rule, number: u8, words: &str, breaking: impl FnOnce(&mut Facts)) {
    let found = broken(breaking);
    let [(found_rule, found_file, what)] = &found[..] else {
        panic!("one violation is expected: {found:#?}");
    };
    assert_eq!(
        (*found_rule, found_file.as_deref()),
        (rule, Some(&*id(number).to_string())),
        "{what}"
    );
    assert!(what.contains(words), "{what:?} does not say {words:?}");
}

fn wrong_sample() -> Sample {
    Sample {
        count: 2,
        first: "value of `s` at noon".to_owned(),
    }
}

#[test]
fn the_good_world_is_good() {
    assert_eq!(broken(|_| {}), []);
    assert_eq!(open(&good()), []);
}

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

#[test]
fn counts_that_do_not_add_up() {
    let found = broken(|facts| {
        let Said::Ingested { report } = &mut outcome(facts, LATE, Step::Ingest).event.said else {
            unreachable!()
        };
        report.read += 1;
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Rule::Counts);
}

#[test]
fn counts_that_are_not_the_copys() {
    let words = "the event says read 10, stored 7, rejected 2, duplicated 1";
    assert_one(Rule::Counts, GOOD, words, |facts| {
        count(facts).accepted += 1;
    });
    assert_one(Rule::Counts, GOOD, words, |facts| {
        count(facts).rejected -= 1;
    });
    assert_one(Rule::Counts, GOOD, words, |facts| {
        count(facts).distinct -= 1;
    });
}

#[test]
fn duplicates_that_may_have_gone_unseen_are_counted_from_below() {
    let at_least = |distinct, accepted| {
        broken(|facts| {
            facts.recounts.get_mut(&id(GOOD)).unwrap().said.at_least = true;
            count(facts).distinct = distinct;
            count(facts).accepted = accepted;
        })
    };
    assert_eq!(at_least(6, 8), []);
    assert_eq!(at_least(8, 8).len(), 1, "more than it says at most");
}

#[test]
fn a_copy_that_cannot_be_read_again() {
    assert_one(Rule::Readable, GOOD, "its gzip data ends", |facts| {
        facts.recounts.get_mut(&id(GOOD)).unwrap().counted = Err("its gzip data ends".to_owned());
    });
}

#[test]
fn readings_that_are_not_in_the_database_or_not_as_the_file_says() {
    let words = |what: &str| format!("2 of its 7 readings {what}: value of `s` at noon");
    assert_one(
        Rule::Readings,
        GOOD,
        &words("are not in the database"),
        |facts| {
            count(facts).missing = wrong_sample();
        },
    );
    assert_one(
        Rule::Readings,
        GOOD,
        &words("have another value in the database"),
        |facts| {
            count(facts).differing = wrong_sample();
        },
    );
    assert_one(
        Rule::Readings,
        GOOD,
        &words("gave way to an older file's in the database"),
        |facts| count(facts).older = wrong_sample(),
    );
    assert_one(Rule::Readings, GOOD, "have a write timestamp", |facts| {
        count(facts).misdated = wrong_sample();
    });
}

#[test]
fn rows_that_name_a_file_and_are_not_in_it() {
    assert_one(
        Rule::Rows,
        GOOD,
        "in the database, and not in the file: 2 readings (",
        |facts| {
            count(facts).strays = wrong_sample();
        },
    );
}

#[test]
fn rows_of_a_file_that_may_have_none_or_fewer() {
    let words = "in the database it has 3 readings, and it may have 0";
    for number in [BAD, OLD] {
        assert_one(Rule::Rows, number, words, |facts| {
            facts.rows.insert(id(number), rows(3));
        });
    }
    assert_one(
        Rule::Rows,
        LATE,
        "in the database it has 8 readings, and it may have 7",
        |facts| {
            facts.rows.insert(id(LATE), rows(8));
        },
    );
}

#[test]
fn rows_of_a_file_that_nobody_knows() {
    assert_one(Rule::Rows, STRANGE, "a file that nobody knows", |facts| {
        facts.rows.insert(id(STRANGE), rows(3));
    });
    let old = broken(|facts| {
        let newest = (facts.horizon - SignedDuration::from_secs(1)).as_microsecond();
        facts.rows.insert(id(STRANGE), Rows { count: 3, newest });
    });
    assert_eq!(old, [], "it may have been forgotten");
}

#[test]
fn rows_before_a_decision_to_store_them() {
    let open = |decision: Option<Decision>| {
        broken(|facts| {
            facts.settled = false;
            live(facts, 6, []);
            way(facts, 6).decision = decision;
            facts.rows.insert(id(6), rows(3));
            uploads(facts).push(upload(6));
            facts.sources.insert(id(6), Source::This);
        })
    };
    assert_eq!(open(Some(Decision::Ingest(plan()))), []);
    assert_eq!(open(None).len(), 1);
    assert_eq!(open(Some(Decision::Reject)).len(), 1);
}

#[test]
fn a_copy_that_is_not_there_or_not_the_files() {
    let at = place("processed/", GOOD);
    assert_one(Rule::Copy, GOOD, "is not there", |facts| {
        facts.filed.remove(&at);
    });
    assert_one(Rule::Copy, GOOD, "is not its copy, but nobody's", |facts| {
        let filed = facts.filed.get_mut(&at).unwrap();
        (filed.file, filed.size) = (None, 99);
        // What it holds is not told on top of that.
        count(facts).accepted += 1;
        count(facts).missing = wrong_sample();
    });
    assert_one(Rule::Copy, GOOD, "is not of replay 0", |facts| {
        facts.filed.get_mut(&at).unwrap().replay = Some(1);
    });
    assert_one(
        Rule::Copy,
        GOOD,
        "has 99 bytes, and the file had 100",
        |facts| {
            facts.filed.get_mut(&at).unwrap().size = 99;
        },
    );
    assert_one(
        Rule::Copy,
        GOOD,
        "other bytes than were uploaded",
        |facts| {
            count(facts).sha256 = "other".to_owned();
        },
    );
}

#[test]
fn a_copy_that_was_restored_without_its_metadata_is_told_which_it_needs() {
    let mut facts = good();
    let filed = facts.filed.get_mut(&place("processed/", GOOD)).unwrap();
    (filed.file, filed.replay) = (None, None);
    let found = judge(&facts);
    let [wrong] = &found[..] else {
        panic!("one violation is expected: {found:#?}");
    };
    assert!(wrong.what.contains("whose it is"), "{wrong}");
    let metadata = format!("landfall-file-id={} and landfall-replay=0", id(GOOD));
    assert!(wrong.next.contains(&metadata), "{wrong}");
}

/// What follows from one cause is not told again, each in other words.
#[test]
fn one_cause_is_one_line() {
    assert_one(Rule::Counts, GOOD, "the event says read 10", |facts| {
        count(facts).rejected -= 1;
        count(facts).strays = wrong_sample();
    });
    assert_one(
        Rule::Rows,
        GOOD,
        "and not in the file: 2 readings",
        |facts| {
            count(facts).strays = wrong_sample();
            facts.rows.insert(id(GOOD), rows(9));
        },
    );
    // Another file's copy was put in its place.
    assert_one(Rule::Copy, GOOD, "is not its copy, but", |facts| {
        let at = place("processed/", GOOD);
        facts.filed.insert(at, filed(LATE));
    });
    // The watcher's journal is lost, and `arrived` is in FILES.
    assert_one(Rule::Arrived, GOOD, "does not know it", |facts| {
        way(facts, GOOD).outcomes[0] = None;
    });
    // The mover's is.
    assert_one(
        Rule::Published,
        LATE,
        "the mover's journal does not hold",
        |facts| way(facts, LATE).outcomes[Step::Mover as usize] = None,
    );
    // The same, and FILES is older than it reaches back.
    assert_one(Rule::Steps, LATE, "and the mover nothing", |facts| {
        let said = way(facts, LATE).outcomes[Step::Mover as usize].take();
        facts
            .files
            .messages
            .remove(&said.unwrap().published.unwrap());
    });
}

#[test]
fn a_source_that_was_not_removed() {
    assert_one(Rule::Source, GOOD, "lies at its source still", |facts| {
        facts.sources.insert(id(GOOD), Source::This);
    });
}

#[test]
fn a_copy_that_is_not_to_be_there() {
    assert_one(
        Rule::Filed,
        LATE,
        "it was replaced before it was moved",
        |facts| {
            facts.filed.insert(place("processed/", LATE), filed(LATE));
        },
    );
    assert_one(
        Rule::Filed,
        GOOD,
        "and it was archived to sensors/processed/",
        |facts| {
            facts
                .filed
                .insert(place("processed/other/", GOOD), filed(GOOD));
        },
    );
    assert_one(
        Rule::Filed,
        STRANGE,
        "names a file that nobody knows",
        |facts| {
            facts
                .filed
                .insert(place("processed/", STRANGE), filed(STRANGE));
        },
    );
    assert_one(Rule::Filed, STUCK, "gives the place to another", |facts| {
        facts.filed.insert(place("processed/", STUCK), filed(STUCK));
    });
}

#[test]
fn objects_that_are_on_their_way_somebody_elses_or_older_than_the_journals_are_no_wrong() {
    let found = broken(|facts| {
        let on_its_way = place("processed/", STUCK);
        facts.claims.insert(on_its_way.clone(), id(STUCK));
        facts.filed.insert(on_its_way, filed(STUCK));
        let nobodys = Filed {
            file: None,
            ..filed(STRANGE)
        };
        facts.filed.insert(place("processed/a/", STRANGE), nobodys);
        let modified = facts.horizon - SignedDuration::from_secs(1);
        let old = Filed {
            modified,
            ..filed(STRANGE)
        };
        facts.filed.insert(place("processed/b/", STRANGE), old);
    });
    assert_eq!(found, []);
}

#[test]
fn two_files_with_one_destination() {
    let found = broken(|facts| {
        outcome(facts, BAD, Step::Mover).event.said = archived("processed/", GOOD);
    });
    let shared = found.iter().filter(|(rule, ..)| *rule == Rule::Destination);
    assert_eq!(shared.count(), 1, "{found:#?}");
}

#[test]
fn a_last_copy_that_nobody_removed() {
    assert_one(Rule::LastCopy, STUCK, "it lies nowhere any more", |facts| {
        facts.sources.insert(id(STUCK), Source::Nothing);
    });
    let deleted = broken(|facts| {
        facts.sources.insert(id(STUCK), Source::Nothing);
        uploads(facts)[4].deleted = true;
    });
    assert_eq!(deleted, []);
    assert_one(Rule::LastCopy, LATE, "it lies nowhere any more", |facts| {
        uploads(facts).retain(|upload| upload.place != place("", LATE) || !upload.deleted);
    });
}

#[test]
fn a_failed_file_with_two_copies() {
    assert_one(Rule::LastCopy, STUCK, "2 copies of it", |facts| {
        for prefix in ["processed/", "rejected/"] {
            facts.claims.insert(place(prefix, STUCK), id(STUCK));
            facts.filed.insert(place(prefix, STUCK), filed(STUCK));
        }
    });
}

#[test]
fn an_upload_that_was_never_seen_and_a_file_that_was_never_uploaded() {
    let found = broken(|facts| uploads(facts).push(upload(STRANGE)));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Rule::Upload);
    assert_one(Rule::Upload, GOOD, "never uploaded", |facts| {
        uploads(facts).remove(0);
    });
}

#[test]
fn a_mail_that_is_missing_or_there_twice() {
    assert_one(Rule::Mail, GOOD, "is not in the mailbox", |facts| {
        mails(facts).remove(0);
    });
    assert_one(Rule::Mail, STUCK, "is not in the mailbox", |facts| {
        mails(facts).remove(3);
    });
    assert_one(Rule::Mail, GOOD, "2 mails have the Message-ID", |facts| {
        mails(facts).push(mail(GOOD, "5.eml"));
    });
    assert_one(Rule::Mail, GOOD, "2 mails are about it", |facts| {
        let mut other = mail(GOOD, "5.eml");
        other.id.push('x');
        mails(facts).push(other);
    });
}

#[test]
fn a_mail_that_was_not_to_be_there() {
    let ended = |facts: &mut Facts, outcome: Mailed| {
        ended_event(facts).event.said = Said::Notified { outcome };
        way(facts, GOOD).mail = Some(MailRow::Ended(outcome));
    };
    assert_one(Rule::Mail, GOOD, "was refused", |facts| {
        ended(facts, Mailed::Refused);
    });
    assert_one(Rule::Mail, GOOD, "nobody was to be told", |facts| {
        ended(facts, Mailed::Nobody);
    });
    assert_eq!(
        broken(|facts| ended(facts, Mailed::Unknown)),
        [],
        "one is as good as none"
    );
    assert_one(Rule::Mail, OLD, "that nobody ordered", |facts| {
        mails(facts).push(mail(OLD, "5.eml"));
    });
    assert_one(Rule::Mail, STRANGE, "a file that nobody knows", |facts| {
        mails(facts).push(mail(STRANGE, "5.eml"));
    });
}

#[test]
fn a_choice_of_files_says_nothing_of_the_others() {
    let found = broken(|facts| {
        facts.whole = false;
        facts.chosen = BTreeSet::from([id(BAD)]);
        facts.rows.insert(id(STRANGE), rows(3));
        facts.rows.insert(id(OLD), rows(3));
        facts
            .filed
            .insert(place("processed/", STRANGE), filed(STRANGE));
        mails(facts).remove(0);
        outcome(facts, GOOD, Step::Mover).published = None;
    });
    assert_eq!(found, []);
}

#[test]
fn a_line_says_what_is_wrong_of_which_file_and_how_to_go_on_and_cannot_be_broken() {
    let mut file = file(GOOD);
    file.key = "incoming/a\nb\u{1b}[31m.csv".to_owned();
    let wrong = Violation::new(Rule::Mark, "it has no mark", "start the mover").of(&file);
    assert_eq!(
        wrong.to_string(),
        "mark: 01010101010101010101010101010101 sensors/incoming/a\\nb\\u{1b}[31m.csv: it has no \
         mark; start the mover"
    );
}
