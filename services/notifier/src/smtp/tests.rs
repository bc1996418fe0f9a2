//! The dialogue with a mail server that does as it is told, in every phase.

mod dialogue;
mod security;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use runtime::config::notifier as config;
use runtime::config::secret::Secret;

use super::client::KEPT;
use super::scripted::{Act, On, Server, Tls, Turn};
use super::*;

/// Longer than a busy machine takes for anything.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where the server is silent, and that is to be seen soon.
const SHORT: Duration = Duration::from_millis(500);

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

/// What the server is ready for.
async fn offered(client: &Client, envelope: &Envelope) -> Box<dyn Offer> {
    let offer = client.offer(envelope).await;
    offer.unwrap_or_else(|no| panic!("{no:?}"))
}

async fn send(client: &Client) -> Result<Fate, Refusal> {
    let offer = client.offer(&envelope()).await?;
    Ok(offer.hand_over(MAIL).await)
}

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

fn reason(refusal: &Refusal) -> (&'static str, &str) {
    match refusal {
        Refusal::Away(why) => ("away", why),
        Refusal::NotNow(why, _) => ("not now", why),
        Refusal::Never(why, _) => ("never", why),
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
