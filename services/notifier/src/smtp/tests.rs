use std::sync::Arc;
use std::time::Duration;

use runtime::config::notifier as config;
use runtime::config::secret::Secret;

use super::client::KEPT;
use super::scripted::{Act, On, Server, Tls, Turn};
use super::*;

const TIMEOUT: Duration = Duration::from_millis(400);

fn settings(server: &Server, change: impl FnOnce(&mut config::Smtp)) -> config::Smtp {
    let mut smtp = config::Smtp {
        host: "localhost".to_owned(),
        port: server.port,
        tls: config::Tls::None,
        timeout: TIMEOUT,
        connections: 2,
        ..config::Smtp::default()
    };
    change(&mut smtp);
    smtp
}

fn client(server: &Server) -> Client {
    client_of(&settings(server, |_| {}))
}

fn client_of(smtp: &config::Smtp) -> Client {
    Client::new(
        Arc::new(Endpoint::new(smtp, "plant.example").unwrap()),
        KEPT,
    )
}

/// The settings that trust the server's certificate.
fn secured(server: &Server, tls: config::Tls) -> (config::Smtp, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, &server.certificate).unwrap();
    let smtp = settings(server, |smtp| {
        smtp.tls = tls;
        smtp.ca_file = Some(path);
    });
    (smtp, folder)
}

fn envelope() -> Envelope {
    Envelope {
        from: "landfall@plant.example".parse().unwrap(),
        to: vec![
            "a@example.com".parse().unwrap(),
            "b@example.com".parse().unwrap(),
        ],
        without_the_late: false,
    }
}

const MAIL: &[u8] = b"Subject: x\r\n\r\n.a line that begins with a dot\r\n..\r\nend\r\n";

fn agree(_: &Turn<'_>) -> Act {
    Act::Agree
}

/// Does `act` on `on`, and agrees to everything else.
fn only(on: On, act: Act) -> impl Fn(&Turn<'_>) -> Act + Send + Sync + 'static {
    move |turn| {
        if turn.on == on {
            act.clone()
        } else {
            Act::Agree
        }
    }
}

fn say(words: &str) -> Act {
    Act::Say(words.to_owned())
}

/// What becomes of a mail where the server does `act` on `on`, and whether its body went out.
async fn what_becomes(on: On, act: Act) -> (Result<Fate, Refusal>, usize) {
    let server = Server::start(Tls::None, only(on, act)).await;
    let client = client(&server);
    let outcome = match client.offer(&envelope()).await {
        Ok(offer) => Ok(offer.hand_over(MAIL).await),
        Err(refusal) => Err(refusal),
    };
    (outcome, server.bodies())
}

async fn refusal(on: On, act: Act) -> Refusal {
    let (outcome, bodies) = what_becomes(on, act).await;
    assert_eq!(bodies, 0);
    outcome.unwrap_err()
}

async fn fate(act: Act) -> Fate {
    what_becomes(On::Body, act).await.0.unwrap()
}

fn reason(refusal: &Refusal) -> (&'static str, &str) {
    match refusal {
        Refusal::Away(why) => ("away", why),
        Refusal::NotNow(why, _) => ("not now", why),
        Refusal::Never(why, _) => ("never", why),
    }
}

#[tokio::test]
async fn a_mail_is_handed_over_byte_by_byte() {
    let server = Server::start(Tls::None, agree).await;
    let client = client(&server);
    let offer = client
        .offer(&envelope())
        .await
        .unwrap_or_else(|no| panic!("{no:?}"));
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
    drop(
        client
            .offer(&envelope())
            .await
            .unwrap_or_else(|no| panic!("{no:?}")),
    );
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
    let offer = client(&server)
        .offer(&envelope())
        .await
        .unwrap_or_else(|no| panic!("{no:?}"));
    let answers = offer.answers();
    assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
    assert_eq!(server.taken()[0].to, ["a@example.com"]);
    assert!(answers[0].accepted && !answers[1].accepted);
    assert_eq!(answers[1].answer, "550 5.1.1 no such user");
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
    let offer = client
        .offer(&late)
        .await
        .unwrap_or_else(|no| panic!("{no:?}"));
    assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
    assert_eq!(server.taken()[0].to, ["a@example.com"]);
}

#[test]
fn what_receivers_are_told_decides_whether_to_go_on() {
    let ok = || Ok("250 ok".to_owned());
    let late = || Err(Failure::Said(450, "450 later".to_owned()));
    let gone = || Err(Failure::Said(550, "550 never".to_owned()));
    let wait = || Verdict::Wait("450 later".to_owned());
    let give_up = || Verdict::GiveUp("550 never".to_owned());
    for (answers, patient, hurried) in [
        (vec![ok(), ok()], Verdict::GoOn, Verdict::GoOn),
        (vec![ok(), gone()], Verdict::GoOn, Verdict::GoOn),
        (vec![gone(), gone()], give_up(), give_up()),
        (vec![ok(), late(), gone()], wait(), Verdict::GoOn),
        (vec![late(), gone()], wait(), wait()),
    ] {
        assert_eq!(weigh(&answers, false), patient, "{answers:?}");
        assert_eq!(weigh(&answers, true), hurried, "{answers:?}");
    }
}

#[tokio::test]
async fn a_session_is_used_for_the_next_mail() {
    let server = Server::start(Tls::None, agree).await;
    let client = client(&server);
    for _ in 0..3 {
        let offer = client
            .offer(&envelope())
            .await
            .unwrap_or_else(|no| panic!("{no:?}"));
        assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
    }
    assert_eq!((server.connections(), server.taken().len()), (1, 3));
}

#[tokio::test]
async fn a_session_that_the_server_has_ended_is_no_failure_of_the_next_mail() {
    let closes = |turn: &Turn<'_>| match turn.on {
        On::Body => Act::SayAndCut("250 ok, and good-bye".to_owned()),
        _ => Act::Agree,
    };
    let enough = |turn: &Turn<'_>| match (turn.on, turn.connection) {
        (On::Body, 0) => say("250 ok"),
        (On::Mail, 0) if ENOUGH.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0 => {
            say("421 enough mails")
        }
        _ => Act::Agree,
    };
    static ENOUGH: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    for server in [
        Server::start(Tls::None, closes).await,
        Server::start(Tls::None, enough).await,
    ] {
        let client = client(&server);
        for _ in 0..2 {
            let offer = client
                .offer(&envelope())
                .await
                .unwrap_or_else(|no| panic!("{no:?}"));
            assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
        }
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_ended() {
    let server = Server::start(Tls::None, agree).await;
    let endpoint = Arc::new(Endpoint::new(&settings(&server, |_| {}), "plant.example").unwrap());
    let client = Client::new(endpoint, Duration::from_millis(50));
    let offer = client
        .offer(&envelope())
        .await
        .unwrap_or_else(|no| panic!("{no:?}"));
    assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
    assert_eq!(server.open(), 1);
    tokio::select! {
        () = client.tidy() => {}
        () = until(|| server.open() == 0) => {}
    }
    assert_eq!(server.lines().last().unwrap(), "QUIT");
}

#[tokio::test]
async fn no_more_connections_are_open_than_may_be() {
    let server = Server::start(Tls::None, agree).await;
    let client = client(&server);
    let mails: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let offer = client
                    .offer(&envelope())
                    .await
                    .unwrap_or_else(|no| panic!("{no:?}"));
                offer.hand_over(MAIL).await
            })
        })
        .collect();
    for mail in mails {
        assert!(matches!(mail.await.unwrap(), Fate::Accepted(_)));
    }
    assert_eq!(server.taken().len(), 20);
    assert!(server.most_open() <= 2, "{} open", server.most_open());
}

#[tokio::test]
async fn starttls_comes_before_anything_that_matters() {
    let server = Server::start(Tls::Starttls, agree).await;
    let (mut smtp, _folder) = secured(&server, config::Tls::Starttls);
    smtp.user = Some("landfall".to_owned());
    smtp.password = Some(Secret::new("hush"));
    let offer = client_of(&smtp)
        .offer(&envelope())
        .await
        .unwrap_or_else(|no| panic!("{no:?}"));
    assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
    let lines = server.lines();
    // base64 of NUL landfall NUL hush.
    let expected = [
        "EHLO plant.example",
        "STARTTLS",
        "EHLO plant.example",
        "AUTH PLAIN AGxhbmRmYWxsAGh1c2g=",
    ];
    assert_eq!(lines[..4], expected);
}

#[tokio::test]
async fn implicit_tls_works_too() {
    let server = Server::start(Tls::Implicit, agree).await;
    let (smtp, _folder) = secured(&server, config::Tls::Implicit);
    let offer = client_of(&smtp)
        .offer(&envelope())
        .await
        .unwrap_or_else(|no| panic!("{no:?}"));
    assert!(matches!(offer.hand_over(MAIL).await, Fate::Accepted(_)));
}

#[tokio::test]
async fn a_server_that_knows_login_only_is_logged_in_to() {
    let server = Server::start(Tls::None, |turn| match turn.on {
        On::Ehlo => say("250-mx.test\r\n250 AUTH LOGIN"),
        _ => Act::Agree,
    })
    .await;
    let smtp = settings(&server, |smtp| {
        smtp.user = Some("landfall".to_owned());
        smtp.password = Some(Secret::new("hush"));
    });
    client_of(&smtp)
        .offer(&envelope())
        .await
        .unwrap_or_else(|no| panic!("{no:?}"));
    assert_eq!(
        server.lines()[1..4],
        ["AUTH LOGIN", "bGFuZGZhbGw=", "aHVzaA=="]
    );
}

#[tokio::test]
async fn a_wrong_password_is_an_outage_and_is_not_shown() {
    let server = Server::start(Tls::None, only(On::Auth, say("535 5.7.8 no"))).await;
    let smtp = settings(&server, |smtp| {
        smtp.user = Some("landfall".to_owned());
        smtp.password = Some(Secret::new("hush"));
    });
    let Err(Refusal::Away(why)) = client_of(&smtp).offer(&envelope()).await else {
        panic!()
    };
    assert_eq!(
        why,
        format!(
            "login with localhost:{}: 535 5.7.8 no; see `notifier.smtp`: user, password",
            server.port
        )
    );
}

#[tokio::test]
async fn without_tls_where_it_is_wanted_there_is_no_mail() {
    let plain = Server::start(Tls::None, agree).await;
    let (smtp, _folder) = secured(&plain, config::Tls::Starttls);
    let Err(Refusal::Away(why)) = client_of(&smtp).offer(&envelope()).await else {
        panic!()
    };
    assert!(why.contains("the server offers no STARTTLS"), "{why}");

    let later = Server::start(Tls::Starttls, only(On::Starttls, say("454 not now"))).await;
    let (smtp, _folder) = secured(&later, config::Tls::Starttls);
    let Err(Refusal::Away(why)) = client_of(&smtp).offer(&envelope()).await else {
        panic!()
    };
    assert!(
        why.starts_with("starttls with ") && why.contains("454 not now"),
        "{why}"
    );
    assert!(later.lines().iter().all(|line| !line.starts_with("MAIL")));
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    for (tls, wanted) in [
        (Tls::Starttls, config::Tls::Starttls),
        (Tls::Implicit, config::Tls::Implicit),
    ] {
        let server = Server::start(tls, agree).await;
        let other = Server::start(tls, agree).await;
        let (mut smtp, _folder) = secured(&other, wanted);
        smtp.port = server.port;
        let Err(Refusal::Away(why)) = client_of(&smtp).offer(&envelope()).await else {
            panic!()
        };
        assert!(
            why.contains("certificate") && why.ends_with("; see `notifier.smtp.ca_file`"),
            "{why}"
        );
        // Nor do the public ones vouch for it.
        smtp.ca_file = None;
        assert!(matches!(
            client_of(&smtp).offer(&envelope()).await,
            Err(Refusal::Away(_))
        ));
    }
}

#[tokio::test]
async fn what_is_slipped_in_behind_starttls_does_not_speak_for_the_server() {
    let injected = "220 go ahead\r\n250-evil.test\r\n250 8BITMIME";
    let server = Server::start(Tls::Starttls, only(On::Starttls, say(injected))).await;
    let (smtp, _folder) = secured(&server, config::Tls::Starttls);
    let refused = client_of(&smtp)
        .offer(&envelope())
        .await
        .err()
        .expect("refused");
    assert_eq!(reason(&refused).0, "away");
    assert_eq!(server.lines(), ["EHLO plant.example", "STARTTLS"]);
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
