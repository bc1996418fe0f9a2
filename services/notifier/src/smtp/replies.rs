//! The server's side of a session: its replies, made fit to be read, above TLS or without it.
//!
//! One line at a time goes on to whoever parses it. What a server may legally say and lettre cannot
//! read is put right: a code without a text (RFC 5321, 4.2), text that is no UTF-8, a line that ends
//! without a carriage return. A reply without end is cut: nothing of a server's bounds it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};

/// What a server may say before we say something, in bytes. Of an answer of many lines, lettre reads
/// all again with each line.
const MOST: usize = 16 * 1024;

/// A stream of bytes in both directions: TCP, or TLS on it.
pub(super) trait Wire:
    AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug
{
}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> Wire for T {}

/// A stream whose replies are read line by line.
#[derive(Debug)]
pub(super) struct Replies<W> {
    wire: BufReader<W>,
    peer: SocketAddr,
    /// The line that is coming in.
    line: Vec<u8>,
    /// What is handed out, and how much of it was.
    out: (Vec<u8>, usize),
    /// Bytes since we last said something.
    said: usize,
}

impl<W: Wire> Replies<W> {
    /// Around a stream to `peer` that nothing was read from.
    pub(super) fn new(wire: W, peer: SocketAddr) -> Self {
        Self {
            wire: BufReader::new(wire),
            peer,
            line: vec![],
            out: (vec![], 0),
            said: 0,
        }
    }

    /// Hands out a greeting of our own first, for a server that has given its own before TLS.
    pub(super) fn greeted(mut self) -> Self {
        self.out = (b"220 \r\n".to_vec(), 0);
        self
    }

    /// The stream itself; none where the server has said more than was read. (What comes in plain
    /// text behind the answer to `STARTTLS` must not be taken for answers from within TLS: whoever
    /// sits in between would speak for the server.)
    pub(super) fn into_wire(self) -> Option<W> {
        let nothing_left =
            self.wire.buffer().is_empty() && self.line.is_empty() && self.out.1 == self.out.0.len();
        nothing_left.then(|| self.wire.into_inner())
    }
}

/// A line as lettre reads it.
fn readable(line: &[u8]) -> Vec<u8> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let mut readable = String::from_utf8_lossy(text).into_owned();
    if text.len() == 3 && text.iter().all(u8::is_ascii_digit) {
        readable.push(' ');
    }
    readable.push_str("\r\n");
    readable.into_bytes()
}

impl<W: Wire> AsyncRead for Replies<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let (out, handed_out) = &mut this.out;
            if *handed_out < out.len() {
                let some = (out.len() - *handed_out).min(into.remaining());
                into.put_slice(&out[*handed_out..*handed_out + some]);
                *handed_out += some;
                return Poll::Ready(Ok(()));
            }
            let bytes = ready!(Pin::new(&mut this.wire).poll_fill_buf(context))?;
            if bytes.is_empty() {
                // Half a line is no reply.
                return Poll::Ready(Ok(()));
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let some = end.map_or(bytes.len(), |end| end + 1);
            this.line.extend_from_slice(&bytes[..some]);
            Pin::new(&mut this.wire).consume(some);
            this.said += some;
            if this.said > MOST {
                let why = format!("the server's answer is longer than {MOST} bytes");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
            }
            if end.is_some() {
                this.out = (readable(&this.line), 0);
                this.line.clear();
            }
        }
    }
}

impl<W: Wire> AsyncWrite for Replies<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.said = 0;
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }
}

impl<W: Wire> AsyncTokioStream for Replies<W> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_may_say_is_made_readable() {
        for (said, read) in [
            (&b"250 ok\r\n"[..], "250 ok\r\n"),
            (b"250\r\n", "250 \r\n"),
            (b"250\n", "250 \r\n"),
            (b"250-\r\n", "250-\r\n"),
            (b"550 na\xefve\r\n", "550 na\u{fffd}ve\r\n"),
            (b"what\r\n", "what\r\n"),
        ] {
            assert_eq!(String::from_utf8(readable(said)).unwrap(), read);
        }
    }
}
