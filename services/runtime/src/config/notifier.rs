//! The notifier.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::period;
use super::secret::Secret;

/// `[notifier]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long after `moved` the mail goes out. Rejected and failed files tell at once.
    #[serde(with = "period")]
    pub delay: Duration,
    /// For how long a mail that the server will not take now is tried again.
    #[serde(with = "period")]
    pub retry_for: Duration,
    /// How long after the first try comes the second. Each wait is twice the one before, up to an
    /// hour.
    #[serde(with = "period")]
    pub retry_after: Duration,
    /// The mail server.
    pub smtp: Smtp,
    /// `From`.
    pub from: String,
    /// `Reply-To`.
    pub reply_to: Option<String>,
    /// Receivers of everything that no route of `routes` matches; nobody if empty.
    pub to: Vec<String>,
    /// Receivers of `failed`; `to` if empty.
    pub operators: Vec<String>,
    /// Who hears of which files; the first that matches decides.
    pub routes: Vec<Route>,
}

/// `[notifier.smtp]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is encrypted; remote hosts need one of the two.
    pub tls: Tls,
    /// PEM file of the authority that signed the server's certificate, where it is not a public one.
    pub ca_file: Option<std::path::PathBuf>,
    /// User name for the login; none, no login.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// How long one command may wait for its answer; the answer to the mail's body, ten times as
    /// long (RFC 5321, 4.5.3.2.6).
    #[serde(with = "period")]
    pub timeout: Duration,
    /// How many connections are open at once, at most.
    pub connections: usize,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// STARTTLS (RFC 3207), required.
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// None: for a loopback host only.
    None,
}

/// `[[notifier.routes]]`: all the conditions that are set must hold. A `failed` is the operators'
/// business: only a route with `outcome = "failed"` takes it from them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name, for records and logs.
    pub name: String,
    /// Buckets, as a glob.
    pub bucket: Option<String>,
    /// Keys, as a glob.
    pub key: Option<String>,
    /// Profile name.
    pub profile: Option<String>,
    /// `ingested`, `rejected` or `failed`.
    pub outcome: Option<Outcome>,
    /// Receivers; none, nobody is told.
    pub to: Vec<String>,
    /// Another delay for ingested files, or for the `outcome` that this route names.
    #[serde(default, with = "period::optional")]
    pub delay: Option<Duration>,
}

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is named after the event it stands for")]
pub enum Outcome {
    Ingested,
    Rejected,
    Failed,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 587,
            tls: Tls::Starttls,
            ca_file: None,
            user: None,
            password: None,
            timeout: Duration::from_secs(60),
            connections: 8,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(600),
            retry_for: Duration::from_secs(4 * 24 * 60 * 60),
            retry_after: Duration::from_secs(60),
            smtp: Smtp::default(),
            from: "Landfall <landfall@localhost>".to_owned(),
            reply_to: None,
            to: vec![],
            operators: vec![],
            routes: vec![],
        }
    }
}
