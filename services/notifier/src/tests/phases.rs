//! Whatever the mail server does, in whatever phase: the mail is sent once, or refused, or its fate
//! is unknown; and what is unknown is never sent again.

use proto::event::MailOutcome::{self, Accepted, Refused, Unknown};
use runtime::config::notifier::Tls as Wanted;
use runtime::config::secret::Secret;

use super::single::{Clock, End, config, send};
use crate::smtp::scripted::{Act, On, Server, Tls, Turn};

pub(super) fn say(words: &str) -> Act {
    Act::Say(words.to_owned())
}

pub(super) const LATER: &str = "451 4.3.0 later";
pub(super) const NEVER: &str = "554 5.7.1 never";

fn everything() -> Vec<Act> {
    vec![
        say(LATER),
        say(NEVER),
        say("421 4.3.2 closing"),
        say("what?"),
        say("999 there is no such code"),
        say(""),
        Act::SayAndCut("421 4.3.2 closing".to_owned()),
        Act::SayAndCut("2".to_owned()),
        Act::Flood("2".to_owned()),
        Act::Flood(format!("250-{}\r\n", "and more ".repeat(50))),
        Act::Flood(format!("451-{}\r\n", "and more ".repeat(50))),
        Act::Cut,
        Act::Stall,
    ]
}

/// Does what a test wants to the first connection, and agrees to everything else. While it is
/// silent, time flies.
async fn server(
    tls: Tls,
    clock: &Clock,
    first: impl Fn(&Turn<'_>) -> Act + Send + Sync + 'static,
) -> Server {
    let clock = clock.clone();
    Server::start(tls, move |turn| {
        let act = match turn.connection {
            0 => first(turn),
            _ => Act::Agree,
        };
        if act == Act::Stall {
            clock.fly();
        }
        act
    })
    .await
}

/// What becomes of a mail when the server does `act` on `on` in the first connection.
async fn what_becomes(on: On, act: &Act) -> End {
    let clock = Clock::default();
    let does = act.clone();
    let server = server(Tls::Starttls, &clock, move |turn| {
        if turn.on == on {
            does.clone()
        } else {
            Act::Agree
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &server.certificate).unwrap();
    let mut config = config(server.port);
    let smtp = &mut config.notifier.smtp;
    smtp.tls = Wanted::Starttls;
    smtp.ca_file = Some(ca_file);
    smtp.user = Some("landfall".to_owned());
    smtp.password = Some(Secret::new("hush"));
    send(&config, &server, &clock).await
}

/// How the mail ends, after how many tries, and how many mails the server has.
pub(super) fn expected(on: On, act: &Act) -> (MailOutcome, u32, usize) {
    let words = match act {
        Act::Say(words) | Act::SayAndCut(words) => words.as_str(),
        _ => "",
    };
    match on {
        // There is no session: that is no try of the mail's.
        On::Connect | On::Ehlo | On::Starttls | On::Auth => (Accepted, 1, 1),
        _ if words == NEVER => (Refused, 1, 0),
        // Nothing was handed over, or it was denied in so many words.
        On::Mail | On::Rcpt | On::Data => (Accepted, 2, 1),
        On::BodyBegun | On::Body if words.starts_with('4') => (Accepted, 2, 1),
        On::BodyBegun => (Unknown, 1, 0),
        On::Body => (Unknown, 1, 1),
    }
}

#[tokio::test]
async fn whatever_a_server_does_in_whatever_phase_the_mail_is_sent_once_or_its_fate_is_unknown() {
    for on in [
        On::Connect,
        On::Ehlo,
        On::Starttls,
        On::Auth,
        On::Mail,
        On::Rcpt,
        On::Data,
        On::BodyBegun,
        On::Body,
    ] {
        for act in everything() {
            // Who hangs up on a body that still comes in may take his own words back with it.
            if on == On::BodyBegun && matches!(act, Act::SayAndCut(_)) {
                continue;
            }
            let end = what_becomes(on, &act).await;
            let seen = (end.told.outcome, end.told.tries, end.taken.len());
            assert_eq!(seen, expected(on, &act), "{act:?} on {on:?}: {end:?}");
            assert!(end.bodies <= 2, "{act:?} on {on:?}: {end:?}");
        }
    }
}

/// Does `act` to the second of three receivers, in the first `connections`, and `at_last` to the
/// body. Answers how the mail ended, and who has it.
async fn second_of_three(act: Act, connections: usize, at_last: Act) -> (End, Vec<Vec<String>>) {
    let clock = Clock::default();
    let flies = clock.clone();
    let server = Server::start(Tls::None, move |turn| {
        let act = match turn.on {
            On::Rcpt if turn.line.contains("<b@") && turn.connection < connections => act.clone(),
            On::Body => at_last.clone(),
            _ => Act::Agree,
        };
        if act == Act::Stall {
            flies.fly();
        }
        act
    })
    .await;
    let mut config = config(server.port);
    config.notifier.to = ["a@example.com", "b@example.com", "c@example.com"]
        .map(str::to_owned)
        .to_vec();
    let end = send(&config, &server, &clock).await;
    let have = end.taken.iter().map(|taken| taken.to.clone()).collect();
    (end, have)
}

#[tokio::test]
async fn one_of_three_receivers_keeps_the_mail_from_no_other() {
    let (a, b, c) = ("a@example.com", "b@example.com", "c@example.com");
    let told = |end: &End| -> Vec<bool> {
        let receivers = end.told.receivers.iter();
        receivers.map(|receiver| receiver.accepted).collect()
    };
    for words in ["550 5.1.1 no such user", "530 5.7.0 login first"] {
        let (end, have) = second_of_three(say(words), usize::MAX, Act::Agree).await;
        assert_eq!((end.told.outcome, end.told.tries), (Accepted, 1), "{end:?}");
        assert_eq!(have, [[a, c]]);
        assert_eq!(told(&end), [true, false, true]);
        assert_eq!(end.told.receivers[1].answer, words);
    }
    // All wait for one that may be taken later.
    for act in everything() {
        if act == say(NEVER) {
            continue;
        }
        let (end, have) = second_of_three(act.clone(), 1, Act::Agree).await;
        let seen = (end.told.outcome, end.told.tries);
        assert_eq!(seen, (Accepted, 2), "{act:?}: {end:?}");
        assert_eq!(have, [[a, b, c]], "{act:?}");
        assert_eq!(told(&end), [true; 3], "{act:?}");
    }
    // But not for ever.
    let (end, have) = second_of_three(say(LATER), usize::MAX, Act::Agree).await;
    assert_eq!(end.told.outcome, Accepted, "{end:?}");
    assert_eq!(have, [[a, c]]);
    assert_eq!(told(&end), [true, false, true]);
}

#[tokio::test]
async fn a_mail_to_two_of_three_that_was_cut_after_its_last_dot_is_not_sent_again() {
    for at_last in [Act::Cut, Act::Stall, say("what?")] {
        let (end, have) = second_of_three(say("550 5.1.1 no such user"), 1, at_last).await;
        assert_eq!((end.told.outcome, end.told.tries), (Unknown, 1), "{end:?}");
        assert_eq!(have, [["a@example.com", "c@example.com"]]);
        assert_eq!(end.bodies, 1);
    }
}
