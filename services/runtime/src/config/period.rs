//! Lengths of time, written as people write them: `10m`, `1h 30m`, `250ms`.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, Serializer};

const DAY: u64 = 24 * 60 * 60;

/// Writes a length of time in its friendly form.
pub fn serialize<S: Serializer>(period: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let days = period.as_secs() / DAY;
    let rest = *period - Duration::from_secs(days * DAY);
    let rest = SignedDuration::try_from(rest).unwrap_or_default();
    match (days, rest.is_zero()) {
        (0, _) => serializer.collect_str(&format_args!("{rest:#}")),
        (days, true) => serializer.collect_str(&format_args!("{days}d")),
        (days, false) => serializer.collect_str(&format_args!("{days}d {rest:#}")),
    }
}

/// Reads a length of time from its friendly form. A day has 24 hours.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span: Span = text.parse().map_err(|_| wrong(&text))?;
    let signed = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong(&text))?;
    Duration::try_from(signed).map_err(|_| wrong(&text))
}

fn wrong<E: serde::de::Error>(text: &str) -> E {
    E::custom(format_args!(
        "`{text}` is no length of time; write one like `10m`, `1h 30m` or `250ms`"
    ))
}

/// The same where there may be none.
pub mod optional {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    /// Writes a length of time, or nothing.
    pub fn serialize<S: Serializer>(
        period: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match period {
            Some(period) => super::serialize(period, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a length of time that is there.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
