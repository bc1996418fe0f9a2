//! Waiting for what is to become true.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a test waits for anything before it says what did not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks `check` until it answers something; none if it has not within `deadline`.
pub async fn until<T, F>(deadline: Duration, mut check: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = check().await {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(Duration::from_millis(20)).await;
    }
}
