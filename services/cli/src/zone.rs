//! Times as people write and read them: in a time zone.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::{self, Offset, TimeZone};

/// A time zone with a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    pub(crate) const UTC: Self = Self(TimeZone::UTC);

    /// By its IANA name.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        if tz::db().is_definitively_empty() && !name.eq_ignore_ascii_case("UTC") {
            return Err("this machine knows no time zones: install `tzdata`".to_owned());
        }
        let zone = TimeZone::get(name);
        zone.map(Self)
            .map_err(|_| "expected an IANA name like Europe/Berlin, or UTC".to_owned())
    }

    pub(crate) fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Letters that a time takes.
    pub(crate) fn width(&self) -> usize {
        self.show(Timestamp::UNIX_EPOCH).len()
    }

    /// To the millisecond, as readings are stored, with the offset.
    pub(crate) fn show(&self, time: Timestamp) -> String {
        if self.0 == TimeZone::UTC {
            return format!("{time:.3}");
        }
        // As it is written it has whole minutes. Before the 20th century many had seconds.
        let minutes = self.0.to_offset(time).seconds() / 60;
        let offset = Offset::from_seconds(minutes * 60).unwrap_or(Offset::UTC);
        format!("{:.3}", time.display_with_offset(offset))
    }
}

/// A time as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Moment {
    /// With an offset.
    Definite(Timestamp),
    /// Without one: some zone's.
    Local(DateTime),
}

impl Moment {
    /// A day, a time, or a time with an offset.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let definite = text.parse().map(Self::Definite);
        definite
            .or_else(|_| text.parse().map(Self::Local))
            .map_err(|_: jiff::Error| {
                "expected a time like 2026-11-22, 2026-11-22T15:00 or 2026-11-22T15:00:00Z"
                    .to_owned()
            })
    }

    /// When that is, where times without an offset are of `zone`.
    pub(crate) fn in_zone(&self, zone: &Zone) -> Result<Timestamp, String> {
        let local = match self {
            Self::Definite(time) => return Ok(*time),
            Self::Local(local) => *local,
        };
        let found = zone.0.to_ambiguous_timestamp(local);
        // Where clocks are set at midnight, a day still begins: at its first moment.
        if found.is_ambiguous() && local.time() != Time::midnight() {
            return Err(format!(
                "{local} comes twice or never in {}, where clocks are set then: add the offset, \
                 like {local}+01:00",
                zone.name(),
            ));
        }
        found.compatible().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: &str) -> Result<String, String> {
        let zone = Zone::parse(zone).unwrap();
        let time = Moment::parse(text)?.in_zone(&zone)?;
        Ok(time.to_string())
    }

    #[test]
    fn times_without_an_offset_are_of_the_zone() {
        for text in [
            "2026-11-22T15:00:00Z",
            "2026-11-22T15:00",
            "2026-11-22 15:00:00",
            "2026-11-22T16:00:00+01:00",
        ] {
            assert_eq!(at(text, "UTC").unwrap(), "2026-11-22T15:00:00Z", "{text}");
        }
        for (text, zone, expected) in [
            ("2026-11-22", "UTC", "2026-11-22T00:00:00Z"),
            ("2026-11-22", "Europe/Berlin", "2026-11-21T23:00:00Z"),
            ("2026-07-22T12:00", "Europe/Berlin", "2026-07-22T10:00:00Z"),
            ("2026-07-22T12:00Z", "Europe/Berlin", "2026-07-22T12:00:00Z"),
            (
                "1969-12-31T23:00",
                "America/New_York",
                "1970-01-01T04:00:00Z",
            ),
            // This day began at one.
            ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"),
        ] {
            assert_eq!(at(text, zone).unwrap(), expected, "{text} in {zone}");
        }
        assert!(at("yesterday", "UTC").is_err());
    }

    #[test]
    fn a_time_that_comes_twice_or_never_is_refused() {
        for text in ["2026-10-25T02:30", "2026-03-29T02:30"] {
            let refused = at(text, "Europe/Berlin").unwrap_err();
            assert!(refused.contains("comes twice or never"), "{refused}");
        }
        let definite = at("2026-10-25T02:30+01:00", "Europe/Berlin");
        assert_eq!(definite.unwrap(), "2026-10-25T01:30:00Z");
    }

    #[test]
    fn what_is_shown_is_the_time_that_it_was() {
        let berlin = Zone::parse("europe/berlin").unwrap();
        assert_eq!(berlin.name(), "Europe/Berlin");
        for (time, shown) in [
            ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00.000+02:00"),
            ("2026-10-25T01:30:00.25Z", "2026-10-25T02:30:00.250+01:00"),
            ("1969-12-31T23:59:59.999Z", "1970-01-01T00:59:59.999+01:00"),
            // Berlin was 53 minutes and 28 seconds ahead.
            ("1880-01-01T00:00:00Z", "1880-01-01T00:53:00.000+00:53"),
        ] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(berlin.show(time), shown);
            assert_eq!(shown.parse::<Timestamp>().unwrap(), time);
        }
        let epoch = Timestamp::UNIX_EPOCH;
        assert_eq!(Zone::UTC.show(epoch), "1970-01-01T00:00:00.000Z");
        let utc = Zone::parse("UTC").unwrap();
        assert_eq!(utc.show(epoch), "1970-01-01T00:00:00.000Z");
        assert!(Zone::parse("Europe/Atlantis").is_err());
    }
}
