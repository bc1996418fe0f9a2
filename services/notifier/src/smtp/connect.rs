//! Opening a session: TCP, TLS, greeting, `EHLO`, login.

use std::time::Duration;

use failpoint::Subject;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use runtime::config::notifier::{Smtp, Tls};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::line_by_line::LineByLine;
use super::{Failure, Phase};

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
    Starttls(TlsParameters),
    Implicit(TlsParameters),
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

    /// Opens a session that takes mails.
    pub(super) async fn open(&self) -> Result<AsyncSmtpConnection, (Phase, Failure)> {
        let mut connection = self.within(Phase::Connect, self.greet()).await?;
        if let Security::Starttls(tls) = &self.security {
            if !connection.can_starttls() {
                connection.abort().await;
                let why = "the server offers no STARTTLS; if it speaks TLS from the first byte \
                           (mostly on port 465), set `notifier.smtp.tls` to \"implicit\"";
                return Err((Phase::Tls, Failure::Broken(why.to_owned())));
            }
            let upgrade = async { connection.starttls(tls.clone(), &self.hello).await };
            let upgraded = self.within(Phase::Tls, async { upgrade.await.map_err(of) });
            upgraded.await?;
        }
        if let Some(login) = &self.login {
            let auth = async { connection.auth(DEFAULT_MECHANISMS, login).await.map_err(of) };
            self.within(Phase::Login, auth).await?;
        }
        Ok(connection)
    }

    /// TCP, TLS where it is implicit, greeting, `EHLO`.
    async fn greet(&self) -> Result<AsyncSmtpConnection, Failure> {
        let address = (self.host.as_str(), self.port);
        match &self.security {
            Security::Implicit(tls) => AsyncSmtpConnection::connect_tokio1(
                address,
                Some(self.timeout),
                &self.hello,
                Some(tls.clone()),
                None,
            )
            .await
            .map_err(of),
            Security::Starttls(_) | Security::None => {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|error| Failure::Broken(error.to_string()))?;
                let stream = Box::new(LineByLine::new(stream));
                AsyncSmtpConnection::connect_with_transport(stream, &self.hello)
                    .await
                    .map_err(of)
            }
        }
    }

    async fn within<T>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, (Phase, Failure)> {
        let done = timeout(self.timeout, work);
        match failpoint::around(phase.failpoint(), Subject::NONE, done).await {
            Ok(done) => done.map_err(|failure| (phase, failure)),
            Err(_) => Err((phase, Failure::silence())),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands in `map_err`")]
fn of(error: lettre::transport::smtp::Error) -> Failure {
    Failure::of(&error)
}

impl Security {
    fn new(config: &Smtp) -> Result<Self, String> {
        match config.tls {
            Tls::Starttls => Ok(Self::Starttls(tls_parameters(config)?)),
            Tls::Implicit => Ok(Self::Implicit(tls_parameters(config)?)),
            // The configuration refuses it for any host but this one.
            Tls::None => Ok(Self::None),
        }
    }
}

/// Trusts the authority of `ca_file` and no other where it is set, else the public ones.
fn tls_parameters(config: &Smtp) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host(config).to_owned());
    if let Some(path) = &config.ca_file {
        let wrong = |why: String| format!("`notifier.smtp.ca_file`: {}: {why}", path.display());
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        if !pem.windows(10).any(|window| window == b"-----BEGIN") {
            return Err(wrong("holds no PEM certificate".to_owned()));
        }
        let authority = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(authority);
    }
    builder
        .build()
        .map_err(|error| format!("`notifier.smtp.host`: `{}`: {error}", config.host))
}

/// Without the brackets that a URL would have around an IPv6 address.
fn host(config: &Smtp) -> &str {
    config.host.trim_start_matches('[').trim_end_matches(']')
}

fn login(config: &Smtp) -> Option<Credentials> {
    let (user, password) = (config.user.clone()?, config.password.as_ref()?);
    Some(Credentials::new(user, password.expose().to_owned()))
}
