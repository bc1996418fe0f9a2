//! The chaos run: a plan that a seed decides, done to a real installation with two replicas of each
//! service; then calm; then the checker, which must find that the promise was kept.
//!
//! Nothing that the plan does explains a file that `failed` or a dead letter: outages count no
//! tries, no object is out of reach for half a minute, no message is delivered sixteen times, and
//! no clock is a day wrong. So there may be none.

mod clock;
mod content;
mod person;
mod plan;
mod rig;
mod run;

pub(crate) use person::Person;
pub use plan::Plan;
pub(crate) use rig::Rig;
pub(crate) use run::Parts;
pub use run::{Summary, run};

use anyhow::{Context, Result};

/// What the tests run. Any would do that has everything which may go wrong.
pub const SEED: u64 = 1333;

/// Seeds that the environment asks for: `LANDFALL_TEST_SEED=n`, that one; `LANDFALL_TEST_SEEDS=n`,
/// so many fresh ones; neither, `fixed`.
pub fn seeds(fixed: u64) -> Result<Vec<u64>> {
    let number = |name: &str| match std::env::var(name) {
        Ok(text) => {
            let number = text.parse::<u64>();
            number.map(Some).with_context(|| format!("{name}={text}"))
        }
        Err(_) => Ok(None),
    };
    if let Some(seed) = number("LANDFALL_TEST_SEED")? {
        return Ok(vec![seed]);
    }
    Ok(match number("LANDFALL_TEST_SEEDS")? {
        Some(count) => (0..count).map(|_| fastrand::u64(..)).collect(),
        None => vec![fixed],
    })
}
