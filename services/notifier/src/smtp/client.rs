//! The sessions with the mail server, and the dialogue about one mail.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use failpoint::Subject;
use lettre::Address;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use proto::event::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::{Endpoint, Envelope, Failure, Fate, Offer, Phase, Post, Refusal, Verdict};
use super::{is_done, weigh, words_of};

/// For how long a session is kept for the next mail: shorter than any server keeps it.
pub(crate) const KEPT: Duration = Duration::from_secs(5);

/// How long a good-bye may take.
const QUIT: Duration = Duration::from_secs(1);

/// The mail server.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Arc<Endpoint>,
    kept: Duration,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

/// A session between two mails. Only one whose mail was taken is used again.
struct Idle {
    session: Session,
    since: Instant,
}

/// A session.
struct Session {
    connection: AsyncSmtpConnection,
    timeout: Duration,
}

impl Client {
    /// A client without a connection, which keeps idle sessions for so long.
    pub(crate) fn new(endpoint: Arc<Endpoint>, kept: Duration) -> Self {
        let slots = Arc::new(Semaphore::new(endpoint.connections));
        Self {
            shared: Arc::new(Shared {
                endpoint,
                kept,
                slots,
                idle: Mutex::default(),
            }),
        }
    }

    /// Opens a session, login and all, and says good-bye.
    pub(crate) async fn greet(&self) -> Result<(), Refusal> {
        self.shared.open().await?.quit().await;
        Ok(())
    }

    /// Says good-bye to sessions that nobody has used for a while; never ends.
    pub(crate) async fn tidy(&self) {
        loop {
            tokio::time::sleep(self.shared.kept).await;
            for old in self.shared.take_old() {
                old.quit().await;
            }
        }
    }
}

#[async_trait]
impl Post for Client {
    async fn offer(&self, envelope: &Envelope) -> Result<Box<dyn Offer>, Refusal> {
        let shared = &self.shared;
        // Closed only with the client.
        let slot = Arc::clone(&shared.slots)
            .acquire_owned()
            .await
            .map_err(|closed| Refusal::Away(closed.to_string()))?;
        // Each command has its time: connecting, greeting, TLS, login, `MAIL`, `DATA`, and one for
        // each receiver.
        let commands = u32::try_from(envelope.to.len()).unwrap_or(u32::MAX);
        let most = shared
            .endpoint
            .timeout
            .saturating_mul(commands.saturating_add(6));
        let dialogue = timeout(most, Box::pin(shared.dialogue(envelope)));
        let (session, answers) = dialogue.await.unwrap_or_else(|_| {
            let words = format!("the server was not ready for the body after {most:?}");
            count(Phase::Data);
            Err(Refusal::NotNow(words.clone(), everyone(envelope, &words)))
        })?;
        Ok(Box::new(Open {
            shared: Arc::clone(shared),
            session,
            answers,
            _slot: slot,
        }))
    }
}

impl Shared {
    /// Everything before the body.
    async fn dialogue(&self, envelope: &Envelope) -> Result<(Session, Vec<Receiver>), Refusal> {
        let mut session = self.begin(envelope).await?;
        let answers = session.receivers(&envelope.to).await;
        let recorded = recorded(&envelope.to, &answers);
        let logged_in = self.endpoint.logs_in();
        let refusal = match weigh(&answers, envelope.without_the_late, logged_in) {
            Verdict::GoOn => {
                let failure = match session.say(Phase::Data, Data).await {
                    Ok(words) if words.starts_with("354") => return Ok((session, recorded)),
                    Ok(words) => Failure::Broken(words),
                    Err(failure) => failure,
                };
                let refusal = self.refusal(Phase::Data, &failure, envelope);
                if let Failure::Broken(_) = failure {
                    // A good-bye might be taken for the body.
                    return Err(refusal);
                }
                refusal
            }
            Verdict::Wait(why) => Refusal::NotNow(why, recorded),
            Verdict::GiveUp(why) => Refusal::Never(why, recorded),
            Verdict::Login(failure) => self.away(Phase::Receiver, &failure),
        };
        session.quit().await;
        Err(refusal)
    }

    /// A session in which the server has taken `MAIL`: one that is still open, else a new one.
    async fn begin(&self, envelope: &Envelope) -> Result<Session, Refusal> {
        let mail = || Mail::new(Some(envelope.from.clone()), vec![]);
        if let Some(mut session) = self.take_fresh() {
            match session.say(Phase::Mail, mail()).await {
                Ok(_) => return Ok(session),
                // The server had enough of this session; that says nothing of the mail.
                Err(Failure::Broken(_) | Failure::Said(421, _)) => {}
                Err(failure) => {
                    session.quit().await;
                    return Err(self.refusal(Phase::Mail, &failure, envelope));
                }
            }
        }
        let mut session = self.open().await?;
        match session.say(Phase::Mail, mail()).await {
            Ok(_) => Ok(session),
            Err(failure) => {
                session.quit().await;
                Err(self.refusal(Phase::Mail, &failure, envelope))
            }
        }
    }

    async fn open(&self) -> Result<Session, Refusal> {
        let opened = self.endpoint.open().await;
        Ok(Session {
            connection: opened.map_err(|(phase, failure)| self.away(phase, &failure))?,
            timeout: self.endpoint.timeout,
        })
    }

    /// The server said no to this mail as a whole.
    fn refusal(&self, phase: Phase, failure: &Failure, envelope: &Envelope) -> Refusal {
        if failure.is_about_the_session() {
            return self.away(phase, failure);
        }
        count(phase);
        let words = failure.words().to_owned();
        let answers = everyone(envelope, &words);
        if failure.is_final() {
            Refusal::Never(words, answers)
        } else {
            Refusal::NotNow(words, answers)
        }
    }

    /// There is no session to be had.
    fn away(&self, phase: Phase, failure: &Failure) -> Refusal {
        count(phase);
        let words = failure.words();
        let hint = match phase {
            Phase::Connect | Phase::Tls if words.contains("certificate") => {
                "; see `notifier.smtp.ca_file`"
            }
            Phase::Connect => "; see `notifier.smtp`: host, port, tls",
            Phase::Tls => "",
            _ => "; see `notifier.smtp`: user, password",
        };
        let address = self.endpoint.address();
        Refusal::Away(format!("{} with {address}: {words}{hint}", phase.name()))
    }

    fn take_fresh(&self) -> Option<Session> {
        let idle = self.lock().pop()?;
        (idle.since.elapsed() < self.kept).then_some(idle.session)
    }

    fn take_old(&self) -> Vec<Session> {
        let mut idle = self.lock();
        let (old, fresh) = idle
            .drain(..)
            .partition(|idle| idle.since.elapsed() >= self.kept);
        *idle = fresh;
        let old: Vec<Idle> = old;
        old.into_iter().map(|idle| idle.session).collect()
    }

    fn keep(&self, session: Session) {
        let since = Instant::now();
        self.lock().push(Idle { session, since });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        // A list of idle sessions is whole whatever its last user died of.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// One command; answers the server's words if it agrees.
    async fn say(
        &mut self,
        phase: Phase,
        command: impl std::fmt::Display,
    ) -> Result<String, Failure> {
        let said = timeout(self.timeout, self.connection.command(command));
        let said = phase.said(said, |said| match said {
            Ok(Ok(response)) => {
                let words: Vec<&str> = response.message().collect();
                Ok(words_of(response.code(), &words.join(" ")))
            }
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => Err(Failure::silence()),
        });
        said.await
    }

    /// Asks for each receiver. A server that hangs up says the same to all that are left.
    async fn receivers(&mut self, to: &[Address]) -> Vec<Result<String, Failure>> {
        let mut answers = Vec::with_capacity(to.len());
        for address in to {
            let answer = self
                .say(Phase::Receiver, Rcpt::new(address.clone(), vec![]))
                .await;
            if answer.is_err() {
                count(Phase::Receiver);
            }
            let hung_up = matches!(answer, Err(Failure::Broken(_) | Failure::Said(421, _)));
            answers.push(answer.clone());
            if hung_up {
                answers.resize(to.len(), answer);
                break;
            }
        }
        answers
    }

    /// Says good-bye, if the server still listens.
    async fn quit(mut self) {
        // What it answers changes nothing.
        let bye = timeout(QUIT, self.connection.quit());
        let _ = failpoint::around(failpoint::Call::SmtpQuit, Subject::NONE, bye).await;
    }
}

/// The server waits for the body.
struct Open {
    shared: Arc<Shared>,
    session: Session,
    answers: Vec<Receiver>,
    _slot: OwnedSemaphorePermit,
}

#[async_trait]
impl Offer for Open {
    fn answers(&self) -> Vec<Receiver> {
        self.answers.clone()
    }

    async fn hand_over(self: Box<Self>, mail: &[u8]) -> Fate {
        let Self {
            shared,
            mut session,
            ..
        } = *self;
        let most = shared.endpoint.body_timeout();
        let said = timeout(most, session.connection.message(mail));
        let said = Phase::Body.said(said, |said| match said {
            Ok(Ok(response)) => {
                let words: Vec<&str> = response.message().collect();
                let words = words_of(response.code(), &words.join(" "));
                if is_done(response.code()) {
                    Ok(words)
                } else {
                    Err(Failure::Broken(words))
                }
            }
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => Err(Failure::silence()),
        });
        let failure = match said.await {
            Ok(words) => {
                shared.keep(session);
                return Fate::Accepted(words);
            }
            Err(failure) => failure,
        };
        count(Phase::Body);
        match failure {
            Failure::Said(500.., words) => Fate::Never(words),
            Failure::Said(_, words) => Fate::NotNow(words),
            Failure::Broken(words) => Fate::Unknown(words),
        }
    }
}

fn recorded(to: &[Address], answers: &[Result<String, Failure>]) -> Vec<Receiver> {
    let pairs = to.iter().zip(answers);
    pairs
        .map(|(address, answer)| Receiver {
            address: address.to_string(),
            accepted: answer.is_ok(),
            answer: match answer {
                Ok(words) => words.clone(),
                Err(failure) => failure.words().to_owned(),
            },
        })
        .collect()
}

fn everyone(envelope: &Envelope, words: &str) -> Vec<Receiver> {
    let to = envelope.to.iter();
    to.map(|address| Receiver {
        address: address.to_string(),
        accepted: false,
        answer: words.to_owned(),
    })
    .collect()
}

fn count(phase: Phase) {
    metrics::counter!("landfall_smtp_failures_total", "phase" => phase.name()).increment(1);
}
