//! A good world, and one thing broken in it at a time.

mod ends;
mod events;
mod mails;
mod objects;
mod readings;
mod replays;
mod steps;

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
        retracted: BTreeSet::new(),
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
