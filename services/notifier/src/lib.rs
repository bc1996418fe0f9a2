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
//! A mail is a [`row`] in the journal, whose state every step changes by compare-and-set. No
//! process holds a timer: a [`schedule`] wakes some replica, which looks at the row and does what
//! it says.

mod desk;
#[cfg(test)]
mod fixtures;
mod hear;
mod mail;
mod mailbox;
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
use runtime::{Context, Trouble};

use desk::Desk;
use hear::Hear;
use schedule::JetStream;
use settings::Settings;
use smtp::Client;
use wake::Wake;

/// Checks the settings and hands the steps over.
pub async fn start(context: &Context) -> Result<(), Trouble> {
    let settings = Settings::new(&context.config).map_err(|reason| Trouble::Reject { reason })?;
    let client = Client::new(Arc::clone(&settings.endpoint), smtp::KEPT);
    let desk = Arc::new(Desk::new(
        settings,
        Arc::clone(&context.journal),
        Arc::new(JetStream(context.jetstream.clone())),
        Arc::new(client.clone()),
        Timestamp::now,
    ));
    context.steps(consumer::notifier(), Arc::new(Hear(Arc::clone(&desk))));
    context.steps(consumer::notifier_due(), Arc::new(Wake(desk)));
    context.spawn("idle mail sessions", async move {
        client.tidy().await;
        Ok(())
    });
    Ok(())
}
