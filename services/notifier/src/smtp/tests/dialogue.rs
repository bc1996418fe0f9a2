//! What each answer in each phase means for the mail.

use super::*;

/// What becomes of a mail where the server does `act` on `on`, and whether its body went out.
async fn what_becomes(on: On, act: Act) -> (Result<Fate, Refusal>, usize) {
    let patience = if act == Act::Stall { SHORT } else { TIMEOUT };
    let server = Server::start(Tls::None, only(on, act)).await;
    let client = client_of(&settings(&server, |smtp| smtp.timeout = patience));
    (send(&client).await, server.bodies())
}

async fn refusal(on: On, act: Act) -> Refusal {
    let (outcome, bodies) = what_becomes(on, act).await;
    assert_eq!(bodies, 0);
    outcome.unwrap_err()
}

async fn fate(act: Act) -> Fate {
    what_becomes(On::Body, act).await.0.unwrap()
}

#[tokio::test]
async fn a_mail_is_handed_over_byte_by_byte() {
    let server = Server::start(Tls::None, agree).await;
    let client = client(&server);
    let offer = offered(&client, &envelope()).await;
    let answers = offer.answers();
    assert_eq!(server.bodies(), 0);
    assert_eq!(
        offer.hand_over(MAIL).await,
        Fate::Accepted("250 2.0.0 queued as 1".to_owned())
    );
    assert_eq!(
        server.lines(),
        [
            "EHLO plant.example",
            "MAIL FROM:<landfall@plant.example>",
            "RCPT TO:<a@example.com>",
            "RCPT TO:<b@example.com>",
            "DATA",
        ]
    );
    let taken = server.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].to, ["a@example.com", "b@example.com"]);
    // lettre ends the body with a line break of its own.
    assert_eq!(taken[0].body.strip_suffix(b"\r\n").unwrap(), MAIL);
    let accepted = |address: &str| Receiver {
        address: address.to_owned(),
        accepted: true,
        answer: "250 2.1.5 ok".to_owned(),
    };
    assert_eq!(
        answers,
        [accepted("a@example.com"), accepted("b@example.com")]
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_away() {
    let server = Server::start(Tls::None, agree).await;
    let port = servers::Port::free().unwrap();
    let client = client_of(&settings(&server, |smtp| smtp.port = port.number()));
    let Err(Refusal::Away(why)) = client.offer(&envelope()).await else {
        panic!()
    };
    assert!(
        why.starts_with(&format!(
            "connect with localhost:{}: Connection refused",
            port.number()
        )),
        "{why}"
    );
    assert!(
        why.ends_with("; see `notifier.smtp`: host, port, tls"),
        "{why}"
    );
}

#[tokio::test]
async fn whatever_goes_wrong_before_the_mail_is_the_servers_outage() {
    for (on, act, words) in [
        (
            On::Connect,
            say("421 too busy"),
            "connect with localhost:PORT: 421 too busy; see",
        ),
        (
            On::Connect,
            say("554 no service"),
            "connect with localhost:PORT: 554 no service; see",
        ),
        (On::Connect, Act::Cut, "connect with localhost:PORT: "),
        (
            On::Connect,
            Act::Stall,
            "connect with localhost:PORT: no answer in time; see",
        ),
        (
            On::Ehlo,
            say("502 what?"),
            "connect with localhost:PORT: 502 what?; see",
        ),
        (
            On::Ehlo,
            Act::Stall,
            "connect with localhost:PORT: no answer in time; see",
        ),
        (
            On::Mail,
            say("530 5.7.0 login first"),
            "mail with localhost:PORT: 530 5.7.0 login first; see `notifier.smtp`: user, password",
        ),
        (
            On::Rcpt,
            say("530 5.7.0 login first"),
            "rcpt with localhost:PORT: 530 5.7.0 login first; see",
        ),
    ] {
        let refusal = refusal(on, act).await;
        let (kind, why) = reason(&refusal);
        let digits = why.find("localhost:").map(|at| at + 10).unwrap();
        let port: String = why[digits..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let why = why.replacen(&port, "PORT", 1);
        assert!(
            kind == "away" && why.starts_with(words),
            "{on:?}: {kind}: {why}"
        );
    }
}

#[tokio::test]
async fn what_the_server_says_of_the_mail_before_its_body_is_about_the_mail() {
    for (on, act, kind, words) in [
        (
            On::Mail,
            say("451 4.3.0 later"),
            "not now",
            "451 4.3.0 later",
        ),
        (
            On::Mail,
            say("550 5.7.1 not you"),
            "never",
            "550 5.7.1 not you",
        ),
        (On::Mail, say("421 closing"), "not now", "421 closing"),
        (On::Mail, Act::Stall, "not now", "no answer in time"),
        (
            On::Rcpt,
            say("450 4.2.0 greylisted"),
            "not now",
            "450 4.2.0 greylisted",
        ),
        (
            On::Rcpt,
            say("550-5.1.1 no such\r\n550 5.1.1 user"),
            "never",
            "550 5.1.1 no such user",
        ),
        (On::Rcpt, say("421 closing"), "not now", "421 closing"),
        (On::Rcpt, Act::Stall, "not now", "no answer in time"),
        (
            On::Data,
            say("451 4.3.0 disk full"),
            "not now",
            "451 4.3.0 disk full",
        ),
        (On::Data, say("554 5.5.1 no"), "never", "554 5.5.1 no"),
        (On::Data, say("250 go on"), "not now", "250 go on"),
        (On::Data, Act::Stall, "not now", "no answer in time"),
    ] {
        let refusal = refusal(on, act).await;
        assert_eq!(reason(&refusal), (kind, words), "{on:?}");
        let (Refusal::NotNow(_, answers) | Refusal::Never(_, answers)) = refusal else {
            panic!()
        };
        let named: Vec<&str> = answers
            .iter()
            .map(|receiver| receiver.address.as_str())
            .collect();
        assert_eq!(named, ["a@example.com", "b@example.com"], "{on:?}");
        assert!(
            answers
                .iter()
                .all(|receiver| !receiver.accepted && receiver.answer == words),
            "{on:?}"
        );
    }
    for on in [On::Mail, On::Rcpt, On::Data] {
        assert_eq!(reason(&refusal(on, Act::Cut).await).0, "not now", "{on:?}");
    }
}

#[tokio::test]
async fn a_definite_answer_to_the_body_is_believed() {
    assert_eq!(
        fate(say("451 4.3.0 later")).await,
        Fate::NotNow("451 4.3.0 later".to_owned())
    );
    assert_eq!(
        fate(say("421 closing")).await,
        Fate::NotNow("421 closing".to_owned())
    );
    assert_eq!(
        fate(say("554 5.7.1 spam")).await,
        Fate::Never("554 5.7.1 spam".to_owned())
    );
    assert_eq!(
        fate(say("251 will forward")).await,
        Fate::Accepted("251 will forward".to_owned())
    );
}

#[tokio::test]
async fn without_one_nobody_knows() {
    assert!(matches!(fate(Act::Cut).await, Fate::Unknown(_)));
    assert_eq!(
        fate(Act::Stall).await,
        Fate::Unknown("no answer in time".to_owned())
    );
    assert_eq!(
        fate(say("354 go on")).await,
        Fate::Unknown("354 go on".to_owned())
    );
    assert!(matches!(fate(say("what")).await, Fate::Unknown(_)));
    let (cut, bodies) = what_becomes(On::BodyBegun, Act::Cut).await;
    assert!(matches!(cut, Ok(Fate::Unknown(_))), "{cut:?}");
    assert_eq!(bodies, 1);
}

#[tokio::test]
async fn an_offer_that_is_dropped_sends_nothing() {
    let server = Server::start(Tls::None, agree).await;
    let client = client(&server);
    drop(offered(&client, &envelope()).await);
    until(|| server.open() == 0).await;
    assert_eq!((server.bodies(), server.taken().len()), (0, 0));
}

#[tokio::test]
async fn receivers_that_are_refused_are_left_out_and_recorded() {
    let server = Server::start(Tls::None, |turn| match turn.on {
        On::Rcpt if turn.line.contains("b@") => say("550 5.1.1 no such user"),
        _ => Act::Agree,
    })
    .await;
    let offer = offered(&client(&server), &envelope()).await;
    let answers = offer.answers();
    assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
    assert_eq!(server.taken()[0].to, ["a@example.com"]);
    assert!(answers[0].accepted && !answers[1].accepted);
    assert_eq!(answers[1].answer, "550 5.1.1 no such user");
}

#[tokio::test]
async fn a_receiver_that_needs_a_login_is_refused_like_any_other() {
    let server = Server::start(Tls::None, |turn| match turn.on {
        On::Rcpt if turn.line.contains("b@") => say("530 5.7.1 login first"),
        _ => Act::Agree,
    })
    .await;
    let offer = offered(&client(&server), &envelope()).await;
    let answers = offer.answers();
    assert!(answers[0].accepted && !answers[1].accepted);
    assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
    assert_eq!(server.taken()[0].to, ["a@example.com"]);
}

#[tokio::test]
async fn all_wait_for_a_late_receiver_until_their_time_is_up() {
    let server = Server::start(Tls::None, |turn| match turn.on {
        On::Rcpt if turn.line.contains("b@") => say("452 4.2.2 mailbox full"),
        _ => Act::Agree,
    })
    .await;
    let client = client(&server);
    let Err(Refusal::NotNow(why, answers)) = client.offer(&envelope()).await else {
        panic!()
    };
    assert_eq!(why, "452 4.2.2 mailbox full");
    assert!(answers[0].accepted && !answers[1].accepted);
    assert!(!server.lines().contains(&"DATA".to_owned()));
    let late = Envelope {
        without_the_late: true,
        ..envelope()
    };
    let offer = offered(&client, &late).await;
    assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
    assert_eq!(server.taken()[0].to, ["a@example.com"]);
}

#[test]
fn what_receivers_are_told_decides_whether_to_go_on() {
    let ok = || Ok("250 ok".to_owned());
    let late = || Err(Failure::Said(450, "450 later".to_owned()));
    let gone = || Err(Failure::Said(550, "550 never".to_owned()));
    let locked = || Err(Failure::Said(530, "530 login".to_owned()));
    let login = || Verdict::Login(Failure::Said(530, "530 login".to_owned()));
    let wait = || Verdict::Wait("450 later".to_owned());
    let give_up = || Verdict::GiveUp("550 never".to_owned());
    for (answers, patient, hurried) in [
        (vec![ok(), ok()], Verdict::GoOn, Verdict::GoOn),
        (vec![ok(), gone()], Verdict::GoOn, Verdict::GoOn),
        (vec![gone(), gone()], give_up(), give_up()),
        (vec![ok(), late(), gone()], wait(), Verdict::GoOn),
        (vec![late(), gone()], wait(), wait()),
    ] {
        for logged_in in [true, false] {
            assert_eq!(weigh(&answers, false, logged_in), patient, "{answers:?}");
            assert_eq!(weigh(&answers, true, logged_in), hurried, "{answers:?}");
        }
    }
    // One that needs a login does not stop the rest, nor all where there is one.
    for (answers, expected) in [
        (vec![ok(), locked()], Verdict::GoOn),
        (vec![gone(), locked()], give_up()),
        (vec![locked(), locked()], login()),
    ] {
        assert_eq!(weigh(&answers, false, false), expected, "{answers:?}");
    }
    let refused = Verdict::GiveUp("530 login".to_owned());
    assert_eq!(weigh(&[locked(), locked()], false, true), refused);
}
