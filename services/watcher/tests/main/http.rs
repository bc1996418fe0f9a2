//! Just enough of HTTP to be polite, or not.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer: its status and all of its text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// The value of a header; the name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// `POST /events`; none if nobody listens.
pub(crate) async fn post(port: u16, token: &str, body: &[u8]) -> Option<Answer> {
    let length = body.len();
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    send(port, &[head.as_bytes(), body].concat()).await
}

/// Whatever bytes, and what comes back until the other side closes.
pub(crate) async fn send(port: u16, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    // The other side may answer, and close, before it has read everything.
    let _ = stream.write_all(bytes).await;
    answer(&mut stream).await
}

/// What comes back until the other side closes.
pub(crate) async fn answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = vec![];
    let read = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .expect("the connection stays open");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, text })
}
