//! So many a second, and never faster.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// A bound on how fast something is done; or none.
pub(crate) struct Pace(Option<Interval>);

impl Pace {
    /// At most `rate` a second.
    pub(crate) fn new(rate: Option<f64>) -> Self {
        Self(rate.map(|rate| {
            let mut clock = interval(Duration::from_secs_f64(1.0 / rate));
            // What took long is not made up for: that would be faster than the rate.
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            clock
        }))
    }

    /// Waits until the next may be done.
    pub(crate) async fn turn(&mut self) {
        if let Some(clock) = &mut self.0 {
            clock.tick().await;
        }
    }
}
