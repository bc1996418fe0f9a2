use ingest::table::refusal::Reason;
use ingest::table::time::{Time, parse};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use runtime::config::profile::TimeFormat;

/// What jiff makes of a text with or without a zone, but for leap seconds, which it moves.
fn by_jiff(text: &str) -> Option<Time> {
    if text.get(17..19) == Some("60") {
        return None;
    }
    let of_day = text.get(10..).unwrap_or_default();
    let timestamp: Timestamp = if of_day.contains(['Z', 'z', '+', '-']) {
        text.parse().ok()?
    } else {
        let civil: DateTime = text.parse().ok()?;
        civil.to_zoned(TimeZone::UTC).ok()?.timestamp()
    };
    let nanoseconds = timestamp.as_nanosecond();
    Some(Time {
        milliseconds: i64::try_from(nanoseconds.div_euclid(1_000_000)).unwrap(),
        truncated: nanoseconds.rem_euclid(1_000_000) != 0,
    })
}

fn at(milliseconds: i64, truncated: bool) -> Result<Time, Reason> {
    Ok(Time {
        milliseconds,
        truncated,
    })
}

#[test]
fn a_leap_second_is_refused_and_not_moved() {
    for text in [
        "2016-12-31T23:59:60Z",
        "2016-12-31 23:59:60",
        "2016-12-31T23:59:60.5Z",
        "2017-01-01T00:59:60+01:00",
        "20161231T235960Z",
        "2016-12-31t23:59:60z",
    ] {
        for format in [TimeFormat::Auto, TimeFormat::Iso] {
            assert_eq!(
                parse(text.as_bytes(), format),
                Err(Reason::LeapSecond),
                "{text}"
            );
        }
    }
    assert_eq!(
        parse(b"2016-12-31T23:59:59+00:60", TimeFormat::Auto),
        Err(Reason::NotATime)
    );
    let before = parse(b"20161231T235959Z", TimeFormat::Auto);
    assert_eq!(before, at(1_483_228_799_000, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_time_that_jiff_writes_is_read_as_jiff_reads_it(
        milliseconds in -62_167_219_200_000_i64..253_402_200_000_000,
        nanoseconds in 0_i32..1_000_000,
        digits in 0_u8..=9,
    ) {
        let time = Timestamp::new(milliseconds / 1000, nanoseconds).unwrap();
        let text = format!("{time:.0$}", usize::from(digits));
        for text in [&*text, text.trim_end_matches('Z'), &text.replace('T', " ")] {
            let expected = by_jiff(text);
            prop_assert!(expected.is_some(), "{}", text);
            prop_assert_eq!(parse(text.as_bytes(), TimeFormat::Iso).ok(), expected, "{}", text);
            prop_assert_eq!(parse(text.as_bytes(), TimeFormat::Auto).ok(), expected, "{}", text);
        }
    }

    #[test]
    fn whatever_has_nearly_the_form_of_a_time_is_read_as_jiff_reads_it(
        text in r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9]([.,][0-9]{0,11})?)?(Z|z|[+-][0-2][0-9](:?[0-6][0-9])?)?)?",
    ) {
        prop_assert_eq!(parse(text.as_bytes(), TimeFormat::Iso).ok(), by_jiff(&text), "{}", text);
    }

    #[test]
    fn a_character_out_of_place_is_judged_as_jiff_judges_it(
        text in r"2024-0[1-9]-1[0-9][T ]1[0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|\+0[0-9]:30)?",
        place in 0_usize..34,
        other in "[-0-9:.TZ+ a]",
    ) {
        let mut text = text;
        let place = place % text.len();
        text.replace_range(place..=place, &other);
        prop_assert_eq!(parse(text.as_bytes(), TimeFormat::Iso).ok(), by_jiff(&text), "{}", text);
    }

    #[test]
    fn a_unix_time_is_the_same_in_every_unit(
        // From 1973-03-03 on, where milliseconds have reached their magnitude, to 2554.
        nanoseconds in 100_000_000_000_000_000_i64..i64::MAX,
        negative: bool,
    ) {
        let sign = if negative { "-" } else { "" };
        let signed = if negative { -i128::from(nanoseconds) } else { nanoseconds.into() };
        let expected = at(i64::try_from(signed.div_euclid(1_000_000)).unwrap(), nanoseconds % 1_000_000 != 0);
        for (unit, digits) in [(1_000_000_000, 9), (1_000_000, 6), (1_000, 3), (1, 0)] {
            let (whole, rest) = (nanoseconds / unit, nanoseconds % unit);
            let text = if digits == 0 {
                format!("{sign}{whole}")
            } else {
                format!("{sign}{whole}.{rest:0digits$}")
            };
            prop_assert_eq!(parse(text.as_bytes(), TimeFormat::Unix), expected, "{}", text);
            prop_assert_eq!(parse(text.as_bytes(), TimeFormat::Auto), expected, "{}", text);
        }
    }

    #[test]
    fn seconds_of_any_sign_are_read(seconds in -99_999_999_999_i64..100_000_000_000) {
        let text = seconds.to_string();
        prop_assert_eq!(parse(text.as_bytes(), TimeFormat::Unix), at(seconds * 1000, false));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for format in [TimeFormat::Auto, TimeFormat::Iso, TimeFormat::Unix] {
            let _ = parse(&bytes, format);
        }
    }
}

#[test]
fn what_is_finer_than_a_millisecond_is_cut_off_towards_the_past() {
    for (text, expected) in [
        ("2024-01-01T00:00:00.123", at(1_704_067_200_123, false)),
        ("2024-01-01T00:00:00.123000", at(1_704_067_200_123, false)),
        ("2024-01-01T00:00:00.1239", at(1_704_067_200_123, true)),
        ("1969-12-31T23:59:59.9995", at(-1, true)),
        ("1704067200.1239", at(1_704_067_200_123, true)),
        ("1704067200.1230", at(1_704_067_200_123, false)),
        ("-1.0005", at(-1001, true)),
        ("-1.5", at(-1500, false)),
        ("-0.0001", at(-1, true)),
        ("1704067200123.5", at(1_704_067_200_123, true)),
        ("-1704067200123456", at(-1_704_067_200_124, true)),
        ("1704067200123456", at(1_704_067_200_123, true)),
        ("1704067200123456789", at(1_704_067_200_123, true)),
        ("1704067200123000000", at(1_704_067_200_123, false)),
    ] {
        assert_eq!(parse(text.as_bytes(), TimeFormat::Auto), expected, "{text}");
    }
}

#[test]
fn times_are_read_in_every_documented_form() {
    let noon = at(1_718_884_800_000, false);
    for text in [
        "2024-06-20T12:00:00Z",
        "2024-06-20t12:00:00z",
        "2024-06-20 12:00:00",
        "2024-06-20 12:00",
        "2024-06-20T12:00:00.000",
        "2024-06-20T12:00:00,0",
        "2024-06-20T14:00:00+02:00",
        "2024-06-20T14:00:00+0200",
        "2024-06-20 14:00:00+02",
        "2024-06-20T06:30:00-05:30",
        "20240620T120000Z",
        "1718884800",
        "+1718884800",
        "1718884800.0",
        "1718884800.",
        "1718884800000",
        "1718884800000000",
        "1718884800000000000",
    ] {
        assert_eq!(parse(text.as_bytes(), TimeFormat::Auto), noon, "{text}");
    }
    assert_eq!(
        parse(b"2024-06-20", TimeFormat::Auto),
        at(1_718_841_600_000, false)
    );
    assert_eq!(
        parse(b"20240620", TimeFormat::Iso),
        at(1_718_841_600_000, false)
    );
    assert_eq!(
        parse(b"20240620", TimeFormat::Unix),
        at(20_240_620_000, false)
    );
    assert_eq!(parse(b"0", TimeFormat::Auto), at(0, false));
}

#[test]
fn what_is_no_time_says_why() {
    use TimeFormat::{Auto, Iso, Unix};
    for (text, format, reason) in [
        ("", Auto, Reason::Empty),
        ("yesterday", Auto, Reason::NotATime),
        ("2024-13-01T00:00:00", Auto, Reason::NotATime),
        ("2023-02-29T00:00:00", Auto, Reason::NotATime),
        ("2024-01-01T24:00:00", Auto, Reason::NotATime),
        ("2024-01-01T00:00:00[Europe/Berlin]", Auto, Reason::NotATime),
        ("31.01.2024 12:00", Auto, Reason::NotATime),
        ("01/31/2024", Auto, Reason::NotATime),
        ("12:00:00", Auto, Reason::NotATime),
        ("1.7e9", Auto, Reason::Exponent),
        ("1.7E+09", Unix, Reason::Exponent),
        ("20240620", Auto, Reason::DateOrUnix),
        ("202406201230", Auto, Reason::DateOrUnix),
        ("1718884800", Iso, Reason::NotIso),
        ("2024-06-20T12:00:00", Unix, Reason::NotUnix),
        ("99999999999999999999999", Auto, Reason::OutOfRange),
        ("12:30.5", Unix, Reason::NotUnix),
        ("--5", Unix, Reason::NotUnix),
        (".5", Unix, Reason::NotUnix),
    ] {
        assert_eq!(parse(text.as_bytes(), format), Err(reason), "{text}");
    }
}
