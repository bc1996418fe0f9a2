//! Whether the machine has anything else to do than a load that is about to begin.

use std::time::Duration;

use anyhow::{Context, Result};

/// Cores that may be busy: a little more than servers take that have nothing to do.
pub(crate) const QUIET: f64 = 0.2;
/// For how long it is looked, and how often at most: the database may still be tidying up.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 20;
/// The kernel's USER_HZ, whatever the clock.
const TICKS: f64 = 100.0;

/// Waits a while for a quiet machine; answers how many cores were busy last.
pub(crate) async fn wait() -> Result<f64> {
    let mut busy = busy().await?;
    for _ in 1..LOOKS {
        if busy <= QUIET {
            break;
        }
        busy = self::busy().await?;
    }
    Ok(busy)
}

async fn busy() -> Result<f64> {
    let (before, begin) = (ticks()?, std::time::Instant::now());
    tokio::time::sleep(LOOK).await;
    Ok((ticks()? - before) / TICKS / begin.elapsed().as_secs_f64())
}

/// Ticks of all cores in which they were not idle, or the host gave them to somebody else.
fn ticks() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let counts = line.context("/proc/stat has all cores")?.split_whitespace();
    let counts = counts.map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    // User, nice, system, idle, waiting for disks, interrupts, soft interrupts, given away.
    let busy = counts.iter().enumerate().take(8);
    let busy = busy.filter(|(number, _)| ![3, 4].contains(number));
    Ok(busy.map(|(_, count)| count).sum())
}
