//! Which mails share a connection.

use super::*;

#[tokio::test]
async fn a_session_is_used_for_the_next_mail() {
    let server = Server::start(Tls::None, agree).await;
    let client = client(&server);
    for _ in 0..3 {
        assert!(matches!(send(&client).await, Ok(Fate::Accepted(_))));
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
            assert!(matches!(send(&client).await, Ok(Fate::Accepted(_))));
        }
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_ended() {
    let server = Server::start(Tls::None, agree).await;
    let endpoint = Arc::new(Endpoint::new(&settings(&server, |_| {}), "plant.example").unwrap());
    let client = Client::new(endpoint, Duration::from_millis(50));
    assert!(matches!(send(&client).await, Ok(Fate::Accepted(_))));
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
            tokio::spawn(async move { send(&client).await })
        })
        .collect();
    for mail in mails {
        assert!(matches!(mail.await.unwrap(), Ok(Fate::Accepted(_))));
    }
    assert_eq!(server.taken().len(), 20);
    assert!(server.most_open() <= 2, "{} open", server.most_open());
}
