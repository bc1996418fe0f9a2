//! The step on `moved` and `failed`: journals the mail and orders its wake.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use proto::{Data, Event, User};
use runtime::{Message, Step, Trouble};

use crate::desk::Desk;
use crate::route;
use crate::row::Row;

/// Journals a mail for each `moved` and `failed`, and orders its wake.
///
/// Safe to repeat: the row is created if absent, so the first one decides receivers and time; the
/// schedule is ordered for whatever time the row that is stored says, and replaces the one before.
pub(crate) struct Hear(pub(crate) Arc<Desk>);

#[async_trait]
impl Step for Hear {
    async fn run(&self, event: &Event, message: &Message) -> Result<Option<Data>, Trouble> {
        self.0.heard(message.stored);
        if is_own_failure(event) {
            // Shown in the ledger: a mail about a mail that cannot be sent would not arrive.
            return Ok(None);
        }
        let row = self.0.file(&self.new_row(event, message.stored)?).await?;
        match row.wake() {
            Some(time) => {
                self.0.schedules.order(&row.event, time).await?;
                Ok(None)
            }
            None => Ok(self.0.told(&row)),
        }
    }
}

impl Hear {
    /// The row as the routes of today would have it.
    fn new_row(&self, event: &Event, stored: Timestamp) -> Result<Row, Trouble> {
        let outcome = route::outcome(event).ok_or_else(|| Trouble::Reject {
            reason: format!(
                "no mail is about `{}`; the notifier's consumer filters `moved` and `failed` \
                 (`landfall setup` mends it)",
                event.data.what().token()
            ),
        })?;
        let choice = self.0.settings.routes.choose(event, outcome);
        Ok(Row::new(
            event,
            choice.route,
            choice.to,
            stored,
            choice.delay,
        ))
    }
}

fn is_own_failure(event: &Event) -> bool {
    matches!(&event.data, Data::Failed(failed) if failed.step == User::Notifier)
}
