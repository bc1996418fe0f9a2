//! What the notifier reads from the configuration, parsed once: what the runtime does not know to
//! be wrong (the grammar of addresses, certificates) is said at start, not when the first mail is
//! due.

use std::sync::Arc;

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
        let config = &config.notifier;
        let from = mailbox::parse("notifier.from", &config.from)?;
        let reply_to = config.reply_to.as_deref();
        Ok(Self {
            reply_to: reply_to
                .map(|address| mailbox::parse("notifier.reply_to", address))
                .transpose()?,
            routes: Routes::new(config)?,
            retries: Retries {
                first: config.retry_after,
                until: config.retry_for,
            },
            endpoint: Arc::new(Endpoint::new(&config.smtp, from.email.domain())?),
            from,
        })
    }
}

#[cfg(test)]
#[path = "settings/tests.rs"]
mod tests;
