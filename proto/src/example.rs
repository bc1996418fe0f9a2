//! Golden examples: every event, with every outcome it can have.

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::Offset;

use crate::event::{
    Arrived, Command, Commanded, DeadLetter, Failed, FoundBy, Ingested, Location, MailOutcome,
    MoveOutcome, Moved, Notified, Receiver, Reject, Rejected, Replayed, Report, Retracted, Stage,
    Superseded, Vanished,
};
use crate::{Data, Event, File, FileId, User, Version};

/// Each example and its name.
pub fn all() -> Vec<(&'static str, Event)> {
    let mut examples = Vec::new();
    examples.extend(arrivals());
    examples.extend(readings());
    examples.extend(moves());
    examples.extend(failures());
    examples.extend(mails());
    examples.extend(commands());
    examples
}

fn arrivals() -> Vec<(&'static str, Event)> {
    let arrived = |file, found_by| {
        says(
            User::Watcher,
            Data::Arrived(Arrived {
                file,
                replay: 0,
                found_by,
            }),
        )
    };
    vec![
        (
            "arrived-notification",
            arrived(plain(), FoundBy::Notification),
        ),
        ("arrived-sweep", arrived(awkward(), FoundBy::Sweep)),
        ("arrived-backfill", arrived(plain(), FoundBy::Backfill)),
        (
            "arrived-versioned",
            arrived(versioned(), FoundBy::Notification),
        ),
    ]
}

fn readings() -> Vec<(&'static str, Event)> {
    let ingested = |file, report| {
        says(
            User::Ingest,
            Data::Ingested(Ingested {
                file,
                replay: 0,
                report,
                replayed: None,
            }),
        )
    };
    let superseded = |how, rows_up_to| {
        says(
            User::Ingest,
            Data::Superseded(Superseded {
                file: plain(),
                replay: 0,
                how,
                rows_up_to,
            }),
        )
    };
    let rejected = says(
        User::Ingest,
        Data::Rejected(Rejected {
            file: plain(),
            replay: 0,
            reason: TOO_MANY.to_owned(),
            report: too_many(),
            replayed: None,
        }),
    );
    vec![
        ("ingested", ingested(plain(), clean())),
        ("ingested-at-least", ingested(versioned(), huge())),
        ("ingested-empty", ingested(awkward(), empty())),
        ("ingested-within-budget", ingested(plain(), some_refused())),
        ("rejected", rejected),
        ("superseded-gone", superseded(Vanished::Gone, 0)),
        (
            "superseded-replaced",
            superseded(Vanished::Replaced, 250_000),
        ),
    ]
}

fn moves() -> Vec<(&'static str, Event)> {
    let moved = |replay, outcome, destination: Option<&str>, rejected: Option<&str>, report| {
        says(
            User::Mover,
            Data::Moved(Moved {
                file: plain(),
                replay,
                outcome,
                destination: destination.map(at),
                rejected: rejected.map(str::to_owned),
                report,
                replayed: (replay > 0).then(|| replayed(Stage::Move)),
            }),
        )
    };
    let processed = Some("processed/incoming/hall-7/2026-11-22.csv");
    let twin = Some("processed/incoming/hall-7/2026-11-22.csv~6af7d2a2e1c0b4f8");
    let refused = Some("rejected/incoming/hall-7/2026-11-22.csv");
    vec![
        (
            "moved-archived",
            moved(0, MoveOutcome::Archived, processed, None, clean()),
        ),
        (
            "moved-archived-replay",
            moved(1, MoveOutcome::Archived, twin, None, clean()),
        ),
        (
            "moved-archived-rejected",
            moved(
                0,
                MoveOutcome::Archived,
                refused,
                Some(TOO_MANY),
                too_many(),
            ),
        ),
        (
            "moved-gone",
            moved(0, MoveOutcome::Gone, None, None, clean()),
        ),
        (
            "moved-replaced",
            moved(0, MoveOutcome::Replaced, None, None, clean()),
        ),
        (
            "moved-left",
            moved(0, MoveOutcome::Left, None, None, clean()),
        ),
        (
            "moved-deleted",
            moved(0, MoveOutcome::Deleted, None, None, clean()),
        ),
    ]
}

fn failures() -> Vec<(&'static str, Event)> {
    let failed = |step, reason: &str, sequence| {
        says(
            step,
            Data::Failed(Failed {
                file: plain(),
                replay: 0,
                step,
                reason: reason.to_owned(),
                dead_letter: DeadLetter {
                    stream: "DEAD".to_owned(),
                    sequence,
                },
                replayed: None,
            }),
        )
    };
    vec![
        (
            "failed-ingest",
            failed(
                User::Ingest,
                "delivered 16 times without an answer: the service crashes on it",
                41,
            ),
        ),
        (
            "failed-mover",
            failed(
                User::Mover,
                "bucket `archive` does not exist; create it or change [mover] target_bucket",
                42,
            ),
        ),
        (
            "failed-notifier",
            failed(
                User::Notifier,
                "`ops@` is no mail address; mend [notifier] to",
                43,
            ),
        ),
    ]
}

fn mails() -> Vec<(&'static str, Event)> {
    let notified = |outcome, receivers: Vec<Receiver>, answer: Option<&str>, tries| {
        let told = outcome != MailOutcome::Nobody;
        says(
            User::Notifier,
            Data::Notified(Notified {
                file: plain(),
                replay: 0,
                outcome,
                route: told.then(|| "default".to_owned()),
                message_id: told.then(|| format!("{}.0.1@example.org", plain().id)),
                receivers,
                answer: answer.map(str::to_owned),
                tries,
            }),
        )
    };
    let receiver = |address: &str, accepted, answer: &str| Receiver {
        address: address.to_owned(),
        accepted,
        answer: answer.to_owned(),
    };
    let taken = receiver("lab@example.org", true, "250 2.1.5 Ok");
    let unknown = receiver("gone@example.org", false, "550 5.1.1 no such user");
    vec![
        (
            "notified-accepted",
            notified(
                MailOutcome::Accepted,
                vec![taken.clone(), unknown.clone()],
                Some("250 2.0.0 Ok: queued as 4F1B2"),
                2,
            ),
        ),
        (
            "notified-nobody",
            notified(MailOutcome::Nobody, vec![], None, 0),
        ),
        (
            "notified-refused",
            notified(
                MailOutcome::Refused,
                vec![unknown],
                Some("554 5.5.1 no valid recipients"),
                1,
            ),
        ),
        (
            "notified-unknown",
            notified(
                MailOutcome::Unknown,
                vec![taken],
                Some("the connection ended after the message and before its answer"),
                1,
            ),
        ),
    ]
}

fn commands() -> Vec<(&'static str, Event)> {
    let commanded = |command, why: Option<&str>, copy: Option<&str>| {
        let commanded = Commanded {
            file: plain(),
            replay: 1,
            command,
            by: BY.to_owned(),
            why: why.map(str::to_owned),
            copy: copy.map(at),
        };
        Event::command(commanded, UNIQUE, said_at())
    };
    let replay = |from, corrected| Command::Replay { from, corrected };
    let retracted = says(
        User::Ingest,
        Data::Retracted(Retracted {
            file: plain(),
            replay: 1,
            readings: 98,
            command: command(),
            by: BY.to_owned(),
            why: None,
        }),
    );
    let copy = Some("processed/incoming/hall-7/2026-11-22.csv");
    vec![
        (
            "commanded-replay",
            commanded(replay(Stage::Ingest, true), Some(WHY), copy),
        ),
        (
            "commanded-replay-from-notify",
            commanded(replay(Stage::Notify, false), None, copy),
        ),
        (
            "commanded-retract",
            commanded(Command::Retract, Some("the sensor hung in the sun"), None),
        ),
        ("retracted", retracted),
    ]
}

fn replayed(from: Stage) -> Replayed {
    Replayed {
        command: command(),
        from,
        by: BY.to_owned(),
        why: Some(WHY.to_owned()),
    }
}

fn command() -> String {
    format!("{}/1/operator/{UNIQUE:016x}", plain().id)
}

const BY: &str = "mara@desk-4";
const WHY: &str = "values were read as Fahrenheit";
const UNIQUE: u64 = 0x5eed_f00d_0000_0001;

const TOO_MANY: &str = "3 of 4 lines were refused, and the budget of profile `default` is 1%";

fn says(step: User, data: Data) -> Event {
    Event::new(step, data, said_at())
}

fn said_at() -> Timestamp {
    utc(date(2026, 11, 22).at(9, 0, 3, 250_000_000))
}

fn at(key: &str) -> Location {
    Location {
        bucket: "sensors".to_owned(),
        key: key.to_owned(),
    }
}

fn plain() -> File {
    file("incoming/hall-7/2026-11-22.csv", None, 3_210)
}

/// A key with everything that a careless reader trips over.
fn awkward() -> File {
    file("incoming/a b+c%2B\"ü'\n../🌡.csv", None, 27)
}

fn versioned() -> File {
    file(
        "incoming/hall-7/2026-11-22.csv",
        Some("3HL4kqtJvjVBH40Nrjfkd"),
        9_876_543_210,
    )
}

fn file(key: &str, version: Option<&str>, size: u64) -> File {
    let modified = utc(date(2026, 11, 22).at(9, 0, 1, 0));
    let version = Version::new("\"6b868efa810fc1917df3f3d5e1debffc\"", modified, version);
    File {
        id: FileId::of("sensors", key, &version),
        bucket: "sensors".to_owned(),
        key: key.to_owned(),
        version,
        size,
        content_type: Some("text/csv".to_owned()),
        content_encoding: None,
        order: utc(date(2026, 11, 22).at(9, 0, 1, 0)),
        profile: "default".to_owned(),
    }
}

const PROFILE: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

fn clean() -> Report {
    Report {
        profile_hash: PROFILE.to_owned(),
        read: 100,
        stored: 100,
        first: Some(utc(date(2026, 11, 22).at(0, 0, 0, 0))),
        last: Some(utc(date(2026, 11, 22).at(8, 15, 0, 0))),
        ..Report::default()
    }
}

fn empty() -> Report {
    Report {
        profile_hash: PROFILE.to_owned(),
        ..Report::default()
    }
}

fn some_refused() -> Report {
    Report {
        read: 203,
        stored: 200,
        rejected: 1,
        duplicated: 2,
        rejected_lines: 1,
        truncated_times: 4,
        rejects: Some(at("rejected-rows/incoming/hall-7/2026-11-22.csv")),
        first_rejects: vec![reject(17, Some("value"), "n/a", "is no number")],
        ..clean()
    }
}

fn too_many() -> Report {
    Report {
        read: 4,
        stored: 0,
        rejected: 3,
        rejected_lines: 3,
        first_rejects: vec![
            reject(2, Some("timestamp"), "yesterday", "is no time"),
            reject(3, Some("3"), "1,5", "is no number"),
            reject(4, None, "hall-7", "has 1 column, and 3 are needed"),
        ],
        ..clean()
    }
}

fn huge() -> Report {
    Report {
        read: 250_000_000,
        stored: 249_999_990,
        duplicated: 10,
        at_least: true,
        ..clean()
    }
}

fn reject(line: u64, column: Option<&str>, value: &str, reason: &str) -> Reject {
    Reject {
        line,
        column: column.map(str::to_owned),
        value: value.to_owned(),
        reason: reason.to_owned(),
    }
}

fn utc(time: DateTime) -> Timestamp {
    // Only a time at the very ends of the calendar has no instant.
    Offset::UTC.to_timestamp(time).unwrap_or_default()
}
