use serde_json::json;

use crate::reading::{Outcome, profile, read, read_pieces, terms};

const HEADER: &str = "sensor_id,timestamp,value\n";

/// Reads rows below the standard header.
fn rows(text: &[u8]) -> Outcome {
    read(&[HEADER.as_bytes(), text].concat(), &profile(&json!({})))
}

#[test]
fn every_refusal_names_line_column_value_and_reason() {
    let long = "x".repeat(1100);
    let long_shown = format!("{}…", "x".repeat(60));
    let good = "ok,2024-01-01T00:00:00Z,1\n";
    for (row, expected) in [
        (
            &b",2024-01-01T00:00:00Z,1"[..],
            "3 sensor_id `` is empty".to_owned(),
        ),
        (
            b"  ,2024-01-01T00:00:00Z,1",
            "3 sensor_id `` is empty".into(),
        ),
        (
            b"a\xff,2024-01-01T00:00:00Z,1",
            "3 sensor_id `a\\xff` is not UTF-8".into(),
        ),
        (
            b"a\0b,2024-01-01T00:00:00Z,1",
            "3 sensor_id `a\\u{0}b` holds a NUL character".into(),
        ),
        (
            format!("{long},2024-01-01T00:00:00Z,1").as_bytes(),
            format!("3 sensor_id `{long_shown}` is longer than 1024 bytes"),
        ),
        (b"a,,1", "3 timestamp `` is empty".into()),
        (
            b"a,soon,1",
            "3 timestamp `soon` is neither an ISO 8601 nor a Unix time".into(),
        ),
        (
            b"a,2100-01-01T00:00:00.001Z,1",
            "3 timestamp `2100-01-01T00:00:00.001Z` lies too far in the future".into(),
        ),
        (
            b"a,99999999999999999999,1",
            "3 timestamp `99999999999999999999` is a time beyond the years -9999 to 9999".into(),
        ),
        (b"a,1700000000,", "3 value `` is empty".into()),
        (
            b"a,1700000000,12 C",
            "3 value `12 C` is not a number".into(),
        ),
        (
            b"a,1700000000,NaN",
            "3 value `NaN` is not a finite number".into(),
        ),
        (
            b"a,1700000000,1e400",
            "3 value `1e400` is too large for a 64-bit number".into(),
        ),
        (
            b"a,1700000000,\"1,5\"",
            "3 value `1,5` has a decimal comma; write a point".into(),
        ),
        (
            b"a,1700000000,1,5",
            "3 - `a,1700000000,1,5` has 4 columns where the file has 3".into(),
        ),
        (
            b"a,1700000000",
            "3 - `a,1700000000` has 2 columns where the file has 3".into(),
        ),
        (b"a", "3 - `a` has 1 column where the file has 3".into()),
        (
            b"a,1700000000,\"\x1b[31m\xe2\x80\xaered\"",
            "3 value `\\u{1b}[31m\\u{202e}red` is not a number".into(),
        ),
        (
            b"a,1700000000,\"two\nlines\"",
            "3 value `two\\nlines` is not a number".into(),
        ),
    ] {
        let outcome = rows(&[good.as_bytes(), row, b"\n", b"ok,1700000000,2\n"].concat());
        assert_eq!(outcome.refusals(), [expected]);
        let counts = &outcome.seen.counts;
        let lines = if row.contains(&b'\n') { 2 } else { 1 };
        assert_eq!((counts.rejected_lines, counts.rejected), (lines, lines));
        assert_eq!((counts.stored, counts.read), (2, 2 + lines));
    }
}

#[test]
fn a_quote_that_is_never_closed_refuses_every_line_it_swallows() {
    let outcome = rows(b"a,1700000000,1\nb,1700000000,\"2\nc,1700000000,3\nd,1700000000,4\n");
    let counts = &outcome.seen.counts;
    assert_eq!(
        (counts.stored, counts.rejected, counts.rejected_lines),
        (1, 4, 4)
    );
    let refusal = &outcome.refusals()[0];
    assert!(
        refusal.starts_with("3 - `b,1700000000,\"2\\nc"),
        "{refusal}"
    );
    assert!(
        refusal.ends_with(
            "opens a quote that is never closed, and so takes the rest of the file along"
        ),
        "{refusal}"
    );
}

#[test]
fn the_quote_that_takes_the_rest_along_stands_before_all_other_refusals() {
    let bad = "a,never,1\n".repeat(10);
    let text = format!("{bad}b,1700000000,\"2\nc,1700000000,3\n");
    let first = |outcome: &Outcome| outcome.refusals()[..2].to_vec();
    let expected = |outcome: Outcome| {
        let [quote, other] = &first(&outcome)[..] else {
            panic!("{:?}", outcome.refusals());
        };
        assert!(quote.starts_with("12 - `b,1700000000,\"2"), "{quote}");
        assert!(other.starts_with("2 timestamp `never`"), "{other}");
        assert_eq!(outcome.refusals().len(), 5);
        assert_eq!(outcome.seen.rejects.open_quote(), Some(12));
    };
    expected(rows(text.as_bytes()));
    // Also where no more rows are kept.
    let mut small = terms();
    small.refused_rows = 300;
    let text = format!("{HEADER}{text}");
    expected(read_pieces(
        [text.as_bytes()],
        &profile(&json!({})),
        &small,
        "a.csv",
    ));
    assert_eq!(rows(bad.as_bytes()).seen.rejects.open_quote(), None);
}

#[test]
fn a_header_with_a_quote_that_is_never_closed_is_no_missing_column() {
    let outcome = read(
        b"sensor_id,\"timestamp,value\na,1700000000,1\n",
        &profile(&json!({})),
    );
    assert_eq!(
        outcome.seen.problem.unwrap(),
        "a quote opened in line 1 is never closed"
    );
}

#[test]
fn a_refused_row_of_a_wide_file_counts_all_its_values() {
    let wide = profile(&json!({ "sensor": { "fixed": "s" }, "values": ["a", "b", "c"] }));
    let outcome = read(
        b"timestamp,a,b,c\n1700000000,1,,3\n1700000001,x,,3\n1700000002,,,\n,,,\n",
        &wide,
    );
    let counts = &outcome.seen.counts;
    assert_eq!((counts.stored, counts.rejected, counts.read), (2, 2, 4));
    assert_eq!((counts.lines, counts.rejected_lines), (3, 1));
    assert_eq!(outcome.refusals(), ["3 a `x` is not a number"]);
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    for (text, line) in [
        ("a,1,1\nb,2,x\n", 3),
        ("a,1,1\r\nb,2,x\r\n", 3),
        ("a,1,1\rb,2,x\r", 3),
        ("\n\na,1,1\n\n\nb,2,x", 7),
        ("\r\n\r\na,1,1\r\n\r\nb,2,x", 6),
        ("\"q\n\"\"\r\n\",1,1\nb,2,x", 5),
        ("\"q\r\",1,1\nb,2,x", 4),
    ] {
        let bytes = [HEADER, text].concat();
        for size in 1..bytes.len() {
            let outcome = read_pieces(
                bytes.as_bytes().chunks(size),
                &profile(&json!({})),
                &terms(),
                "a.csv",
            );
            assert_eq!(
                outcome.refusals(),
                [format!("{line} value `x` is not a number")],
                "{text:?}"
            );
            assert_eq!(outcome.seen.counts.stored, 1);
        }
    }
}

#[test]
fn a_line_without_end_is_named_and_not_kept() {
    let mut small = terms();
    small.longest_line = 100;
    let profile = profile(&json!({}));
    let fits = format!("{HEADER}{},1700000000,1\n", "s".repeat(87));
    let outcome = read_pieces([fits.as_bytes()], &profile, &small, "a.csv");
    assert_eq!(
        (outcome.seen.problem, outcome.seen.counts.stored),
        (None, 1)
    );
    let quote = "a quote opened in line 2 is never closed, or not within 100 bytes";
    for (text, expected) in [
        (
            format!("{HEADER}{},1700000000,1\n", "s".repeat(88)),
            "line 2 is longer than 100 bytes",
        ),
        (
            format!("{HEADER}{},1700000000,1", "s".repeat(88)),
            "line 2 is longer than 100 bytes",
        ),
        (
            format!("{HEADER}a,1700000000,\"1\n{}", "b,1,1\n".repeat(1000)),
            quote,
        ),
        (
            format!("{HEADER}a,1700000000,\"{}\nb,1,1\n", "1".repeat(85)),
            quote,
        ),
    ] {
        for size in [1, 7, 100_000] {
            let pieces = text.as_bytes().chunks(size);
            let problem = read_pieces(pieces, &profile, &small, "a.csv")
                .seen
                .problem
                .unwrap();
            assert_eq!(problem, format!("{expected} ([ingest] longest_line)"));
        }
    }
    let columns = format!("{HEADER}{}", ",".repeat(70_000));
    let problem = read(columns.as_bytes(), &profile).seen.problem.unwrap();
    assert_eq!(problem, "line 2 has more than 65536 columns");
}

#[test]
fn what_is_no_csv_is_named_once() {
    let utf16: Vec<u8> = "sensor_id,timestamp\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let marked = [&b"\xff\xfe"[..], &utf16].concat();
    let noise: Vec<u8> = (0..600_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for (bytes, what) in [
        (
            &b"PK\x03\x04\x14\x00\x06\x00"[..],
            "a zip archive or an Excel workbook",
        ),
        (b"PAR1\x15\x04\x15\x10", "Parquet"),
        (b"<!DOCTYPE html>\n<html>", "HTML"),
        (b"\n <HTML><body>404", "HTML"),
        (
            b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code>",
            "XML",
        ),
        (b"<Error><Code>AccessDenied</Code></Error>", "XML or HTML"),
        (b"{\"sensor\": 1}", "JSON"),
        (b"[{\"sensor\": 1}]", "JSON"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "a PNG image"),
        (b"%PDF-1.7\n", "PDF"),
        (&utf16, "UTF-16"),
        (&marked, "UTF-16"),
        (&noise, "a binary file"),
    ] {
        let outcome = read(bytes, &profile(&json!({})));
        let problem = outcome.seen.problem.unwrap();
        assert_eq!(
            problem,
            format!("it is no CSV; by its first bytes it is {what}")
        );
        assert_eq!(outcome.seen.counts.read, 0);
    }
}

#[test]
fn what_only_resembles_something_else_is_read() {
    for text in [
        "PAR1,1700000000,1\n",
        "ORC,1700000000,1\n",
        "[s],1700000000,1\n",
        "{s},1700000000,1\n",
        "<s>,1700000000,1\n",
        "\u{feff}s,1700000000,1\n",
    ] {
        let outcome = read(text.as_bytes(), &profile(&json!({})));
        assert_eq!(
            (outcome.seen.problem, outcome.seen.counts.stored),
            (None, 1),
            "{text}"
        );
    }
    assert_eq!(
        read("\u{feff}s,1700000000,1".as_bytes(), &profile(&json!({}))).stored()[0].0,
        "s"
    );
}
