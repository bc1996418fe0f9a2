//! What both steps work with: the journal's rows, the schedules, the mail server.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lettre::Address;
use lettre::message::Mailbox;
use proto::event::{MailOutcome, Notified};
use proto::{Data, Event};
use runtime::Trouble;
use store::Journal;
use store::journal::{Entry, Overdue, Register};
use tokio::time::Instant;

use crate::mail::{self, Heading};
use crate::row::{Row, State, after};
use crate::schedule::Schedules;
use crate::settings::Settings;
use crate::smtp::Post;

/// How long to wait before the store is asked again where no answer will do but its own.
const INSIST_EVERY: Duration = Duration::from_millis(500);

/// The kind of a mail's register.
const MAIL: &str = "mail";

/// Overdue mails that are read at once.
const PAGE: usize = 100;

/// What both steps work with.
pub(crate) struct Desk {
    pub(crate) settings: Settings,
    pub(crate) schedules: Arc<dyn Schedules>,
    pub(crate) post: Arc<dyn Post>,
    journal: Arc<dyn Journal>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// The latest time of `JetStream`'s that is known, and when it was.
    heard: Mutex<Option<(Timestamp, Instant)>>,
    /// The claims that were met before their deadline, and when first.
    met: Mutex<HashMap<String, Instant>>,
    process: u64,
    claims: AtomicU64,
}

/// A row as it was read, and the revision that a change of it has to find.
pub(crate) struct Filed {
    pub(crate) row: Row,
    register: Register,
    revision: u64,
}

/// A mail as it goes out.
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    pub(crate) to: Vec<Address>,
}

impl Desk {
    pub(crate) fn new(
        settings: Settings,
        journal: Arc<dyn Journal>,
        schedules: Arc<dyn Schedules>,
        post: Arc<dyn Post>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self {
            settings,
            schedules,
            post,
            journal,
            clock: Box::new(clock),
            heard: Mutex::new(None),
            met: Mutex::default(),
            process: RandomState::new().hash_one(std::process::id()),
            claims: AtomicU64::new(0),
        }
    }

    /// A message is worked on that `JetStream` stored at this time.
    pub(crate) fn heard(&self, stored: Timestamp) {
        let known = self.by_jetstream();
        if known.is_none_or(|known| known < stored) {
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            *heard = Some((stored, Instant::now()));
        }
    }

    /// `JetStream`'s time, as far as it is known: that of the latest message, and what has passed
    /// since. Earlier than it is where everything that came had waited for us.
    fn by_jetstream(&self) -> Option<Timestamp> {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (stored, since) = heard?;
        Some(stored + SignedDuration::try_from(since.elapsed()).unwrap_or_default())
    }

    /// Now, by the later clock: what must not be over too early, since a clock of ours that is slow
    /// must not make it past.
    pub(crate) fn now(&self) -> Timestamp {
        let now = (self.clock)();
        self.by_jetstream().map_or(now, |known| known.max(now))
    }

    /// Now, by `JetStream`'s clock: what is put off is put off from this time, since by a clock of
    /// ours that is ahead it would wait for as long as that is wrong. What is too early costs a
    /// wake that comes at once, and with it the right time.
    pub(crate) fn stream_time(&self) -> Timestamp {
        self.by_jetstream().unwrap_or_else(|| (self.clock)())
    }

    /// When to look again at a mail that should be left alone until `until`; none if that is the
    /// deadline of a claim which we have known for as long as one holds. Its owner's clock is
    /// ahead then: nothing is done under that claim any more, whatever its deadline says.
    pub(crate) fn look_again(&self, row: &Row, until: Timestamp) -> Option<Timestamp> {
        let Some(claim) = row.claimed() else {
            return Some(until);
        };
        let holds = self.settings.endpoint.claim_holds();
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        // What ended elsewhere is forgotten, though not before wakes that other replicas met.
        met.retain(|_, first| first.elapsed() < 10 * holds);
        let first = met.entry(claim.to_owned()).or_insert_with(Instant::now);
        let left = holds.saturating_sub(first.elapsed());
        (!left.is_zero()).then(|| until.min(after(self.stream_time(), left)))
    }

    /// A name for a claim that no other has, in this process or another.
    pub(crate) fn new_claim(&self) -> String {
        let number = self.claims.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{number}", self.process)
    }

    /// Creates the mail's row if there is none, and answers the one that is stored.
    pub(crate) async fn file(&self, row: &Row) -> Result<Row, Trouble> {
        let created = self
            .journal
            .create_due(&register(&row.event), &bytes(row)?, row.wake())
            .await?;
        if created.ours {
            self.record(row);
        }
        parse(&row.event, &created.entry)
    }

    /// The row of the mail about `event`.
    pub(crate) async fn look(&self, event: &Event) -> Result<Option<Filed>, Trouble> {
        let register = register(event);
        let Some(entry) = self.journal.read(&register).await? else {
            return Ok(None);
        };
        Ok(Some(Filed {
            row: parse(event, &entry)?,
            revision: entry.revision,
            register,
        }))
    }

    /// Writes `row` in the place of what was read, unless somebody was faster: then there is
    /// nothing to do but to look again.
    pub(crate) async fn change(&self, filed: &Filed, row: Row) -> Result<(), Trouble> {
        let written = self
            .journal
            .replace_due(&filed.register, filed.revision, &bytes(&row)?, row.wake())
            .await?;
        if written.is_some() {
            self.record(&row);
        }
        Ok(())
    }

    /// Like [`Self::change`], where only we know what `row` says and have to know whether it is
    /// written: while the store does not answer, it is asked again, for as long as it takes. None
    /// if somebody was faster.
    pub(crate) async fn insist(&self, filed: &Filed, row: Row) -> Result<Option<Filed>, Trouble> {
        let value = bytes(&row)?;
        let is_ours = |entry: &Entry| entry.value == value;
        let register = &filed.register;
        let mut said = false;
        let revision = loop {
            let replaced = self
                .journal
                .replace_due(register, filed.revision, &value, row.wake());
            let error = match replaced.await {
                Ok(Some(revision)) => break revision,
                // An earlier try of ours may have been written without our hearing of it. Claims
                // have names, so nobody else writes the same.
                Ok(None) => match self.journal.read(register).await {
                    Ok(Some(entry)) if is_ours(&entry) => break entry.revision,
                    Ok(_) => return Ok(None),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if let store::Error::Broken(_) = error {
                return Err(error.into());
            }
            if !said {
                tracing::warn!(%error, "a mail's state waits for the store");
                said = true;
            }
            tokio::time::sleep(INSIST_EVERY).await;
        };
        self.record(&row);
        Ok(Some(Filed {
            row,
            register: register.clone(),
            revision,
        }))
    }

    /// Orders a wake for every mail whose time had passed `late` ago: its schedule was lost, or its
    /// wake, or it waits in the stream behind others. Answers how many.
    ///
    /// Safe to repeat and to run in several replicas: a wake says nothing but *look*.
    pub(crate) async fn wake_overdue(&self, late: Duration) -> Result<u64, Trouble> {
        let before = (self.clock)()
            .saturating_sub(late)
            .unwrap_or(Timestamp::MIN);
        let mut last: Option<Overdue> = None;
        let mut ordered = 0;
        loop {
            let page = self
                .journal
                .overdue(MAIL, before, last.as_ref(), PAGE)
                .await?;
            for Overdue {
                register, entry, ..
            } in &page
            {
                let row: Row = match serde_json::from_slice(&entry.value) {
                    Ok(row) => row,
                    // It keeps no other from being woken.
                    Err(error) => {
                        let name = &register.name;
                        tracing::error!(name, %error, "a mail's row cannot be read");
                        continue;
                    }
                };
                if let Some(due) = row.wake() {
                    self.schedules.order(&row.event, due).await?;
                    ordered += 1;
                }
            }
            match page.into_iter().next_back() {
                Some(end) => last = Some(end),
                None => return Ok(ordered),
            }
        }
    }

    /// The mail of a row with this date, as it goes out on every try.
    pub(crate) fn compose(&self, row: &Row, date: Timestamp) -> Result<Outgoing, Trouble> {
        let reject = |reason: String| Trouble::Reject { reason };
        let to = row
            .receivers
            .iter()
            .map(|address| address.parse())
            .collect::<Result<Vec<Mailbox>, _>>()
            .map_err(|error| reject(format!("the journal holds a wrong address: {error}")))?;
        let heading = Heading {
            from: &self.settings.from,
            reply_to: self.settings.reply_to.as_ref(),
            to: &to,
            message_id: row.message_id(&self.settings.from),
            date,
        };
        Ok(Outgoing {
            bytes: mail::compose(&heading, &row.event).map_err(reject)?,
            to: to.into_iter().map(|mailbox| mailbox.email).collect(),
        })
    }

    /// What the step answers about a row: its outcome once it has one, where it is an event.
    pub(crate) fn told(&self, row: &Row) -> Option<Data> {
        if !row.is_told() {
            return None;
        }
        row.outcome(&self.settings.from).map(Data::Notified)
    }

    /// What the step answers about a mail whose row is gone. It may have been sent, so it is not
    /// sent again.
    pub(crate) fn lost(&self, event: &Event) -> Option<Data> {
        let (file, replay) = event.about();
        let notified = Notified {
            file: file.clone(),
            replay,
            outcome: MailOutcome::Unknown,
            route: None,
            message_id: None,
            receivers: vec![],
            answer: Some(
                "a wake came for this mail, but the journal has no row for it (was the notifier's \
                 journal lost?)"
                    .to_owned(),
            ),
            tries: 0,
        };
        tracing::warn!("a wake for a mail that the journal does not know");
        matches!(event.data, Data::Moved(_)).then_some(Data::Notified(notified))
    }

    /// Counts what was written, and says what a person should hear of.
    fn record(&self, row: &Row) {
        let answer = row.answer.as_deref().unwrap_or_default();
        match &row.state {
            State::HandingOver { .. } => {}
            State::Waiting { due } if row.tries > 0 => {
                metrics::counter!("landfall_mail_retries_total").increment(1);
                tracing::info!(%due, answer, "the mail will be tried again");
            }
            State::Waiting { .. } => {}
            State::Ended { outcome, .. } => {
                let name = outcome_name(*outcome);
                metrics::counter!("landfall_mails_total", "outcome" => name).increment(1);
                match outcome {
                    MailOutcome::Accepted => {
                        let late = (self.clock)().duration_since(row.planned).as_secs_f64();
                        metrics::histogram!("landfall_mail_lateness_seconds").record(late.max(0.0));
                        tracing::info!(answer, "mail accepted");
                    }
                    MailOutcome::Nobody => {}
                    MailOutcome::Refused | MailOutcome::Unknown => {
                        tracing::warn!(outcome = name, answer, "mail not accepted");
                    }
                }
            }
        }
    }
}

fn register(event: &Event) -> Register {
    let (file, replay) = event.about();
    Register::new(MAIL, format!("{}.{replay}", file.id))
}

fn bytes(row: &Row) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(row).map_err(|error| Trouble::Reject {
        reason: format!("the mail's row cannot be written as JSON: {error}"),
    })
}

fn parse(event: &Event, entry: &Entry) -> Result<Row, Trouble> {
    serde_json::from_slice(&entry.value).map_err(|error| Trouble::Reject {
        reason: format!(
            "the journal's row `{}` cannot be read: {error}; was it written by a later version?",
            register(event).name
        ),
    })
}

fn outcome_name(outcome: MailOutcome) -> &'static str {
    match outcome {
        MailOutcome::Accepted => "accepted",
        MailOutcome::Refused => "refused",
        MailOutcome::Unknown => "unknown",
        MailOutcome::Nobody => "nobody",
    }
}
