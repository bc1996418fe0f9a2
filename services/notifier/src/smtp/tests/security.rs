//! TLS and login.

use super::*;

#[tokio::test]
async fn starttls_comes_before_anything_that_matters() {
    let server = Server::start(Tls::Starttls, agree).await;
    let (mut smtp, _folder) = secured(&server, config::Tls::Starttls);
    smtp.user = Some("landfall".to_owned());
    smtp.password = Some(Secret::new("hush"));
    assert!(matches!(
        send(&client_of(&smtp)).await,
        Ok(Fate::Accepted(_))
    ));
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
    assert!(matches!(
        send(&client_of(&smtp)).await,
        Ok(Fate::Accepted(_))
    ));
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
    offered(&client_of(&smtp), &envelope()).await;
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

/// Sessions in each of the three ways, with a server that does `act` on `on`.
async fn each_way(on: On, act: Act) -> Vec<Result<Fate, Refusal>> {
    let mut outcomes = vec![];
    for (tls, wanted) in [
        (Tls::None, config::Tls::None),
        (Tls::Starttls, config::Tls::Starttls),
        (Tls::Implicit, config::Tls::Implicit),
    ] {
        let server = Server::start(tls, only(on, act.clone())).await;
        let (smtp, _folder) = secured(&server, wanted);
        outcomes.push(send(&client_of(&smtp)).await);
    }
    outcomes
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    for on in [On::Connect, On::Mail] {
        let line = format!("250-{}\r\n", "and more ".repeat(50));
        for endless in ["2".to_owned(), line] {
            for outcome in each_way(on, Act::Flood(endless)).await {
                let refusal = outcome.unwrap_err();
                let (_, why) = reason(&refusal);
                assert!(why.contains("longer than 16384 bytes"), "{on:?}: {why}");
            }
        }
    }
}

#[tokio::test]
async fn a_code_without_a_text_is_an_answer() {
    for outcome in each_way(On::Body, say("250")).await {
        assert_eq!(outcome.unwrap(), Fate::Accepted("250".to_owned()));
    }
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
