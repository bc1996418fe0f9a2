//! Noticing that notifications may have passed the watcher by.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::Client;
use runtime::Trouble;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::sweep::Wanted;

const TICK: Duration = Duration::from_secs(1);
/// A tick that comes so late was not slow: the process stood still.
const STOOD_STILL: Duration = Duration::from_secs(10);

/// Wants a sweep when NATS is back after it was away (stores that publish to it have lost what
/// they said meanwhile), and when the process stood still (webhooks were not answered). What the
/// listener refuses it reports itself.
pub(crate) async fn notice(
    client: Client,
    wanted: Wanted,
    stop: CancellationToken,
) -> Result<(), Trouble> {
    let connects = || client.statistics().connects.load(Ordering::Relaxed);
    let mut before = connects();
    let mut last = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(TICK) => {}
        }
        let now = connects();
        if now != before {
            tracing::info!("nats is back: looking for what came meanwhile");
            wanted.sweep();
        } else if last.elapsed() > STOOD_STILL {
            tracing::warn!("the process stood still: looking for what came meanwhile");
            wanted.sweep();
        }
        (before, last) = (now, Instant::now());
    }
}
