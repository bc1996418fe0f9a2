//! Events and settings for tests.

use jiff::Timestamp;
use proto::event::{DeadLetter, Failed, Location, MoveOutcome, Moved, Reject, Report};
use proto::{Data, Event, File, FileId, User, Version};
use runtime::Config;

use crate::settings::Settings;

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn file(key: &str) -> File {
    let version = Version::new(
        "\"0cc175b9c0f1b6a831c399e269772661\"",
        time("2026-11-22T08:00:00Z"),
        None,
    );
    File {
        id: FileId::of("landing", key, &version),
        bucket: "landing".to_owned(),
        key: key.to_owned(),
        version,
        size: 1_234_567,
        content_type: Some("text/csv".to_owned()),
        content_encoding: None,
        order: time("2026-11-22T08:00:00Z"),
        profile: "default".to_owned(),
    }
}

pub(crate) fn report() -> Report {
    Report {
        profile_hash: "ab".repeat(32),
        read: 1234,
        stored: 1234,
        first: Some(time("2026-11-21T00:00:00Z")),
        last: Some(time("2026-11-21T23:59:00.5Z")),
        ..Report::default()
    }
}

pub(crate) fn moved(key: &str, report: Report) -> Moved {
    Moved {
        file: file(key),
        replay: 0,
        outcome: MoveOutcome::Archived,
        destination: Some(Location {
            bucket: "landing".to_owned(),
            key: format!("processed/{key}"),
        }),
        rejected: None,
        report,
        replayed: None,
    }
}

pub(crate) fn rejected(key: &str) -> Moved {
    Moved {
        rejected: Some("4 of 10 lines were refused, and the budget is 1%".to_owned()),
        destination: Some(Location {
            bucket: "landing".to_owned(),
            key: format!("rejected/{key}"),
        }),
        ..moved(key, partly())
    }
}

/// A report with refused rows.
pub(crate) fn partly() -> Report {
    Report {
        read: 20,
        stored: 14,
        rejected: 5,
        duplicated: 1,
        rejected_lines: 4,
        rejects: Some(Location {
            bucket: "landing".to_owned(),
            key: "rejected-rows/incoming/pump-7.csv".to_owned(),
        }),
        first_rejects: vec![
            Reject {
                line: 7,
                column: Some("temperature".to_owned()),
                value: "21,5".to_owned(),
                reason: "not a number".to_owned(),
            },
            Reject {
                line: 9,
                column: None,
                value: "<script>alert(1)</script>".to_owned(),
                reason: "3 columns, expected 2".to_owned(),
            },
        ],
        ..report()
    }
}

pub(crate) fn failed(key: &str, step: User) -> Failed {
    Failed {
        file: file(key),
        replay: 0,
        step,
        reason: "access denied: s3:GetObject on bucket landing; grant it to the key of ingest"
            .to_owned(),
        dead_letter: DeadLetter {
            stream: "DEAD".to_owned(),
            sequence: 17,
        },
        replayed: None,
    }
}

pub(crate) fn said(step: User, data: Data) -> Event {
    Event::new(step, data, time("2026-11-22T09:00:00Z"))
}

pub(crate) fn moved_event(key: &str) -> Event {
    said(User::Mover, Data::Moved(moved(key, report())))
}

/// A configuration that mails `ops@example.com` about everything, to a server on this machine.
pub(crate) fn config(port: u16) -> Config {
    let mut config = Config::default();
    let notifier = &mut config.notifier;
    notifier.from = "Landfall <landfall@plant.example>".to_owned();
    notifier.to = vec!["Ops <ops@example.com>".to_owned()];
    notifier.smtp.host = "127.0.0.1".to_owned();
    notifier.smtp.port = port;
    notifier.smtp.tls = runtime::config::notifier::Tls::None;
    config
}

pub(crate) fn settings(config: &Config) -> Settings {
    Settings::new(config).unwrap()
}
