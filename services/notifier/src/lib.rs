//! The notifier: waits, and tells people what became of a file. One mail a file, ten minutes after
//! it was filed away.
//!
//! ```text
//! moved, failed ─► hear ─► journal row ─► schedule ─┐
//!                                                   ▼
//!                notified ◄─ wake ◄─ delay.due ◄─ DELAY
//!                              └─► mail server
//! ```
//!
//! A mail is a row in the journal (`row`), whose state every step changes by compare-and-set. No
//! process holds a timer: a schedule wakes some replica, which looks at the row and does what it
//! says. What each way of failing means:
//!
//! | what happens | what becomes of the mail |
//! |---|---|
//! | no session with the mail server (connect, TLS, greeting, login; or `MAIL`, or every receiver of a session without a login, is answered with a wish for one) | nothing: an outage, like any dependency's. The wake is held, none is pulled, no try is counted; events go on being journalled. |
//! | *not now* (4xx) or a cut from `MAIL` on, before the body | waits: a minute, two, four … an hour, for `retry_for` since the first try; then `refused` |
//! | *not now* to some receivers | all wait for them for an hour, then the mail goes to those whom the server takes |
//! | *never* (5xx) to some receivers | it goes to the others; `notified` says who was refused, and why |
//! | *never* to the mail, or to all receivers | `refused` |
//! | a definite 4xx or 5xx to the body | the same as before it |
//! | a cut or silence from the body's first byte on | `unknown`: never sent again by a machine |
//! | whoever was sending dies | `unknown` once the claim's deadline has passed |
//! | the store does not answer after the body | the answer is written when it does; `unknown` if that is after the claim's deadline, or if the process ends before |
//! | a wake is lost (`DELAY` was purged or restored) | it is ordered again: at start, and by the hour once it is an hour late |
//! | the service is stopped | a mail whose body has not begun goes back; a body on its way has until the end of the drain |
//!
//! A mail about `failed` goes the same way, and its end is kept in the journal alone.

mod desk;
#[cfg(test)]
mod fixtures;
mod hear;
mod mail;
mod mailbox;
mod overdue;
mod route;
mod row;
mod schedule;
mod settings;
mod smtp;
#[cfg(test)]
mod tests;
mod visible;
mod wake;

use std::sync::Arc;

use jiff::Timestamp;
use proto::consumer;
use runtime::{Config, Context, Trouble};

use desk::Desk;
use hear::Hear;
use schedule::JetStream;
use settings::Settings;
use smtp::{Client, Refusal};
use wake::Wake;

/// What is wrong with the settings that the runtime cannot know to be wrong, in a line.
pub fn check(config: &Config) -> Result<(), String> {
    Settings::new(config).map(drop)
}

/// Opens a session with the mail server as for a mail, and ends it without one. The error is a line
/// that says what to mend.
pub async fn greet(config: &Config) -> Result<(), String> {
    let settings = Settings::new(config)?;
    let client = Client::new(settings.endpoint, smtp::KEPT);
    client.greet().await.map_err(|refusal| match refusal {
        Refusal::Away(why) | Refusal::NotNow(why, _) | Refusal::Never(why, _) => why,
    })
}

/// Hands the steps over.
pub async fn start(context: &Context) -> Result<(), Trouble> {
    describe();
    let settings = Settings::new(&context.config).map_err(|reason| Trouble::Reject { reason })?;
    let client = Client::new(Arc::clone(&settings.endpoint), smtp::KEPT);
    let desk = Arc::new(Desk::new(
        settings,
        Arc::clone(&context.journal),
        Arc::new(JetStream(context.publisher.clone())),
        Arc::new(client.clone()),
        Timestamp::now,
    ));
    context.steps(consumer::notifier(), Arc::new(Hear(Arc::clone(&desk))));
    context.steps(
        consumer::notifier_due(),
        Arc::new(Wake {
            desk: Arc::clone(&desk),
            stop: context.stop.clone(),
        }),
    );
    let stop = context.stop.clone();
    context.spawn("overdue mails", async move {
        stop.run_until_cancelled(overdue::sweep(&desk)).await;
        Ok(())
    });
    let stop = context.stop.clone();
    context.spawn("idle mail sessions", async move {
        stop.run_until_cancelled(client.tidy()).await;
        Ok(())
    });
    Ok(())
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_histogram};
    describe_counter!("landfall_mails_total", "Mails that have ended, by how");
    describe_counter!(
        "landfall_mail_retries_total",
        "Tries of a mail after which it waits again"
    );
    describe_counter!(
        "landfall_smtp_failures_total",
        "What the mail server did not do, by phase"
    );
    describe_histogram!(
        "landfall_mail_lateness_seconds",
        Unit::Seconds,
        "From the time at which a mail was meant to go out until the server had taken it"
    );
}
