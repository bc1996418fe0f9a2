use ingest::table::number::parse;
use ingest::table::refusal::Reason;
use proptest::prelude::*;

proptest! {
    #[test]
    fn every_number_that_is_written_is_read_as_it_was(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        for text in [format!("{value}"), format!("{value:e}"), format!("{value:?}")] {
            prop_assert_eq!(parse(text.as_bytes()).map(f64::to_bits), Ok(bits), "{}", text);
        }
    }

    #[test]
    fn decimals_are_read_as_the_standard_library_reads_them(text in r"[+-]?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,3})?") {
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => prop_assert_eq!(parse(text.as_bytes()), Ok(value)),
            Ok(_) => prop_assert_eq!(parse(text.as_bytes()), Err(Reason::TooLarge)),
            Err(_) => prop_assert!(parse(text.as_bytes()).is_err()),
        }
    }

    #[test]
    fn nothing_is_read_that_the_standard_library_refuses(text in r"[-+0-9.eE_xinfatyNI,]{0,12}") {
        if text.parse::<f64>().is_err() {
            prop_assert!(parse(text.as_bytes()).is_err());
        }
    }
}

#[test]
fn what_is_no_number_says_why() {
    for (text, reason) in [
        ("", Reason::Empty),
        ("abc", Reason::NotANumber),
        ("1_000", Reason::NotANumber),
        ("1 000", Reason::NotANumber),
        ("0x10", Reason::NotANumber),
        ("12°C", Reason::NotANumber),
        ("1,000,000", Reason::NotANumber),
        ("21,5", Reason::DecimalComma),
        ("-0,5", Reason::DecimalComma),
        ("nan", Reason::NotFinite),
        ("NaN", Reason::NotFinite),
        ("inf", Reason::NotFinite),
        ("-Infinity", Reason::NotFinite),
        ("1e999", Reason::TooLarge),
        ("-1e400", Reason::TooLarge),
    ] {
        assert_eq!(parse(text.as_bytes()), Err(reason), "{text}");
    }
}

#[test]
fn what_python_takes_is_taken() {
    for (text, value) in [
        ("5.", 5.0),
        (".5", 0.5),
        ("+1.5", 1.5),
        ("1E+05", 1e5),
        ("-0", -0.0),
    ] {
        assert_eq!(parse(text.as_bytes()), Ok(value), "{text}");
    }
    assert!(parse(b"-0").unwrap().is_sign_negative());
}
