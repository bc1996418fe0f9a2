//! Opening a session: TCP, TLS, greeting, `EHLO`, login.

use std::net::SocketAddr;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use runtime::config::notifier::{self as config, Smtp};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::replies::{Replies, Wire};
use super::tls::Tls;
use super::{Failure, Phase, words_of};

/// The mail server, and how to speak with it.
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    security: Security,
    login: Option<Credentials>,
    hello: ClientId,
    /// How long one command may wait for its answer.
    pub(super) timeout: Duration,
    /// How many connections may be open at once.
    pub(super) connections: usize,
}

enum Security {
    Starttls(Tls),
    Implicit(Tls),
    None,
}

impl Endpoint {
    /// From the configuration, or the line that says what is wrong with it. `domain` is the
    /// sender's: what the server is told who we are.
    pub(crate) fn new(config: &Smtp, domain: &str) -> Result<Self, String> {
        Ok(Self {
            host: host(config).to_owned(),
            port: config.port,
            security: Security::new(config)?,
            login: login(config),
            hello: ClientId::Domain(domain.to_owned()),
            timeout: config.timeout,
            connections: config.connections,
        })
    }

    /// How long the answer to the body is waited for.
    pub(crate) fn body_timeout(&self) -> Duration {
        10 * self.timeout
    }

    /// For how long a claim holds: longer than anything that is done under it.
    pub(crate) fn claim_holds(&self) -> Duration {
        self.body_timeout() + self.claim_timeout() + self.timeout
    }

    /// How long after its claim a body may still begin to go out: the server is waiting for it.
    pub(crate) fn claim_timeout(&self) -> Duration {
        self.timeout / 2
    }

    /// `host:port`, for messages.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether sessions begin with a login.
    pub(super) fn logs_in(&self) -> bool {
        self.login.is_some()
    }

    /// Opens a session that takes mails.
    pub(super) async fn open(&self) -> Result<AsyncSmtpConnection, (Phase, Failure)> {
        let (stream, peer) = self
            .connect()
            .await
            .map_err(|failure| (Phase::Connect, failure))?;
        let mut connection = match &self.security {
            Security::None => {
                let replies = Replies::new(stream, peer);
                self.within(Phase::Connect, self.greet(replies)).await?
            }
            Security::Implicit(tls) => {
                let secured = async {
                    self.greet(Replies::new(tls.secure(stream).await?, peer))
                        .await
                };
                self.within(Phase::Connect, secured).await?
            }
            Security::Starttls(tls) => {
                let hello = async { Plain::greet(stream, peer, &self.hello).await };
                let plain = self.within(Phase::Connect, hello).await?;
                let secured = async {
                    let stream = plain.hand_over().await?;
                    let replies = Replies::new(tls.secure(stream).await?, peer).greeted();
                    self.greet(replies).await
                };
                self.within(Phase::Tls, secured).await?
            }
        };
        if let Some(login) = &self.login {
            let auth = async { connection.auth(DEFAULT_MECHANISMS, login).await.map_err(of) };
            self.within(Phase::Login, auth).await?;
        }
        Ok(connection)
    }

    async fn connect(&self) -> Result<(TcpStream, SocketAddr), Failure> {
        let found = lookup_host((self.host.as_str(), self.port));
        let addresses = match timeout(self.timeout, found).await {
            Ok(found) => found.map_err(|error| Failure::broken(&error))?,
            Err(_) => return Err(Failure::silence()),
        };
        first_that_answers(addresses, self.timeout / 4).await
    }

    /// Greeting and `EHLO`.
    async fn greet(
        &self,
        replies: Replies<impl Wire + 'static>,
    ) -> Result<AsyncSmtpConnection, Failure> {
        AsyncSmtpConnection::connect_with_transport(Box::new(replies), &self.hello)
            .await
            .map_err(of)
    }

    async fn within<T>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, (Phase, Failure)> {
        let done = phase.said(timeout(self.timeout, work), |done| match done {
            Ok(done) => done,
            Err(_) => Err(Failure::silence()),
        });
        done.await.map_err(|failure| (phase, failure))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands in `map_err`")]
fn of(error: lettre::transport::smtp::Error) -> Failure {
    Failure::of(&error)
}

/// Connects to one of a host's addresses, in their order. Each has a time of its own: one that leads
/// nowhere (IPv6 that nobody routes) must not use up that of the next.
#[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
async fn first_that_answers(
    addresses: impl Iterator<Item = SocketAddr>,
    each: Duration,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut last = Failure::Broken("the host has no address".to_owned());
    for address in addresses {
        match timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // The dot that ends a body would wait for the acknowledgement of the body, which
                // many servers delay. Without it, mails are only slower.
                let _ = stream.set_nodelay(true);
                return Ok((stream, address));
            }
            Ok(Err(error)) => last = Failure::broken(&error),
            Err(_) => last = Failure::silence(),
        }
    }
    Err(last)
}

impl Security {
    fn new(config: &Smtp) -> Result<Self, String> {
        match config.tls {
            config::Tls::Starttls => Ok(Self::Starttls(Tls::new(config, host(config))?)),
            config::Tls::Implicit => Ok(Self::Implicit(Tls::new(config, host(config))?)),
            // The configuration refuses it for any host but this one.
            config::Tls::None => Ok(Self::None),
        }
    }
}

/// A session in plain text, which goes no further than `STARTTLS`.
struct Plain(BufReader<Replies<TcpStream>>);

impl Plain {
    /// Greeting and `EHLO`, which has to offer `STARTTLS`.
    async fn greet(stream: TcpStream, peer: SocketAddr, hello: &ClientId) -> Result<Self, Failure> {
        let mut plain = Self(BufReader::new(Replies::new(stream, peer)));
        plain.reply().await?;
        let offers = plain.say(&format!("EHLO {hello}")).await?;
        if offers
            .iter()
            .any(|offer| offer.eq_ignore_ascii_case("STARTTLS"))
        {
            return Ok(plain);
        }
        let why = "the server offers no STARTTLS; if it speaks TLS from the first byte (mostly on \
                   port 465), set `notifier.smtp.tls` to \"implicit\"";
        Err(Failure::Broken(why.to_owned()))
    }

    /// The stream, on which the server waits for TLS.
    async fn hand_over(mut self) -> Result<TcpStream, Failure> {
        self.say("STARTTLS").await?;
        let nothing_left = self.0.buffer().is_empty();
        let wire = self.0.into_inner().into_wire().filter(|_| nothing_left);
        wire.ok_or_else(|| {
            Failure::Broken("the server says more in plain text than its answer".to_owned())
        })
    }

    async fn say(&mut self, command: &str) -> Result<Vec<String>, Failure> {
        let line = format!("{command}\r\n");
        let written = self.0.write_all(line.as_bytes()).await;
        written.map_err(|error| Failure::broken(&error))?;
        self.reply().await
    }

    /// The lines of an agreement, without their codes.
    async fn reply(&mut self) -> Result<Vec<String>, Failure> {
        let mut texts = vec![];
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line).await {
                Ok(0) => return Err(Failure::Broken("the server hung up".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(Failure::broken(&error)),
            }
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let (Some(code @ 200..=599), Some(text)) = (code, line.get(4..)) else {
                return Err(Failure::Broken(format!(
                    "no reply: {}",
                    words_of("", &line)
                )));
            };
            texts.push(text.trim_end().to_owned());
            if line.as_bytes()[3] == b'-' {
                continue;
            }
            return match code {
                200..=299 => Ok(texts),
                code => Err(Failure::Said(code, words_of(code, &texts.join(" ")))),
            };
        }
    }
}

/// Without the brackets that a URL would have around an IPv6 address.
fn host(config: &Smtp) -> &str {
    config.host.trim_start_matches('[').trim_end_matches(']')
}

fn login(config: &Smtp) -> Option<Credentials> {
    let (user, password) = (config.user.clone()?, config.password.as_ref()?);
    Some(Credentials::new(user, password.expose().to_owned()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;
    use tokio::task::JoinSet;

    use super::*;

    /// A listener that lets nobody in any more: its queue is full, and what else asks is not
    /// answered at all.
    #[expect(clippy::disallowed_methods, reason = "a test of the connection itself")]
    async fn black_hole() -> (tokio::net::TcpListener, JoinSet<std::io::Result<TcpStream>>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = JoinSet::new();
        loop {
            waiting.spawn(TcpStream::connect(address));
            let connected = TcpStream::connect(address);
            if timeout(Duration::from_secs(1), connected).await.is_err() {
                return (listener, waiting);
            }
        }
    }

    #[tokio::test]
    async fn an_address_that_leads_nowhere_does_not_keep_from_the_next() {
        let (hole, _waiting) = black_hole().await;
        let there = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [hole.local_addr().unwrap(), there.local_addr().unwrap()];
        let connected = first_that_answers(addresses.into_iter(), Duration::from_secs(2)).await;
        assert_eq!(connected.unwrap().1, addresses[1]);
        let nobody = first_that_answers([addresses[0]].into_iter(), Duration::from_millis(200));
        assert_eq!(nobody.await.unwrap_err(), Failure::silence());
    }
}
