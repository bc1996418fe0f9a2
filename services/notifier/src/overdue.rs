//! Mails whose wake did not come. A schedule is a message, and the stream that holds it can be lost
//! or purged; the row is still there, and would wait for ever.

use std::time::Duration;

use runtime::Trouble;

use crate::desk::Desk;

/// How often they are looked for, and how late a wake may be. In an outage of the mail server wakes
/// lie in the stream, and each is joined by another so often.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// How late a wake may be at start.
const AT_START: Duration = Duration::from_secs(60);

/// How long to wait where NATS or the store is away. Whoever else works with it says so.
const AGAIN: Duration = Duration::from_secs(60);

/// Wakes what is overdue, at start and every hour. Never ends.
pub(crate) async fn sweep(desk: &Desk) {
    let mut late = AT_START;
    loop {
        match desk.wake_overdue(late).await {
            Ok(0) => {}
            Ok(mails) => tracing::warn!(mails, "woke mails that were overdue"),
            Err(Trouble::Outage { .. }) => {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            Err(trouble) => {
                tracing::error!(reason = trouble.to_string(), "overdue mails are not woken");
            }
        }
        late = EVERY;
        tokio::time::sleep(EVERY).await;
    }
}
