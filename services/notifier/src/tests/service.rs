//! The whole service on a real NATS server, with mail servers that are real or do as a test wants.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proto::event::MailOutcome;
use proto::{Data, Event, User, subject};
use runtime::config::notifier::{Outcome, Route};
use servers::{MailCatcher, Port};
use tokio::time::sleep;

use super::phases::{LATER, NEVER, expected, say};
use super::stage::{Stage, catcher, stored_at, until};
use crate::fixtures::{failed, moved_event, rejected, said};
use crate::smtp::scripted::{Act, On, Server, Tls, Turn};

fn agree(_: &Turn<'_>) -> Act {
    Act::Agree
}

fn rejected_event(key: &str) -> Event {
    said(User::Mover, Data::Moved(rejected(key)))
}

async fn dead_letters(stage: &Stage) -> u64 {
    stage.count("DEAD").await
}

#[tokio::test]
async fn as_shipped_the_schedule_is_due_600_seconds_after_jetstreams_time_of_moved() {
    let mut stage = Stage::set(1).await;
    stage.config.notifier.delay = runtime::config::notifier::Config::default().delay;
    let notifier = stage.notifier();
    let event = moved_event("incoming/a.csv");
    let sequence = stage.say(&event).await;
    let stored = stored_at(&stage.message("FILES", sequence).await);
    let schedule = stage.schedule(event.subject).await;
    let header = |name: &str| {
        schedule
            .headers
            .get(name)
            .map(|value| value.as_str().to_owned())
    };
    let at = header("Nats-Schedule").unwrap();
    let due: Timestamp = at.strip_prefix("@at ").unwrap().parse().unwrap();
    let early = due.duration_since(stored) - SignedDuration::from_secs(600);
    assert!(
        early >= SignedDuration::ZERO && early < SignedDuration::from_millis(1),
        "moved at {stored}, due at {due}"
    );
    assert_eq!(header("Nats-Schedule-Target").as_deref(), Some("delay.due"));
    assert_eq!(header("Nats-Msg-Id"), None);
    assert_eq!(
        serde_json::from_slice::<Event>(&schedule.payload).unwrap(),
        event
    );
    notifier.stop().await;
}

#[tokio::test]
async fn a_file_that_was_filed_away_is_told_of_once_after_the_delay() {
    let folder = tempfile::tempdir().unwrap();
    let mail = catcher(folder.path()).await;
    let stage = Stage::set(mail.port()).await;
    let notifier = stage.notifier();
    let event = moved_event("incoming/pump 7.csv");
    let first = stage.say(&event).await;
    let stored = stored_at(&stage.message("FILES", first).await);
    // After the duplicate window of 100 ms it is a message of its own: that time has to pass.
    sleep(Duration::from_millis(150)).await;
    stage.say(&event).await;
    let notified = stage.notified().await;
    assert_eq!(notified.outcome, MailOutcome::Accepted);
    assert_eq!((notified.tries, notified.route), (1, None));
    assert_eq!(notified.receivers.len(), 1);
    assert_eq!(notified.receivers[0].address, "ops@example.com");
    let mails = mail.mails().unwrap();
    assert_eq!(mails.len(), 1);
    let sent = &mails[0];
    assert_eq!(sent.sender, "landfall@plant.example");
    assert_eq!(sent.receivers, ["ops@example.com"]);
    assert_eq!(sent.headers["Subject"], "pump 7.csv: 1,234 readings stored");
    assert_eq!(sent.headers["From"], "Landfall <landfall@plant.example>");
    assert_eq!(sent.headers["To"], "Ops <ops@example.com>");
    let id = format!("{}.0.0@plant.example", event.subject);
    assert_eq!(notified.message_id.as_deref(), Some(id.as_str()));
    assert_eq!(sent.headers["Message-ID"], format!("<{id}>"));
    assert!(
        sent.text
            .as_ref()
            .unwrap()
            .contains("processed/incoming/pump 7.csv in bucket landing")
    );
    assert!(sent.html.as_ref().unwrap().contains("1,234 readings"));
    assert!(Timestamp::now().duration_since(stored) >= SignedDuration::from_secs(1));
    notifier.stop().await;
    assert_eq!(
        (mail.accepted().unwrap(), dead_letters(&stage).await),
        (1, 0)
    );
}

#[tokio::test]
async fn bad_news_is_told_at_once_and_failures_to_the_operators() {
    let folder = tempfile::tempdir().unwrap();
    let mail = catcher(folder.path()).await;
    let mut stage = Stage::set(mail.port()).await;
    stage.config.notifier.delay = Duration::from_secs(600);
    stage.config.notifier.operators = vec!["night@example.com".to_owned()];
    let notifier = stage.notifier();
    stage.say(&rejected_event("incoming/bad.csv")).await;
    assert_eq!(stage.notified().await.outcome, MailOutcome::Accepted);
    stage
        .publish(
            "files.0.failed.default".to_owned(),
            &said(
                User::Ingest,
                Data::Failed(failed("incoming/stuck.csv", User::Ingest)),
            ),
        )
        .await;
    until(async || (mail.accepted().unwrap() == 2).then_some(())).await;
    let mails = mail.mails().unwrap();
    assert_eq!(mails[0].headers["Subject"], "bad.csv: rejected");
    assert_eq!(mails[0].receivers, ["ops@example.com"]);
    assert_eq!(mails[1].headers["Subject"], "stuck.csv: failed at ingest");
    assert_eq!(mails[1].receivers, ["night@example.com"]);
    notifier.stop().await;
    // Said: the rejected, the failed, and one notified.
    assert_eq!(stage.count("FILES").await, 3);
}

#[tokio::test]
async fn what_nobody_wants_to_hear_of_is_said_so_and_not_mailed() {
    let folder = tempfile::tempdir().unwrap();
    let mail = catcher(folder.path()).await;
    let mut stage = Stage::set(mail.port()).await;
    stage.config.notifier.routes = vec![Route {
        name: "silence".to_owned(),
        bucket: None,
        key: Some("incoming/**".to_owned()),
        profile: None,
        outcome: Some(Outcome::Ingested),
        to: vec![],
        delay: None,
    }];
    let notifier = stage.notifier();
    stage.say(&moved_event("incoming/a.csv")).await;
    let notified = stage.notified().await;
    assert_eq!(notified.outcome, MailOutcome::Nobody);
    assert_eq!(notified.route.as_deref(), Some("silence"));
    notifier.stop().await;
    assert_eq!(
        (mail.accepted().unwrap(), stage.count("DELAY").await),
        (0, 0)
    );
}

#[tokio::test]
async fn a_mail_that_is_not_taken_now_is_tried_again_with_the_same_id() {
    let (receivers, bodies) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = Server::start(Tls::None, move |turn| match turn.on {
        On::Rcpt if receivers.fetch_add(1, Ordering::SeqCst) < 2 => {
            Act::Say("450 4.2.0 greylisted".to_owned())
        }
        // The schedule of the retry comes right behind the one of the claim's deadline.
        On::Body if bodies.fetch_add(1, Ordering::SeqCst) == 0 => {
            Act::Say("451 4.3.0 no room".to_owned())
        }
        _ => Act::Agree,
    })
    .await;
    let stage = Stage::set(server.port).await;
    let notifier = stage.notifier();
    stage.say(&rejected_event("incoming/a.csv")).await;
    let notified = stage.notified().await;
    assert_eq!(notified.outcome, MailOutcome::Accepted);
    assert_eq!(notified.tries, 4);
    notifier.stop().await;
    let taken = server.taken();
    assert_eq!((taken.len(), server.bodies()), (1, 2));
    let id = notified.message_id.unwrap();
    assert!(String::from_utf8_lossy(&taken[0].body).contains(&format!("Message-ID: <{id}>")));
}

#[tokio::test]
async fn a_refused_mail_is_told_with_the_servers_words() {
    let server = Server::start(Tls::None, |turn| match turn.on {
        On::Rcpt => Act::Say("550 5.1.1 no such user here".to_owned()),
        _ => Act::Agree,
    })
    .await;
    let stage = Stage::set(server.port).await;
    let notifier = stage.notifier();
    stage.say(&rejected_event("incoming/a.csv")).await;
    let notified = stage.notified().await;
    assert_eq!(notified.outcome, MailOutcome::Refused);
    assert_eq!(
        notified.answer.as_deref(),
        Some("550 5.1.1 no such user here")
    );
    assert!(!notified.receivers[0].accepted);
    notifier.stop().await;
    assert_eq!((server.bodies(), dead_letters(&stage).await), (0, 0));
}

/// Each mail has a receiver of its own, by whom the server knows what to do about it the first time.
#[tokio::test]
async fn whatever_the_server_does_each_of_many_mails_ends_once() {
    let mut cases = vec![];
    for on in [On::Rcpt, On::Data, On::BodyBegun, On::Body] {
        for act in [
            say(LATER),
            say(NEVER),
            say("what?"),
            Act::Flood("2".to_owned()),
            Act::Cut,
            Act::Stall,
        ] {
            cases.push((on, act));
        }
    }
    let script = cases.clone();
    let seen = Mutex::new(HashSet::new());
    let server = Server::start(Tls::None, move |turn| {
        match (turn.on, turn.connection % 5) {
            (On::Connect, 2) => return Act::Cut,
            (On::Mail, 4) => return Act::SayAndCut("421 4.3.2 closing".to_owned()),
            _ => {}
        }
        let receiver = match turn.on {
            On::Rcpt => turn.line.split_once('<').map(|(_, address)| address),
            _ => turn.to.first().map(String::as_str),
        };
        let number = receiver.and_then(|address| address.split_once('@')?.0.parse().ok());
        let Some(number) = number.filter(|number: &usize| script[*number].0 == turn.on) else {
            return Act::Agree;
        };
        if seen.lock().unwrap().insert(number) {
            script[number].1.clone()
        } else {
            Act::Agree
        }
    })
    .await;
    let mut stage = Stage::set(server.port).await;
    let notifier = &mut stage.config.notifier;
    // Ten of these for the body.
    notifier.smtp.timeout = Duration::from_millis(500);
    notifier.smtp.connections = 8;
    notifier.routes = (0..cases.len())
        .map(|number| Route {
            name: format!("case-{number}"),
            bucket: None,
            key: Some(format!("incoming/{number}.csv")),
            profile: None,
            outcome: None,
            to: vec![format!("{number}@example.com")],
            delay: None,
        })
        .collect();
    let replicas = [stage.notifier(), stage.notifier()];
    for number in 0..cases.len() {
        stage
            .say(&rejected_event(&format!("incoming/{number}.csv")))
            .await;
    }
    let mut told = HashMap::new();
    while told.len() < cases.len() {
        let notified = stage.notified().await;
        let route = notified.route.clone().unwrap();
        let number: usize = route.strip_prefix("case-").unwrap().parse().unwrap();
        let outcome = notified.outcome;
        assert!(
            told.insert(number, outcome)
                .is_none_or(|other| other == outcome)
        );
    }
    for replica in replicas {
        replica.stop().await;
    }
    let taken = server.taken();
    for (number, (on, act)) in cases.iter().enumerate() {
        let address = format!("{number}@example.com");
        let have = taken.iter().filter(|taken| taken.to == [address.clone()]);
        let (outcome, _, expected) = expected(*on, act);
        let seen = (told[&number], have.count());
        assert_eq!(seen, (outcome, expected), "{act:?} on {on:?}");
    }
    assert_eq!(dead_letters(&stage).await, 0);
}

#[tokio::test]
async fn an_outage_of_the_mail_server_costs_no_try_and_stops_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let port = Port::free().unwrap();
    let number = port.number();
    let stage = Stage::set(number).await;
    let notifier = stage.notifier();
    let keys = ["a.csv", "b.csv", "c.csv"];
    for key in keys {
        stage.say(&rejected_event(key)).await;
    }
    // All wakes were delivered and are held: nothing is left to be scheduled.
    until(async || (stage.count("DELAY").await == 3).then_some(())).await;
    let meanwhile = moved_event("meanwhile.csv");
    stage.say(&meanwhile).await;
    stage.schedule(meanwhile.subject).await;
    drop(port);
    let mail = MailCatcher::start(&folder.path().join("mail"), Some(number))
        .await
        .unwrap();
    assert_eq!(mail.port(), number);
    for _ in 0..4 {
        let notified = stage.notified().await;
        assert_eq!(
            (notified.outcome, notified.tries),
            (MailOutcome::Accepted, 1)
        );
    }
    notifier.stop().await;
    assert_eq!(
        (mail.accepted().unwrap(), dead_letters(&stage).await),
        (4, 0)
    );
}

#[tokio::test]
async fn two_replicas_that_are_woken_many_times_send_one_body() {
    let server = Server::start(Tls::None, agree).await;
    let stage = Stage::open(server.port).await;
    let replicas = [stage.notifier(), stage.notifier()];
    let events: Vec<Event> = (0..20)
        .map(|n| moved_event(&format!("incoming/{n}.csv")))
        .collect();
    for event in &events {
        stage.say(event).await;
        stage.schedule(event.subject).await;
    }
    for _ in 0..10 {
        for event in &events {
            stage.publish(subject::DELAY_DUE.to_owned(), event).await;
        }
        // Wakes that are spread over the second in which the mails become due.
        sleep(Duration::from_millis(100)).await;
    }
    for _ in &events {
        assert_eq!(stage.notified().await.outcome, MailOutcome::Accepted);
    }
    for replica in replicas {
        replica.stop().await;
    }
    assert_eq!((server.bodies(), server.taken().len()), (20, 20));
}

#[tokio::test]
async fn an_early_wake_neither_sends_nor_loses_the_mail() {
    let server = Server::start(Tls::None, agree).await;
    let mut stage = Stage::open(server.port).await;
    stage.config.notifier.delay = Duration::from_secs(3);
    let notifier = stage.notifier();
    let event = moved_event("incoming/a.csv");
    let sequence = stage.say(&event).await;
    let stored = stored_at(&stage.message("FILES", sequence).await);
    let first = stage.schedule(event.subject).await;
    stage.publish(subject::DELAY_DUE.to_owned(), &event).await;
    // The wake orders another schedule for the same time.
    let second = until(async || {
        let schedule = stage.schedule(event.subject).await;
        (schedule.sequence > first.sequence).then_some(schedule)
    })
    .await;
    assert_eq!(
        second.headers.get("Nats-Schedule"),
        first.headers.get("Nats-Schedule")
    );
    assert_eq!(stage.notified().await.outcome, MailOutcome::Accepted);
    assert!(Timestamp::now().duration_since(stored) >= SignedDuration::from_secs(3));
    notifier.stop().await;
    assert_eq!(server.bodies(), 1);
}

#[tokio::test]
async fn who_is_killed_while_the_body_is_on_its_way_leaves_an_unknown_after_the_deadline() {
    let server = Server::start(Tls::None, |turn| match turn.on {
        On::Body => Act::Stall,
        _ => Act::Agree,
    })
    .await;
    let mut stage = Stage::set(server.port).await;
    // The claim holds for 11.5 of these: 6.9 s. The wake comes again long before.
    stage.config.notifier.smtp.timeout = Duration::from_millis(600);
    stage.config.nats.ack_wait = Duration::from_secs(1);
    stage.mend().await;
    let victim = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let killed = {
        let _inside = victim.enter();
        stage.notifier()
    };
    let event = rejected_event("incoming/a.csv");
    stage.say(&event).await;
    until(async || (server.bodies() == 1).then_some(())).await;
    let began = Timestamp::now();
    victim.shutdown_background();
    drop(killed);
    let heir = stage.notifier();
    let notified = stage.notified().await;
    assert_eq!(notified.outcome, MailOutcome::Unknown);
    let waited = Timestamp::now().duration_since(began);
    assert!(waited >= SignedDuration::from_secs(5), "after {waited:?}");
    assert!(
        notified
            .answer
            .unwrap()
            .contains("stopped before it had written down")
    );
    heir.stop().await;
    assert_eq!(server.bodies(), 1);
}

#[tokio::test]
async fn waiting_mails_survive_the_servers_sudden_end() {
    let folder = tempfile::tempdir().unwrap();
    let mail = catcher(folder.path()).await;
    let mut stage = Stage::set(mail.port()).await;
    stage.config.notifier.delay = Duration::from_secs(3);
    let notifier = stage.notifier();
    let events: Vec<Event> = (0..20)
        .map(|n| moved_event(&format!("incoming/{n}.csv")))
        .collect();
    for event in &events {
        stage.say(event).await;
        stage.schedule(event.subject).await;
    }
    stage.nats.kill().await;
    stage.nats.restart().await.unwrap();
    until(async || (mail.accepted().unwrap() == 20).then_some(())).await;
    notifier.stop().await;
    let mut ids: Vec<String> = mail
        .mails()
        .unwrap()
        .iter()
        .map(|mail| mail.headers["Message-ID"].clone())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), mail.accepted().unwrap()), (20, 20));
}
