//! Lengths of time, written as people write them: `10m`, `1h 30m`, `250ms`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes a length of time in its friendly form.
pub fn serialize<S: Serializer>(period: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let signed = SignedDuration::try_from(*period).unwrap_or(SignedDuration::MAX);
    serializer.collect_str(&format_args!("{signed:#}"))
}

/// Reads a length of time from its friendly form.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let signed: SignedDuration = text.parse().map_err(|_| wrong(&text))?;
    Duration::try_from(signed).map_err(|_| wrong(&text))
}

fn wrong<E: serde::de::Error>(text: &str) -> E {
    E::custom(format_args!(
        "`{text}` is no length of time; write one like `10m`, `1h 30m` or `250ms`"
    ))
}
