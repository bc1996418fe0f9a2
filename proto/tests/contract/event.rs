use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use jsonschema::Validator;
use proptest::prelude::*;
use proto::event::{
    Arrived, Command, Commanded, DeadLetter, Failed, FoundBy, Ingested, Location, MailOutcome,
    MoveOutcome, Moved, Notified, Receiver, Reject, Rejected, Replayed, Report, Retracted, Stage,
    Superseded, Unreadable, Vanished,
};
use proto::{Data, Event, File, FileId, User, Version, What, example, schema};
use serde_json::{Value, json};

#[test]
fn every_example_is_read_back_as_it_was_written() {
    for (name, event) in example::all() {
        let json = serde_json::to_vec(&event).unwrap();
        assert_eq!(Event::parse(&json).unwrap(), event, "{name}");
    }
}

#[test]
fn each_kind_of_event_has_the_type_that_it_is_written_with() {
    for (name, event) in example::all() {
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["type"], event.data.what().event_type(), "{name}");
        assert_eq!(
            json["type"],
            format!("io.landfall.file.{}.v1", event.data.what().token())
        );
    }
}

#[test]
fn fields_that_are_unknown_are_ignored_at_every_depth() {
    for (name, event) in example::all() {
        let mut json = serde_json::to_value(&event).unwrap();
        add_field_everywhere(&mut json);
        assert!(
            json["data"]["file"]["version"]["tomorrow"].is_object(),
            "{name}"
        );
        assert_eq!(
            Event::parse(json.to_string().as_bytes()).unwrap(),
            event,
            "{name}"
        );
    }
}

#[test]
fn a_type_or_major_version_that_is_unknown_is_named() {
    for unknown in [
        "io.landfall.file.arrived.v2",
        "io.landfall.file.burnt.v1",
        "com.example.other",
        "",
    ] {
        let mut json = serde_json::to_value(&example::all()[0].1).unwrap();
        json["type"] = json!(unknown);
        json["data"] = json!({ "shaped": "in another way" });
        let error = Event::parse(json.to_string().as_bytes()).unwrap_err();
        assert!(matches!(&error, Unreadable::UnknownType(name) if name == unknown));
        assert!(
            error.to_string().contains(&format!("`{unknown}`")),
            "{error}"
        );
    }
}

#[test]
fn another_version_of_cloudevents_is_named() {
    let mut json = serde_json::to_value(&example::all()[0].1).unwrap();
    json["specversion"] = json!("2.0");
    let error = Event::parse(json.to_string().as_bytes()).unwrap_err();
    assert!(matches!(&error, Unreadable::UnknownVersion(version) if version == "2.0"));
    assert!(error.to_string().contains("`2.0`"), "{error}");
}

#[test]
fn an_envelope_about_another_file_than_its_data_is_refused() {
    let good = serde_json::to_value(&example::all()[0].1).unwrap();
    let other = "00000000000000000000000000000000";
    for (field, wrong) in [
        ("subject", other.to_owned()),
        ("id", format!("{other}/0/watcher")),
    ] {
        let mut bad = good.clone();
        bad[field] = json!(wrong);
        let error = Event::parse(bad.to_string().as_bytes()).unwrap_err();
        assert!(
            matches!(error, Unreadable::Contradiction(_)),
            "{field}: {error}"
        );
    }
}

#[test]
fn what_is_no_event_says_what_is_wrong_with_it() {
    for (wrong, names) in [
        ("", "EOF"),
        ("\"x\"", "string"),
        ("{}", "specversion"),
        (r#"{"type":"io.landfall.file.arrived.v1"}"#, "specversion"),
    ] {
        let error = Event::parse(wrong.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(names), "{wrong}: {error}");
    }
}

fn add_field_everywhere(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(add_field_everywhere);
            members.insert("tomorrow".to_owned(), json!({ "new": [1, null, "x"] }));
        }
        Value::Array(items) => items.iter_mut().for_each(add_field_everywhere),
        _ => {}
    }
}

proptest! {
    #[test]
    fn every_event_fits_its_schema(event in events()) {
        let json = serde_json::to_value(&event).unwrap();
        let validator = &validators()[event.data.what().event_type()];
        prop_assert!(validator.is_valid(&json), "{}", json);
    }

    #[test]
    fn every_event_is_read_back_as_it_was_written(event in events()) {
        let json = serde_json::to_vec(&event).unwrap();
        prop_assert_eq!(Event::parse(&json).unwrap(), event);
    }

    /// CloudEvents 1.0, sections 3 and 3.1: attribute names are lower-case letters and digits;
    /// no attribute holds a control character; the required ones are there and not empty.
    #[test]
    fn every_envelope_keeps_the_rules_of_cloudevents(event in events()) {
        let json = serde_json::to_value(&event).unwrap();
        for (name, value) in json.as_object().unwrap() {
            prop_assert!(!name.is_empty() && name.len() <= 20);
            prop_assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9')), "{}", name);
            if name != "data" {
                let text = value.as_str().unwrap();
                prop_assert!(!text.is_empty() && !text.chars().any(char::is_control), "{}", text);
            }
        }
        prop_assert_eq!(&json["specversion"], "1.0");
        prop_assert_eq!(&json["datacontenttype"], "application/json");
        prop_assert!(json["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
        let (file, replay) = event.about();
        let step = event.source.strip_prefix("/landfall/").unwrap();
        prop_assert_eq!(&event.id, &format!("{}/{replay}/{step}", file.id));
        prop_assert_eq!(event.subject, file.id);
    }
}

fn validators() -> &'static BTreeMap<&'static str, Validator> {
    static VALIDATORS: OnceLock<BTreeMap<&str, Validator>> = OnceLock::new();
    VALIDATORS.get_or_init(|| {
        schema::all()
            .into_iter()
            .map(|(event_type, schema)| (event_type, jsonschema::validator_for(&schema).unwrap()))
            .collect()
    })
}

/// Any text at all: what keys, cells and servers' answers are made of.
fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            any::<char>(),
            Just('\n'),
            Just('\0'),
            Just('"'),
            Just('\\'),
            Just('é')
        ],
        0..12,
    )
    .prop_map(String::from_iter)
}

fn times() -> impl Strategy<Value = Timestamp> {
    (0_i64..253_402_200_000_000).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

prop_compose! {
    fn files()(
        bucket in "[a-z0-9.-]{3,12}",
        key in text(),
        etag in text(),
        modified in times(),
        version in proptest::option::of(text()),
        size: u64,
        content_type in proptest::option::of(text()),
        content_encoding in proptest::option::of(text()),
        order in times(),
        profile in "[a-z0-9-]{1,64}",
    ) -> File {
        let version = Version::new(&etag, modified, version.as_deref());
        File {
            id: FileId::of(&bucket, &key, &version),
            bucket, key, version, size, content_type, content_encoding, order, profile,
        }
    }
}

prop_compose! {
    fn reports()(
        profile_hash in "[0-9a-f]{64}",
        counts: [u64; 6],
        at_least: bool,
        span in proptest::option::of((times(), times())),
        rejects in proptest::option::of(locations()),
        first_rejects in proptest::collection::vec(rejects(), 0..3),
    ) -> Report {
        let [read, stored, rejected, duplicated, rejected_lines, truncated_times] = counts;
        Report {
            profile_hash, read, stored, rejected, duplicated, rejected_lines, at_least,
            truncated_times, first: span.map(|span| span.0), last: span.map(|span| span.1),
            rejects, first_rejects,
        }
    }
}

prop_compose! {
    fn rejects()(line: u64, column in proptest::option::of(text()), value in text(), reason in text()) -> Reject {
        Reject { line, column, value, reason }
    }
}

prop_compose! {
    fn locations()(bucket in "[a-z0-9.-]{3,12}", key in text()) -> Location {
        Location { bucket, key }
    }
}

prop_compose! {
    fn receivers()(address in text(), accepted: bool, answer in text()) -> Receiver {
        Receiver { address, accepted, answer }
    }
}

fn events() -> impl Strategy<Value = Event> {
    (
        files(),
        0_u32..10,
        reports(),
        text(),
        times(),
        0..What::ALL.len(),
    )
        .prop_flat_map(|(file, replay, report, reason, time, what)| {
            let data = data(What::ALL[what], file, replay, report, reason);
            (data, Just(time))
        })
        .prop_map(|((step, data), time)| Event::new(step, data, time))
}

fn data(
    what: What,
    file: File,
    replay: u32,
    report: Report,
    reason: String,
) -> BoxedStrategy<(User, Data)> {
    match what {
        What::Arrived => prop_oneof![
            Just(FoundBy::Notification),
            Just(FoundBy::Sweep),
            Just(FoundBy::Backfill)
        ]
        .prop_map(move |found_by| {
            let file = file.clone();
            (
                User::Watcher,
                Data::Arrived(Arrived {
                    file,
                    replay,
                    found_by,
                }),
            )
        })
        .boxed(),
        What::Ingested => proptest::option::of(replays())
            .prop_map(move |replayed| {
                let (file, report) = (file.clone(), report.clone());
                (
                    User::Ingest,
                    Data::Ingested(Ingested {
                        file,
                        replay,
                        report,
                        replayed,
                    }),
                )
            })
            .boxed(),
        What::Rejected => proptest::option::of(replays())
            .prop_map(move |replayed| {
                let (file, report, reason) = (file.clone(), report.clone(), reason.clone());
                (
                    User::Ingest,
                    Data::Rejected(Rejected {
                        file,
                        replay,
                        reason,
                        report,
                        replayed,
                    }),
                )
            })
            .boxed(),
        What::Superseded => (
            prop_oneof![Just(Vanished::Gone), Just(Vanished::Replaced)],
            any::<u64>(),
        )
            .prop_map(move |(how, rows_up_to)| {
                let file = file.clone();
                (
                    User::Ingest,
                    Data::Superseded(Superseded {
                        file,
                        replay,
                        how,
                        rows_up_to,
                    }),
                )
            })
            .boxed(),
        What::Moved => (
            prop_oneof![
                Just(MoveOutcome::Archived),
                Just(MoveOutcome::Replaced),
                Just(MoveOutcome::Gone),
                Just(MoveOutcome::Left),
                Just(MoveOutcome::Deleted)
            ],
            proptest::option::of(locations()),
            proptest::option::of(Just(reason)),
        )
            .prop_map(move |(outcome, destination, rejected)| {
                let (file, report) = (file.clone(), report.clone());
                (
                    User::Mover,
                    Data::Moved(Moved {
                        file,
                        replay,
                        outcome,
                        destination,
                        rejected,
                        report,
                        replayed: None,
                    }),
                )
            })
            .boxed(),
        What::Failed => (
            prop_oneof![Just(User::Ingest), Just(User::Mover), Just(User::Notifier)],
            any::<u64>(),
        )
            .prop_map(move |(step, sequence)| {
                let dead_letter = DeadLetter {
                    stream: "DEAD".to_owned(),
                    sequence,
                };
                let (file, reason) = (file.clone(), reason.clone());
                (
                    step,
                    Data::Failed(Failed {
                        file,
                        replay,
                        step,
                        reason,
                        dead_letter,
                        replayed: None,
                    }),
                )
            })
            .boxed(),
        What::Notified => (
            prop_oneof![
                Just(MailOutcome::Accepted),
                Just(MailOutcome::Refused),
                Just(MailOutcome::Unknown),
                Just(MailOutcome::Nobody)
            ],
            proptest::collection::vec(receivers(), 0..3),
            proptest::option::of(text()),
            any::<u32>(),
        )
            .prop_map(move |(outcome, receivers, answer, tries)| {
                let notified = Notified {
                    file: file.clone(),
                    replay,
                    outcome,
                    route: answer.clone(),
                    message_id: answer.clone(),
                    receivers,
                    answer,
                    tries,
                };
                (User::Notifier, Data::Notified(notified))
            })
            .boxed(),
        What::Commanded => (
            commands(),
            text(),
            proptest::option::of(text()),
            proptest::option::of(locations()),
        )
            .prop_map(move |(command, by, why, copy)| {
                let commanded = Commanded {
                    file: file.clone(),
                    replay,
                    command,
                    by,
                    why,
                    copy,
                };
                (User::Operator, Data::Commanded(commanded))
            })
            .boxed(),
        What::Retracted => (any::<u64>(), replays())
            .prop_map(move |(readings, replayed)| {
                let Replayed {
                    command, by, why, ..
                } = replayed;
                let retracted = Retracted {
                    file: file.clone(),
                    replay,
                    readings,
                    command,
                    by,
                    why,
                };
                (User::Ingest, Data::Retracted(retracted))
            })
            .boxed(),
    }
}

fn commands() -> impl Strategy<Value = Command> {
    let replay = (stages(), any::<bool>());
    prop_oneof![
        Just(Command::Retract),
        replay.prop_map(|(from, corrected)| Command::Replay { from, corrected }),
    ]
}

fn stages() -> impl Strategy<Value = Stage> {
    prop_oneof![Just(Stage::Ingest), Just(Stage::Move), Just(Stage::Notify)]
}

prop_compose! {
    fn replays()(
        command in text(),
        from in stages(),
        by in text(),
        why in proptest::option::of(text()),
    ) -> Replayed {
        Replayed { command, from, by, why }
    }
}
