//! A mail's row in the journal, and every step it can take. The row decides; schedules only wake.
//!
//! ```text
//! waiting ──claim──► handing over ──answer──► ended (accepted, refused, unknown)
//!    ▲  │                 │  └──no answer by the deadline──► ended (unknown)
//!    │  └──refused────────┼──────────────────────────────► ended (refused)
//!    └──not now───────────┘
//! ```
//!
//! Nothing here does I/O. Each function answers the row that is to be written in the place of
//! this one by compare-and-set: of two replicas that act on the same row, one writes. The body of
//! the mail goes out only after `claim` was written, and nothing leads from one replica's `handing
//! over` to another's: so an attempt's body goes out at most once without a definite answer.

use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use lettre::message::Mailbox;
use proto::event::{MailOutcome, Notified, Receiver};
use proto::{Data, Event, FileId};
use serde::{Deserialize, Serialize};

/// What the journal holds of one mail: everything that is needed to send it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The `moved` or `failed` that the mail is about.
    pub(crate) event: Event,
    /// The route that chose the receivers; none where no route matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// Who is told, as `Name <address>`.
    pub(crate) receivers: Vec<String>,
    /// When the mail was meant to go out, before any retry.
    pub(crate) planned: Timestamp,
    /// 0; a resend that a person asks for would count on.
    pub(crate) attempt: u32,
    /// How often the mail was tried, outages of the mail server apart.
    pub(crate) tries: u32,
    /// When it was first tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_try: Option<Timestamp>,
    /// What the server said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<String>,
    /// Where the mail is on its way.
    pub(crate) state: State,
}

/// Where a mail is on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub(crate) enum State {
    /// For its time.
    Waiting {
        /// Not before this time of `JetStream`'s.
        due: Timestamp,
    },
    /// The body is going out, or went out and the answer is not here yet.
    HandingOver {
        /// Whose claim it is: unique to this one, so that its writer can recognise it.
        claim: String,
        /// Whoever looks after this finds a mail whose fate nobody knows.
        deadline: Timestamp,
        /// What the server said to each receiver.
        answers: Vec<Receiver>,
    },
    /// Over.
    Ended {
        /// How.
        outcome: MailOutcome,
        /// What the server said to each receiver.
        answers: Vec<Receiver>,
    },
}

/// What a wake is to do about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wake again at this time.
    Sleep(Timestamp),
    /// Try to send.
    Try,
    /// Nobody knows what became of it: [`Row::unanswered`].
    GiveUp,
    /// Nothing: it is over.
    Over,
}

/// How long a mail is tried again that the server will not take now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    /// The wait after the first try; each is twice the one before.
    pub(crate) first: Duration,
    /// Until so long after the first try.
    pub(crate) until: Duration,
}

/// No wait between two tries is longer, unless the first one is.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

impl Row {
    /// The row of a new mail, which waits until `delay` after `stored`, or has ended where nobody
    /// is to be told.
    pub(crate) fn new(
        event: &Event,
        route: Option<&str>,
        to: &[Mailbox],
        stored: Timestamp,
        delay: Duration,
    ) -> Self {
        let due = after(stored, delay);
        Self {
            event: event.clone(),
            route: route.map(str::to_owned),
            receivers: to.iter().map(Mailbox::to_string).collect(),
            planned: due,
            attempt: 0,
            tries: 0,
            first_try: None,
            answer: None,
            state: if to.is_empty() {
                State::Ended {
                    outcome: MailOutcome::Nobody,
                    answers: vec![],
                }
            } else {
                State::Waiting { due }
            },
        }
    }

    /// What to do when the row is seen at `at`, a time of `JetStream`'s clock: the schedule that
    /// woke us went by the same clock, so that a wake which is not early never seems to be.
    pub(crate) fn next(&self, at: Timestamp) -> Next {
        match self.state {
            State::Waiting { due } if at < due => Next::Sleep(due),
            State::Waiting { .. } => Next::Try,
            State::HandingOver { deadline, .. } if at < deadline => Next::Sleep(deadline),
            State::HandingOver { .. } => Next::GiveUp,
            State::Ended { .. } => Next::Over,
        }
    }

    /// When somebody has to look at the row; none once it is over.
    pub(crate) fn wake(&self) -> Option<Timestamp> {
        match self.state {
            State::Waiting { due } => Some(due),
            State::HandingOver { deadline, .. } => Some(deadline),
            State::Ended { .. } => None,
        }
    }

    /// The name of the claim under which the mail is being handed over.
    pub(crate) fn claimed(&self) -> Option<&str> {
        match &self.state {
            State::HandingOver { claim, .. } => Some(claim),
            State::Waiting { .. } | State::Ended { .. } => None,
        }
    }

    /// `Message-ID` without the brackets: the same on every try of one attempt.
    pub(crate) fn message_id(&self, from: &Mailbox) -> String {
        let (file, replay) = self.event.about();
        format!(
            "{}.{replay}.{}@{}",
            file.id,
            self.attempt,
            from.email.domain()
        )
    }

    /// When the mail was or is first tried: its `Date`, so that every try sends the same bytes.
    pub(crate) fn date(&self, now: Timestamp) -> Timestamp {
        self.first_try.unwrap_or(now)
    }

    /// Claims the mail, just before its body goes out, with the `date` that it bears.
    pub(crate) fn claim(
        &self,
        claim: String,
        date: Timestamp,
        now: Timestamp,
        limit: Duration,
        answers: Vec<Receiver>,
    ) -> Self {
        Self {
            tries: self.tries + 1,
            first_try: Some(date),
            state: State::HandingOver {
                claim,
                deadline: after(now, limit),
                answers,
            },
            ..self.clone()
        }
    }

    /// Undoes a claim under which nothing was sent. Only its owner knows that.
    pub(crate) fn unclaimed(&self) -> Self {
        Self {
            tries: self.tries.saturating_sub(1),
            // It was due when it was claimed.
            state: State::Waiting { due: self.planned },
            ..self.clone()
        }
    }

    /// The server will not take the mail now, and said so before the body or in a definite answer
    /// to it: wait, or give up when that has been tried for long enough.
    pub(crate) fn not_now(
        &self,
        answer: &str,
        answers: Vec<Receiver>,
        date: Timestamp,
        now: Timestamp,
        retries: Retries,
    ) -> Self {
        // A claimed try is counted already.
        let claimed = matches!(self.state, State::HandingOver { .. });
        let tries = self.tries + u32::from(!claimed);
        let first_try = self.date(date);
        let due = after(now, retries.wait(self.event.about().0.id, tries));
        let state = if due > after(first_try, retries.until) {
            State::Ended {
                outcome: MailOutcome::Refused,
                answers,
            }
        } else {
            State::Waiting { due }
        };
        Self {
            tries,
            first_try: Some(first_try),
            answer: Some(answer.to_owned()),
            state,
            ..self.clone()
        }
    }

    /// The server refused the mail for good before its body went out.
    pub(crate) fn refused(&self, answer: &str, answers: Vec<Receiver>, now: Timestamp) -> Self {
        Self {
            tries: self.tries + 1,
            first_try: Some(self.date(now)),
            ..self.ended(MailOutcome::Refused, answers, answer)
        }
    }

    /// The claim ended so.
    pub(crate) fn answered(&self, outcome: MailOutcome, answer: &str) -> Self {
        let answers = match outcome {
            MailOutcome::Accepted => self.answers(),
            _ => self.denied(answer),
        };
        self.ended(outcome, answers, answer)
    }

    /// What the server said to each receiver, where those that it had taken got nothing after all.
    pub(crate) fn denied(&self, answer: &str) -> Vec<Receiver> {
        let mut answers = self.answers();
        for receiver in answers.iter_mut().filter(|receiver| receiver.accepted) {
            receiver.accepted = false;
            answer.clone_into(&mut receiver.answer);
        }
        answers
    }

    /// The claim's deadline has passed and its owner has not written what became of it.
    pub(crate) fn unanswered(&self) -> Self {
        self.answered(
            MailOutcome::Unknown,
            "whoever was sending it stopped before it had written down the server's answer",
        )
    }

    /// What is to be said of the mail; none while it is on its way.
    pub(crate) fn outcome(&self, from: &Mailbox) -> Option<Notified> {
        let State::Ended { outcome, answers } = &self.state else {
            return None;
        };
        let (file, replay) = self.event.about();
        Some(Notified {
            file: file.clone(),
            replay,
            outcome: *outcome,
            route: self.route.clone(),
            message_id: (*outcome != MailOutcome::Nobody).then(|| self.message_id(from)),
            receivers: answers.clone(),
            answer: self.answer.clone(),
            tries: self.tries,
        })
    }

    /// Whether the outcome is an event. A mail about `failed` ends in this journal only.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self.event.data, Data::Moved(_))
    }

    fn ended(&self, outcome: MailOutcome, answers: Vec<Receiver>, answer: &str) -> Self {
        Self {
            answer: Some(answer.to_owned()),
            state: State::Ended { outcome, answers },
            ..self.clone()
        }
    }

    fn answers(&self) -> Vec<Receiver> {
        match &self.state {
            State::Waiting { .. } => vec![],
            State::HandingOver { answers, .. } | State::Ended { answers, .. } => answers.clone(),
        }
    }
}

impl Retries {
    /// How long to wait after so many tries: twice as long each time, give or take a quarter that
    /// the file and the try decide, so that mails that were turned away together come back apart.
    pub(crate) fn wait(&self, file: FileId, tries: u32) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
        let wait = doubled.min(LONGEST_WAIT.max(self.first));
        let bytes = file.bytes();
        let at = usize::try_from(tries).unwrap_or_default() % bytes.len();
        wait.mul_f64(0.75 + 0.5 * f64::from(bytes[at]) / 255.0)
    }
}

/// `from + period`, in the whole milliseconds that schedules are written in; rounded up, so that
/// no wake is early.
pub(crate) fn after(from: Timestamp, period: Duration) -> Timestamp {
    let up = TimestampRound::new()
        .smallest(Unit::Millisecond)
        .mode(RoundMode::Ceil);
    from.saturating_add(period)
        .and_then(|time| time.round(up))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "row/tests.rs"]
mod tests;
