use super::*;
use crate::fixtures::{self, file, moved, partly, report, said};
use proto::event::MoveOutcome;

fn of_moved(moved: Moved) -> Story {
    story(&said(User::Mover, Data::Moved(moved))).unwrap()
}

fn fact<'a>(story: &'a Story, label: &str) -> Option<&'a str> {
    let mut facts = story.facts.iter();
    facts
        .find(|(known, _)| *known == label)
        .map(|(_, value)| value.as_str())
}

#[test]
fn a_stored_file_says_how_many_readings_from_when_to_when_and_where_it_is() {
    let story = of_moved(moved("incoming/pump-7.csv", report()));
    assert_eq!(story.subject, "pump-7.csv: 1,234 readings stored");
    assert_eq!(story.verdict, Verdict::Stored);
    assert_eq!(
        story.paragraphs,
        ["The file was read to its end, and its 1,234 readings are in the database."]
    );
    let facts: Vec<_> = story
        .facts
        .iter()
        .map(|(label, value)| (*label, value.as_str()))
        .collect();
    let id = file("incoming/pump-7.csv").id.to_string();
    assert_eq!(
        facts,
        [
            ("File", "incoming/pump-7.csv"),
            ("Bucket", "landing"),
            ("Size", "1.2 MB (1,234,567 bytes)"),
            ("Uploaded", "2026-11-22 08:00:00 UTC"),
            ("Readings", "1,234"),
            ("Stored", "1,234"),
            ("First reading", "2026-11-21 00:00:00 UTC"),
            ("Last reading", "2026-11-21 23:59:00.500 UTC"),
            (
                "Filed as",
                "processed/incoming/pump-7.csv in bucket landing"
            ),
            ("Profile", "default"),
            ("File id", &id),
        ]
    );
    assert!(story.rejects.is_empty());
}

#[test]
fn a_partly_stored_file_says_what_was_refused_and_where_it_is() {
    let story = of_moved(moved("incoming/pump-7.csv", partly()));
    assert_eq!(story.subject, "pump-7.csv: 14 readings stored, 5 refused");
    assert_eq!(story.verdict, Verdict::Partly);
    assert_eq!(
        story.paragraphs[0],
        "14 of the file's 20 readings are in the database. 5 were refused in 4 lines."
    );
    assert_eq!(
        story.paragraphs[1],
        "The refused rows are kept in rejected-rows/incoming/pump-7.csv in bucket landing, and \
         what is wrong with each is listed in rejected-rows/incoming/pump-7.csv.reasons.csv. \
         Correct the rows, and upload them as incoming/pump-7.csv in bucket landing: they load as \
         they are."
    );
    assert_eq!(
        fact(&story, "Reasons"),
        Some("rejected-rows/incoming/pump-7.csv.reasons.csv in bucket landing")
    );
    assert_eq!(fact(&story, "Refused"), Some("5 in 4 lines"));
    assert_eq!(
        fact(&story, "Overridden"),
        Some("1 by later lines of the file")
    );
    assert_eq!(
        fact(&story, "Refused rows"),
        Some("rejected-rows/incoming/pump-7.csv in bucket landing")
    );
    let first = Row {
        place: "line 7, temperature".to_owned(),
        value: "21,5".to_owned(),
        reason: "not a number".to_owned(),
    };
    assert_eq!(story.rejects[0], first);
    assert_eq!(story.rejects[1].place, "line 9");
    assert_eq!(story.more_rejects, 2);
}

#[test]
fn a_rejected_file_says_why_and_how_to_mend_it() {
    let story = of_moved(fixtures::rejected("incoming/pump-7.csv"));
    assert_eq!(story.subject, "pump-7.csv: rejected");
    assert_eq!(story.verdict, Verdict::Rejected);
    assert_eq!(
        story.paragraphs,
        [
            "The file was rejected: 4 of 10 lines were refused, and the budget is 1%.",
            "Nothing of it is in the database. Correct the file, and upload it whole as \
             incoming/pump-7.csv in bucket landing.",
            "What is wrong with each refused row is listed in \
             rejected-rows/incoming/pump-7.csv.reasons.csv in bucket landing.",
        ]
    );
    assert_eq!(
        fact(&story, "Filed as"),
        Some("rejected/incoming/pump-7.csv in bucket landing")
    );
}

#[test]
fn a_failed_file_says_who_gave_up_why_and_where_the_dead_letter_is() {
    let event = said(
        User::Ingest,
        Data::Failed(fixtures::failed("incoming/a.csv", User::Ingest)),
    );
    let story = story(&event).unwrap();
    assert_eq!(story.subject, "a.csv: failed at ingest");
    assert_eq!(story.verdict, Verdict::Failed);
    assert_eq!(
        story.paragraphs[0],
        "Landfall gave up on the file at ingest: access denied: s3:GetObject on bucket landing; grant it \
         to the key of ingest."
    );
    assert!(
        story.paragraphs[1].ends_with("Mend what the reason names, then upload the file again.")
    );
    assert_eq!(fact(&story, "Dead letter"), Some("stream DEAD, message 17"));
}

#[test]
fn a_file_that_left_its_place_says_so() {
    let left = |outcome| {
        let story = of_moved(Moved {
            outcome,
            destination: None,
            ..moved("a.csv", report())
        });
        assert_eq!(fact(&story, "Filed as"), None);
        story.paragraphs[1].clone()
    };
    assert!(left(MoveOutcome::Gone).contains("Somebody deleted"));
    assert!(left(MoveOutcome::Left).contains("stays where it was uploaded"));
    assert!(left(MoveOutcome::Deleted).contains("the file was deleted, as is set"));
    assert!(left(MoveOutcome::Replaced).contains("another upload took its place"));
}

#[test]
fn an_empty_file_is_not_a_success_of_zero_readings() {
    let story = of_moved(moved("a.csv", Report::default()));
    assert_eq!(story.subject, "a.csv: no readings");
    assert_eq!(story.verdict, Verdict::Empty);
    assert!(story.paragraphs[0].starts_with("The file holds no readings."));
    for shown in [
        super::super::text::text(&story),
        super::super::html::html(&story),
    ] {
        let verdict = shown.split("The file holds").next().unwrap();
        assert!(verdict.contains("no readings"), "{shown}");
        assert!(!verdict.contains("stored"), "{shown}");
    }
}

#[test]
fn bounds_are_said_to_be_bounds() {
    let report = Report {
        at_least: true,
        duplicated: 3,
        ..report()
    };
    let story = of_moved(moved("a.csv", report));
    assert_eq!(fact(&story, "Stored"), Some("at most 1,234"));
    assert_eq!(
        fact(&story, "Overridden"),
        Some("at least 3 by later lines of the file")
    );
}

#[test]
fn long_things_are_cut_and_hidden_ones_are_shown() {
    let key = format!("incoming/{}\u{202e}\n.csv", "ü".repeat(500));
    let mut moved = fixtures::rejected(&key);
    moved.rejected = Some("no\r\nBcc: x@example.com\n".repeat(1000));
    moved.report.first_rejects = (0..50)
        .map(|line| Reject {
            line,
            column: Some("c".repeat(1000)),
            value: "v".repeat(100_000),
            reason: "r\u{2028}".repeat(1000),
        })
        .collect();
    let story = of_moved(moved);
    assert!(story.subject.chars().count() <= 80, "{}", story.subject);
    assert!(
        story.subject.ends_with("<U+202E><U+000A>.csv: rejected"),
        "{}",
        story.subject
    );
    assert_eq!(story.rejects.len(), 10);
    let text = super::super::text::text(&story);
    assert!(text.len() < 20_000, "{} bytes", text.len());
    assert!(!text.contains('\r') && !text.contains('\u{202e}') && !text.contains('\u{2028}'));
}

#[test]
fn one_is_one_and_not_ones() {
    let one = Report {
        read: 2,
        stored: 1,
        rejected: 1,
        rejected_lines: 2,
        ..partly()
    };
    let story = of_moved(moved("a.csv", one));
    assert_eq!(story.subject, "a.csv: 1 reading stored, 1 refused");
    assert_eq!(
        story.paragraphs[0],
        "1 of the file's 2 readings is in the database. 1 was refused in 2 lines."
    );
    let more = Story {
        more_rejects: 1,
        ..story
    };
    let text = super::super::text::text(&more);
    assert!(text.contains("\n- and 1 more line\n"), "{text}");
    let html = super::super::html::html(&more);
    assert!(html.contains(">and 1 more line</td>"), "{html}");
    let alone = Report {
        read: 1,
        stored: 1,
        ..report()
    };
    assert_eq!(
        of_moved(moved("a.csv", alone)).paragraphs,
        ["The file was read to its end, and its 1 reading is in the database."]
    );
}
