//! A gate before the store, which refuses what a test wants refused, sets the store's clock wrong,
//! and tells NATS of uploads as a store does that is wired.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_nats::Client;
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Whether a request, by its head, is meant.
pub(crate) type Which = fn(&str) -> bool;

/// What the gate does beside passing requests on. Heads of requests are in lower case.
#[derive(Default)]
pub(crate) struct Rules {
    /// Which requests it answers itself, and how.
    pub(crate) answers: Option<(Which, Answer)>,
    /// By how much the store's clock is ahead.
    pub(crate) ahead: SignedDuration,
    /// Whom it tells of uploads.
    pub(crate) tells: Option<Client>,
}

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// The right is missing.
    Denied,
    /// The bucket is in another region.
    Elsewhere,
    /// It was done, whether or not its conditions were met.
    Done,
}

/// One request a connection, as a whole.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    rules: Arc<Mutex<Rules>>,
}

impl Gate {
    /// Listens before `store` (`127.0.0.1:port`).
    pub(crate) async fn before(store: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            rules: Arc::default(),
        };
        let rules = Arc::clone(&gate.rules);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A client that goes away in the middle is nobody's fault.
                tokio::spawn(pass(client, store.clone(), Arc::clone(&rules)));
            }
        });
        gate
    }

    /// From now on it goes by other rules.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules.lock().unwrap());
    }
}

async fn pass(
    mut client: TcpStream,
    store: String,
    rules: Arc<Mutex<Rules>>,
) -> std::io::Result<()> {
    let (head, body) = message(&mut client).await?;
    let low = head.to_lowercase();
    let (answer, ahead, tells) = {
        let rules = rules.lock().unwrap();
        let answer = rules.answers.filter(|(which, _)| which(&low));
        let answer = answer.map(|(_, answer)| answer);
        (answer, rules.ahead, rules.tells.clone())
    };
    if let Some(answer) = answer {
        return client.write_all(answer.text(&low).as_bytes()).await;
    }
    let mut store = TcpStream::connect(store).await?;
    let once = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    store.write_all(once.as_bytes()).await?;
    store.write_all(&body).await?;
    let mut answered = vec![];
    store.read_to_end(&mut answered).await?;
    let is_upload = low.starts_with("put /")
        && low.contains("/incoming/")
        && !low.contains("x-amz-copy-source:")
        && answered.starts_with(b"HTTP/1.1 200");
    client.write_all(&at_another_time(answered, ahead)).await?;
    if let (true, Some(tells)) = (is_upload, tells) {
        let target = head.split(' ').nth(1).unwrap_or_default();
        let said = format!("{{\"Records\":[{{\"s3\":{{\"object\":{{\"key\":{target:?}}}}}}}]}}");
        let told = tells.publish("storage.versitygw", said.into()).await;
        told.and(Ok(())).map_err(std::io::Error::other)?;
    }
    Ok(())
}

/// A head, with the empty line that ends it, and the body behind.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(String, Vec<u8>)> {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body).await?;
    Ok((head, body))
}

/// An answer, with another `Date`.
fn at_another_time(answer: Vec<u8>, ahead: SignedDuration) -> Vec<u8> {
    let text = String::from_utf8_lossy(&answer);
    let date = text
        .lines()
        .find(|line| line.to_lowercase().starts_with("date:"));
    match date {
        Some(date) if !ahead.is_zero() => {
            let time = Timestamp::now() + ahead;
            let time = time.strftime("%a, %d %b %Y %H:%M:%S GMT");
            text.replacen(date, &format!("Date: {time}"), 1)
                .into_bytes()
        }
        _ => answer,
    }
}

impl Answer {
    fn text(self, head: &str) -> String {
        let (status, code) = match self {
            Self::Denied => ("403 Forbidden", "AccessDenied"),
            Self::Elsewhere => ("400 Bad Request", "AuthorizationHeaderMalformed"),
            Self::Done => return "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(),
        };
        let body = format!("<Error><Code>{code}</Code><Message>No.</Message></Error>");
        let body = if head.starts_with("head ") { "" } else { &body };
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
    }
}
