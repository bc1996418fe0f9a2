//! As much of an HTTP client as the harness needs.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// Body.
    pub body: String,
}

/// One connection, for one request after the other.
#[derive(Debug)]
pub struct Client {
    server: SocketAddr,
    stream: BufReader<TcpStream>,
}

/// `GET path` on a connection of its own.
pub(crate) async fn get(server: SocketAddr, path: &str) -> Result<Answer> {
    let mut client = Client::connect(server).await?;
    let head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    client.exchange(head, b"").await
}

/// `POST path` with a bearer token, on a connection of its own.
pub(crate) async fn post(
    server: SocketAddr,
    path: &str,
    token: &str,
    body: impl AsRef<[u8]>,
) -> Result<Answer> {
    Client::connect(server).await?.post(path, token, body).await
}

/// `POST path` as Amazon SNS does, without a token.
pub(crate) async fn post_as_sns(server: SocketAddr, path: &str, body: &str) -> Result<Answer> {
    let kind = "x-amz-sns-message-type: Notification";
    let mut client = Client::connect(server).await?;
    client.post_with(kind, path, body.as_bytes()).await
}

impl Client {
    /// Connects.
    pub async fn connect(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let stream = BufReader::new(stream);
        Ok(Self { server, stream })
    }

    /// `POST path` with a bearer token.
    pub async fn post(
        &mut self,
        path: &str,
        token: &str,
        body: impl AsRef<[u8]>,
    ) -> Result<Answer> {
        let bearer = format!("Authorization: Bearer {token}");
        self.post_with(&bearer, path, body.as_ref()).await
    }

    async fn post_with(&mut self, header: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\n{header}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        self.exchange(head, body).await
    }

    async fn exchange(&mut self, mut head: String, body: &[u8]) -> Result<Answer> {
        head += &format!("Host: {}\r\n\r\n", self.server);
        self.stream.write_all(head.as_bytes()).await?;
        // Who is refused early may not be read to the end; the answer says so.
        let _ = self.stream.write_all(body).await;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.stream.read_line(&mut head).await?;
            anyhow::ensure!(read > 0, "no HTTP answer, but {head:?}");
        }
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let mut body = Vec::new();
        match length {
            Some(length) => {
                body.resize(length.trim().parse()?, 0);
                self.stream.read_exact(&mut body).await?;
            }
            None => {
                self.stream.read_to_end(&mut body).await?;
            }
        }
        let status = head.split(' ').nth(1).context("no status line")?.parse()?;
        Ok(Answer {
            status,
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}
