//! Handing a mail to the mail server, phase by phase (RFC 5321).
//!
//! What matters is how far the dialogue got. Until the server has asked for the body (354),
//! nothing was handed over, whatever breaks. From the body's first byte on, only a definite answer
//! says what became of it: without one its fate is unknown.

mod client;
mod connect;
mod replies;
mod tls;

use async_trait::async_trait;
use failpoint::{Call, Subject};
use lettre::Address;
use lettre::transport::smtp::response::Severity;
use proto::event::Receiver;
use runtime::telemetry;
use tracing::Instrument;

use crate::visible::visible;

pub(crate) use client::{Client, KEPT};
pub(crate) use connect::Endpoint;

/// A mail server.
#[async_trait]
pub(crate) trait Post: Send + Sync + 'static {
    /// Goes through the dialogue until the server asks for the body.
    async fn offer(&self, envelope: &Envelope) -> Result<Box<dyn Offer>, Refusal>;
}

/// A mail whose body the server has asked for. Dropped, it cuts the connection, and the server has
/// to forget the mail (RFC 5321, 4.1.1.4); anything said now would be the body.
#[async_trait]
pub(crate) trait Offer: Send {
    /// What the server said to each receiver.
    fn answers(&self) -> Vec<Receiver>;

    /// Sends the body and waits for the answer.
    async fn hand_over(self: Box<Self>, mail: &[u8]) -> Fate;
}

/// Who sends to whom.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    /// `MAIL FROM`.
    pub(crate) from: Address,
    /// `RCPT TO`.
    pub(crate) to: Vec<Address>,
    /// Whether to go on without receivers that the server will not take now.
    pub(crate) without_the_late: bool,
}

/// Why the server does not ask for the body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// There is no session with it. That has nothing to do with the mail.
    Away(String),
    /// It will not take this mail now.
    NotNow(String, Vec<Receiver>),
    /// It will never take this mail.
    Never(String, Vec<Receiver>),
}

/// What became of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The server took it.
    Accepted(String),
    /// It did not, and may do so later.
    NotNow(String),
    /// It did not, and never will.
    Never(String),
    /// Nobody knows.
    Unknown(String),
}

/// How far the dialogue got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// TCP, TLS where it is implicit, greeting, `EHLO`.
    Connect,
    /// `STARTTLS`, and `EHLO` once more.
    Tls,
    /// `AUTH`.
    Login,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Receiver,
    /// `DATA`.
    Data,
    /// The body and its answer.
    Body,
}

impl Phase {
    /// As a label of metrics and a word in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "starttls",
            Self::Login => "login",
            Self::Mail => "mail",
            Self::Receiver => "rcpt",
            Self::Data => "data",
            Self::Body => "body",
        }
    }

    /// Waits for what the server says in this phase: with failpoints before and after it, in a
    /// span of the mail.
    async fn said<S, T>(
        self,
        said: impl Future<Output = S>,
        meant: impl FnOnce(S) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let span = tracing::info_span!(
            target: telemetry::TARGET,
            "smtp",
            otel.name = format_args!("SMTP {}", self.name()),
            otel.kind = "client",
            network.protocol.name = "smtp",
        );
        let said = failpoint::around(self.failpoint(), Subject::NONE, said);
        let answer = meant(said.instrument(span.clone()).await);
        if let Err(failure) = &answer {
            let kind = match failure {
                Failure::Said(..) => "refused",
                Failure::Broken(_) => "broken",
            };
            telemetry::failed(&span, kind, failure.words());
        }
        answer
    }

    fn failpoint(self) -> Call {
        match self {
            Self::Connect => Call::SmtpConnect,
            Self::Tls => Call::SmtpStarttls,
            Self::Login => Call::SmtpLogin,
            Self::Mail => Call::SmtpMail,
            Self::Receiver => Call::SmtpRcpt,
            Self::Data => Call::SmtpData,
            Self::Body => Call::SmtpBody,
        }
    }
}

/// What went wrong in a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server said no: its code and words.
    Said(u16, String),
    /// It said nothing that can be understood, or nothing at all.
    Broken(String),
}

impl Failure {
    /// Of lettre's, which keeps the server's words in the source of the error.
    pub(crate) fn of(error: &lettre::transport::smtp::Error) -> Self {
        let source = std::error::Error::source(error).map(ToString::to_string);
        match error.status() {
            Some(code) => {
                let words = source.unwrap_or_default();
                Self::Said(code.into(), words_of(code, &words))
            }
            None => Self::broken(error),
        }
    }

    /// Of the stream, or of what came over it.
    pub(crate) fn broken(why: &impl ToString) -> Self {
        Self::Broken(visible(&why.to_string(), MOST_WORDS))
    }

    /// No answer in time.
    pub(crate) fn silence() -> Self {
        Self::Broken("no answer in time".to_owned())
    }

    /// What is shown of it.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Said(_, words) | Self::Broken(words) => words,
        }
    }

    /// Whether the answer is for good.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Said(500.., _))
    }

    /// Whether the server wants a login, or better TLS, before anything else (RFC 4954, 3207): a
    /// matter of the configuration, not of this mail.
    pub(crate) fn is_about_the_session(&self) -> bool {
        matches!(self, Self::Said(530 | 534 | 535 | 538, _))
    }
}

/// A server's answer as it is recorded: one line, not too long.
pub(crate) fn words_of(code: impl std::fmt::Display, words: &str) -> String {
    visible(format!("{code} {words}").trim_end(), MOST_WORDS)
}

const MOST_WORDS: usize = 400;

/// What is to be done once the server has said something to each receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on with those it takes.
    GoOn,
    /// Wait: some may be taken later. Why.
    Wait(String),
    /// It takes nobody, for good. Why.
    GiveUp(String),
    /// It wants a login first.
    Login(Failure),
}

/// All wait for the late (a mail has one body, and greylisting passes within the hour), unless
/// they have had their time: then those go whom the server takes.
///
/// A session that is not `logged_in` and gets no receiver taken, since each needs a login, is one
/// that cannot be had. One receiver that is answered so, or a login that it comes after, is a
/// matter of the receiver.
pub(crate) fn weigh(
    answers: &[Result<String, Failure>],
    without_the_late: bool,
    logged_in: bool,
) -> Verdict {
    let refused = || answers.iter().filter_map(|answer| answer.as_ref().err());
    let about_the_session = refused().filter(|failure| failure.is_about_the_session());
    if !logged_in
        && about_the_session.count() == answers.len()
        && let Some(failure) = refused().next()
    {
        return Verdict::Login(failure.clone());
    }
    let late = refused().find(|failure| !failure.is_final());
    let anyone = answers.iter().any(Result::is_ok);
    match late {
        Some(failure) if !(without_the_late && anyone) => Verdict::Wait(failure.words().to_owned()),
        _ if anyone => Verdict::GoOn,
        _ => Verdict::GiveUp(refused().next().map_or_else(
            || "no receivers".to_owned(),
            |first| first.words().to_owned(),
        )),
    }
}

/// A definite answer is a 2xx; anything else that is positive is not one to a body.
pub(crate) fn is_done(code: lettre::transport::smtp::response::Code) -> bool {
    code.severity == Severity::PositiveCompletion
}

#[cfg(test)]
pub(crate) mod relay;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
