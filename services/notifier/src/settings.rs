//! What the notifier reads from the configuration, parsed once: what is wrong is said at start,
//! not when the first mail is due.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use runtime::Config;

use crate::mailbox;
use crate::route::Routes;
use crate::row::Retries;
use crate::smtp::Endpoint;

/// The notifier's settings.
pub(crate) struct Settings {
    pub(crate) from: Mailbox,
    pub(crate) reply_to: Option<Mailbox>,
    pub(crate) routes: Routes,
    pub(crate) retries: Retries,
    pub(crate) endpoint: Arc<Endpoint>,
}

impl Settings {
    /// From the whole configuration, or the line that says what is wrong with it.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let notifier = &config.notifier;
        let from = mailbox::parse("[notifier] from", &notifier.from)?;
        let reply_to = notifier.reply_to.as_deref();
        let settings = Self {
            reply_to: reply_to
                .map(|address| mailbox::parse("[notifier] reply_to", address))
                .transpose()?,
            routes: Routes::new(notifier)?,
            retries: Retries {
                first: notifier.retry_after,
                until: notifier.retry_for,
            },
            endpoint: Arc::new(Endpoint::new(&notifier.smtp, from.email.domain())?),
            from,
        };
        if notifier.retry_after.is_zero() {
            return Err("[notifier] retry_after is zero: write one like \"1m\"".to_owned());
        }
        let longest = settings.routes.longest_delay() + notifier.retry_for;
        outlives(
            "[service] journal_retention",
            config.service.journal_retention,
            longest,
        )?;
        Ok(settings)
    }
}

/// A journal row that is forgotten before its mail is sent would be a mail nobody knows of.
fn outlives(setting: &str, retention: Duration, longest: Duration) -> Result<(), String> {
    if retention > longest {
        return Ok(());
    }
    Err(format!(
        "{setting} is {} days, and a mail may wait {} days ([notifier] delay, of routes too, and \
         retry_for): keep journal rows longer than that",
        days(retention),
        days(longest)
    ))
}

fn days(period: Duration) -> String {
    format!("{:.1}", period.as_secs_f64() / 86_400.0)
}

#[cfg(test)]
#[path = "settings/tests.rs"]
mod tests;
