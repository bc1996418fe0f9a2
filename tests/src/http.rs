//! As much of an HTTP client as the harness needs: one request a connection.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// `GET path`
pub(crate) async fn get(server: SocketAddr, path: &str) -> Result<Answer> {
    exchange(server, format!("GET {path} HTTP/1.1\r\n"), b"").await
}

/// `POST path` with a bearer token.
pub(crate) async fn post(
    server: SocketAddr,
    path: &str,
    token: &str,
    body: &[u8],
) -> Result<Answer> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    exchange(server, head, body).await
}

async fn exchange(server: SocketAddr, mut head: String, body: &[u8]) -> Result<Answer> {
    head += &format!("Host: {server}\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).context("no status line")?;
    Ok(Answer {
        status: status.parse()?,
        body: body.to_owned(),
    })
}
