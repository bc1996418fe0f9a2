use proptest::prelude::*;
use proto::User;

use super::*;
use crate::fixtures::{failed, moved_event, said, time};

const STORED: &str = "2026-11-22T09:00:00.1234567Z";

fn ops() -> Vec<Mailbox> {
    vec![
        "Ops <ops@example.com>".parse().unwrap(),
        "b@example.com".parse().unwrap(),
    ]
}

fn from() -> Mailbox {
    "Landfall <landfall@plant.example>".parse().unwrap()
}

fn waiting() -> Row {
    let event = moved_event("incoming/a.csv");
    Row::new(
        &event,
        Some("plant"),
        &ops(),
        time(STORED),
        Duration::from_secs(600),
    )
}

fn taken() -> Vec<Receiver> {
    let receiver = |address: &str, accepted, answer: &str| Receiver {
        address: address.to_owned(),
        accepted,
        answer: answer.to_owned(),
    };
    vec![
        receiver("ops@example.com", true, "250 2.1.5 ok"),
        receiver("b@example.com", false, "550 5.1.1 no such user"),
    ]
}

fn claimed() -> Row {
    waiting().claim(
        "me-0".to_owned(),
        time("2026-11-22T09:10:01Z"),
        time("2026-11-22T09:10:01Z"),
        Duration::from_secs(690),
        taken(),
    )
}

const RETRIES: Retries = Retries {
    first: Duration::from_secs(60),
    until: Duration::from_secs(4 * 24 * 60 * 60),
};

#[test]
fn a_mail_is_due_at_jetstreams_time_of_the_event_and_the_delay() {
    let row = waiting();
    assert_eq!(row.wake(), Some(time("2026-11-22T09:10:00.124Z")));
    assert_eq!(row.planned, time("2026-11-22T09:10:00.124Z"));
}

#[test]
fn nobody_is_an_end_without_a_message_id() {
    let row = Row::new(
        &moved_event("a.csv"),
        Some("quiet"),
        &[],
        time(STORED),
        Duration::ZERO,
    );
    assert_eq!(row.next(time(STORED)), Next::Over);
    let told = row.outcome(&from()).unwrap();
    assert_eq!(told.outcome, MailOutcome::Nobody);
    assert_eq!(told.route.as_deref(), Some("quiet"));
    assert_eq!((told.message_id, told.tries), (None, 0));
}

#[test]
fn an_early_wake_waits_for_the_due_time_and_one_in_time_sends() {
    let row = waiting();
    let due = time("2026-11-22T09:10:00.124Z");
    assert_eq!(
        row.next(time("2026-11-22T09:10:00.1239Z")),
        Next::Sleep(due)
    );
    assert_eq!(row.next(due), Next::Try);
}

#[test]
fn a_claim_is_left_alone_until_its_deadline() {
    let row = claimed();
    let deadline = time("2026-11-22T09:21:31Z");
    assert_eq!(row.wake(), Some(deadline));
    assert_eq!(
        row.next(time("2026-11-22T09:21:30.999Z")),
        Next::Sleep(deadline)
    );
    assert_eq!(row.next(deadline), Next::GiveUp);
    let unknown = row.unanswered().outcome(&from()).unwrap();
    assert_eq!(unknown.outcome, MailOutcome::Unknown);
    assert!(unknown.receivers.iter().all(|receiver| !receiver.accepted));
    assert_eq!(unknown.tries, 1);
}

#[test]
fn an_accepted_mail_tells_what_the_server_said_to_whom() {
    let told = claimed()
        .answered(MailOutcome::Accepted, "250 2.0.0 queued as 7")
        .outcome(&from())
        .unwrap();
    assert_eq!(told.outcome, MailOutcome::Accepted);
    assert_eq!(told.receivers, taken());
    assert_eq!(told.answer.as_deref(), Some("250 2.0.0 queued as 7"));
    assert_eq!(told.tries, 1);
    let id = told.file.id;
    assert_eq!(told.message_id.unwrap(), format!("{id}.0.0@plant.example"));
}

#[test]
fn a_mail_that_is_refused_after_its_body_was_taken_for_nobody() {
    let told = claimed()
        .answered(MailOutcome::Refused, "554 spam")
        .outcome(&from())
        .unwrap();
    let answers: Vec<_> = told
        .receivers
        .iter()
        .map(|r| (r.accepted, r.answer.as_str()))
        .collect();
    assert_eq!(
        answers,
        [(false, "554 spam"), (false, "550 5.1.1 no such user")]
    );
}

#[test]
fn a_claim_without_a_body_is_undone_as_if_it_had_not_been() {
    let undone = claimed().unclaimed();
    assert_eq!(undone.tries, 0);
    assert_eq!(undone.next(time("2026-11-22T09:10:01Z")), Next::Try);
}

#[test]
fn every_try_of_an_attempt_has_the_same_message_id_and_date() {
    let first = time("2026-11-22T09:10:01Z");
    let again = waiting().not_now("451 later", vec![], first, first, RETRIES);
    assert_eq!(again.message_id(&from()), waiting().message_id(&from()));
    assert_eq!(again.date(time("2026-11-23T00:00:00Z")), first);
}

#[test]
fn a_mail_that_nobody_takes_for_days_is_refused_with_the_last_words() {
    let mut row = waiting();
    let mut now = time("2026-11-22T09:10:01Z");
    let first = now;
    loop {
        row = row.not_now("451 later", taken(), now, now, RETRIES);
        match row.next(now) {
            Next::Sleep(due) => now = due,
            next => break assert_eq!(next, Next::Over),
        }
    }
    let tried_for = now.duration_since(first).as_hours();
    assert!(
        (94..=96).contains(&tried_for),
        "tried for {tried_for} hours"
    );
    let told = row.outcome(&from()).unwrap();
    assert_eq!(
        (told.outcome, told.answer.as_deref()),
        (MailOutcome::Refused, Some("451 later"))
    );
    assert_eq!(told.receivers, taken());
    // A minute, two, four … an hour, and then hourly: 6 and 96, give or take the quarter.
    assert!((85..=125).contains(&told.tries), "{} tries", told.tries);
}

#[test]
fn a_mail_about_a_failure_ends_in_the_journal_only() {
    let event = said(User::Ingest, Data::Failed(failed("a.csv", User::Ingest)));
    let row = Row::new(&event, None, &ops(), time(STORED), Duration::ZERO);
    assert!(!row.is_told());
    assert!(waiting().is_told());
}

#[test]
fn a_row_reads_back_as_it_was_written() {
    for row in [waiting(), claimed(), claimed().unanswered()] {
        let bytes = serde_json::to_vec(&row).unwrap();
        assert_eq!(serde_json::from_slice::<Row>(&bytes).unwrap(), row);
    }
}

proptest! {
    #[test]
    fn waits_grow_to_an_hour_and_differ_between_files(tries in 1_u32..2000, seed in any::<[u8; 16]>()) {
        let wait = RETRIES.wait(FileId::from_bytes(seed), tries).as_secs_f64();
        let doubled = (60.0 * 2_f64.powi(i32::try_from(tries).unwrap() - 1)).min(3600.0);
        prop_assert!(wait >= 0.749 * doubled && wait <= 1.251 * doubled);
    }

    /// Whatever is done to a row, in whatever order: an end stays, a claim follows only on
    /// waiting, and the row always says when to look again.
    #[test]
    fn a_row_always_has_a_next_step(steps in proptest::collection::vec(0_u8..6, 0..40)) {
        let mut row = waiting();
        let mut now = time("2026-11-22T09:00:00Z");
        for step in steps {
            let next = row.next(now);
            row = match (next, step) {
                (Next::Sleep(until), _) => {
                    prop_assert!(until > now);
                    prop_assert_eq!(row.wake(), Some(until));
                    now = until;
                    continue;
                }
                (Next::Over, _) => {
                    prop_assert!(row.outcome(&from()).is_some());
                    prop_assert_eq!(row.wake(), None);
                    break;
                }
                (Next::GiveUp, _) => row.unanswered(),
                (Next::Try, 0) => row.refused("554 no", vec![], now),
                (Next::Try, 1) => row.not_now("451 later", vec![], now, now, RETRIES),
                (Next::Try, claimed_and) => {
                    let row = row.claim("c".to_owned(), row.date(now), now, Duration::from_secs(60), taken());
                    match claimed_and {
                        2 => row.answered(MailOutcome::Accepted, "250 ok"),
                        3 => row.not_now("452 full", row.denied("452 full"), now, now, RETRIES),
                        4 => row.unclaimed(),
                        _ => row,
                    }
                }
            };
        }
    }
}
