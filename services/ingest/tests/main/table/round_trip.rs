use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::json;

use crate::reading::{Outcome, Plain, profile, read_pieces, terms};

/// A row of the test's own model: what a file says, before anybody wrote or read it.
#[derive(Clone, Debug)]
struct Row {
    sensor: String,
    milliseconds: i64,
    values: Vec<Option<f64>>,
    note: String,
}

fn row(columns: usize) -> impl Strategy<Value = Row> {
    let sensor = prop_oneof![
        "[a-c]",
        "[a-zA-Z0-9äöü°€🌡_./-]{1,12}",
        // Quotes, delimiters and line breaks inside of a name.
        "s[\",;\n\r']{1,4}e",
    ];
    let milliseconds = prop_oneof![0..20_i64, -30_000_000_000_000..4_000_000_000_000_i64];
    let values = prop::collection::vec(
        prop::option::weighted(0.8, prop::num::f64::NORMAL | prop::num::f64::ZERO),
        columns,
    );
    let note = "[a-z \",;\n\r]{0,8}";
    (sensor, milliseconds, values, note).prop_map(|(sensor, milliseconds, values, note)| Row {
        sensor,
        milliseconds,
        values,
        note,
    })
}

fn time(milliseconds: i64, style: u8) -> String {
    let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap();
    let text = format!("{time:.3}");
    match style % 3 {
        0 => text,
        1 => text.replace('T', " ").trim_end_matches('Z').to_owned(),
        _ => text.replace('Z', "+00:00"),
    }
}

/// Writes rows with the `csv` crate's writer.
fn write(rows: &[Row], columns: usize, header: bool, crlf: bool, style: u8) -> Vec<u8> {
    let terminator = if crlf {
        csv::Terminator::CRLF
    } else {
        csv::Terminator::Any(b'\n')
    };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .terminator(terminator)
        .from_writer(vec![]);
    if header {
        let values = (0..columns).map(|at| format!("m{at}"));
        let names = ["note".into(), "sensor".into()].into_iter().chain(values);
        writer.write_record(names.chain(["time".into()])).unwrap();
    }
    for row in rows {
        let values = row.values.iter();
        let values = values.map(|value| value.map(|value| value.to_string()).unwrap_or_default());
        let cells = [row.note.clone(), row.sensor.clone()]
            .into_iter()
            .chain(values);
        writer
            .write_record(cells.chain([time(row.milliseconds, style)]))
            .unwrap();
    }
    writer.into_inner().unwrap()
}

fn columns_of(columns: usize, header: bool) -> runtime::config::Profile {
    let values: Vec<_> = (0..columns)
        .map(|at| {
            let metric = format!("m{at}");
            let column = if header { json!(metric) } else { json!(at + 3) };
            json!({ "column": column, "metric": metric })
        })
        .collect();
    profile(&json!({
        "delimiter": ";",
        "header": if header { "auto" } else { "no" },
        "sensor": { "column": if header { json!("sensor") } else { json!(2) } },
        "time": if header { json!("time") } else { json!(columns + 3) },
        "values": values,
    }))
}

/// What the rows come to, with a map.
fn expected(rows: &[Row]) -> (Vec<Plain>, u64) {
    let mut cells = HashMap::new();
    let mut read = 0;
    for row in rows {
        for (at, value) in row.values.iter().enumerate() {
            if let Some(value) = value {
                let key = (
                    row.sensor.trim().to_owned(),
                    format!("m{at}"),
                    row.milliseconds,
                );
                cells.insert(key, *value);
                read += 1;
            }
        }
    }
    let cells = cells.into_iter();
    let mut cells: Vec<Plain> = cells.map(|((s, m, t), value)| (s, m, t, value)).collect();
    cells.sort_by(|one, other| (&one.0, &one.1, one.2).cmp(&(&other.0, &other.1, other.2)));
    (cells, read)
}

/// Cuts bytes at the given places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect()
}

fn adds_up(outcome: &Outcome) {
    let counts = &outcome.seen.counts;
    assert_eq!(
        counts.read,
        counts.stored + counts.rejected + counts.duplicated
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_another_program_wrote_is_read_back_however_it_is_cut(
        columns in 2_usize..5,
        header: bool,
        crlf: bool,
        mark: bool,
        style: u8,
        rows in prop::collection::vec(row(4), 1..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        part in 1_u32..200,
    ) {
        let rows: Vec<Row> = rows
            .into_iter()
            .map(|mut row| { row.values.truncate(columns); row })
            .collect();
        let mut bytes = write(&rows, columns, header, crlf, style);
        if mark {
            bytes.splice(0..0, *b"\xef\xbb\xbf");
        }
        let profile = columns_of(columns, header);
        let mut small = terms();
        small.part = part;
        let (cells, read) = expected(&rows);

        let whole = read_pieces([&bytes[..]], &profile, &terms(), "a.csv");
        prop_assert_eq!(&whole.seen.problem, &None);
        prop_assert_eq!(whole.refusals(), Vec::<String>::new());
        prop_assert_eq!(whole.stored(), cells.clone());
        prop_assert_eq!(whole.seen.parts, 1);
        prop_assert!(!whole.seen.at_least);
        let counts = &whole.seen.counts;
        prop_assert_eq!((counts.read, counts.stored), (read, cells.len() as u64));
        prop_assert_eq!(counts.lines, rows.len() as u64);
        adds_up(&whole);

        let cut = read_pieces(pieces(&bytes, &cuts), &profile, &terms(), "a.csv");
        prop_assert_eq!(&cut.seen.counts, counts);
        prop_assert_eq!(&cut.written, &whole.written);

        // In parts: each holds no more than it may, the last word on a cell is the same, and the
        // count of duplicates is exact unless it says otherwise.
        let parts = read_pieces(pieces(&bytes, &cuts), &profile, &small, "a.csv");
        prop_assert_eq!(parts.stored(), cells.clone());
        prop_assert!(parts.written.iter().all(|written| written.len() <= part as usize));
        prop_assert_eq!(parts.seen.parts as usize, parts.written.len());
        adds_up(&parts);
        prop_assert!(parts.seen.counts.stored >= cells.len() as u64);
        if !parts.seen.at_least {
            prop_assert_eq!(parts.seen.counts.stored, cells.len() as u64);
        }
        let again = read_pieces([&bytes[..]], &profile, &small, "a.csv");
        prop_assert_eq!(&again.seen.counts, &parts.seen.counts);
        prop_assert_eq!(again.written, parts.written);
    }

    #[test]
    fn a_refused_row_is_named_by_the_line_an_editor_shows(
        good in prop::collection::vec(row(2), 0..30),
        bad: prop::sample::Index,
        crlf: bool,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut bytes = write(&good, 2, true, crlf, 0);
        let tail = write(&good[..bad.index(good.len() + 1)], 2, false, crlf, 0);
        // Line breaks before the broken row, counted in the text itself.
        let text = String::from_utf8(bytes.clone()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
        let line = text.matches('\n').count() + 1;
        let end: &[u8] = if crlf { b"\r\n" } else { b"\n" };
        let row = [&b"note;;1.0;\"2\";not a time"[..], end].concat();
        bytes.extend_from_slice(&row);
        bytes.extend_from_slice(&tail);
        let outcome = read_pieces(pieces(&bytes, &cuts), &columns_of(2, true), &terms(), "a.csv");
        prop_assert_eq!(
            outcome.refusals(),
            vec![format!("{line} time `not a time` is neither an ISO 8601 nor a Unix time")]
        );
        let counts = &outcome.seen.counts;
        prop_assert_eq!((counts.rejected_lines, counts.rejected), (1, 2));
        adds_up(&outcome);
        // As it stood, with the header.
        let header = &bytes[..bytes.windows(end.len()).position(|window| window == end).unwrap() + end.len()];
        prop_assert_eq!(outcome.seen.rejects.rows(), [header, &row].concat());
    }

    #[test]
    fn nothing_that_can_be_uploaded_makes_it_panic_or_grow(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4000),
            prop::collection::vec(prop::sample::select(&b"a,\";\n\r 0129.-:TZe\0\xff"[..]), 0..4000),
            "(s[0-9],[0-9]{1,12},[0-9.]{1,4}\n){0,200}".prop_map(String::into_bytes),
        ],
        gzip: bool,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        columns in 1_usize..4,
        header: bool,
    ) {
        let bytes = if gzip { super::gzip::pack(&bytes) } else { bytes };
        let mut small = terms();
        (small.part, small.longest_line, small.refused_rows) = (16, 200, 1000);
        for profile in [profile(&json!({})), columns_of(columns, header)] {
            let one = read_pieces(pieces(&bytes, &cuts), &profile, &small, "a.csv");
            adds_up(&one);
            let rejects = &one.seen.rejects;
            prop_assert!(rejects.rows().len() + rejects.list().len() < 3000);
            prop_assert!(one.written.iter().all(|part| part.len() <= 16));
            let other = read_pieces([&bytes[..]], &profile, &small, "a.csv");
            prop_assert_eq!(one.seen.counts, other.seen.counts);
            prop_assert_eq!(one.seen.problem, other.seen.problem);
            prop_assert_eq!(one.seen.at_least, other.seen.at_least);
            prop_assert_eq!(rejects.rows(), other.seen.rejects.rows());
            prop_assert_eq!(rejects.list(), other.seen.rejects.list());
            prop_assert_eq!(one.written, other.written);
        }
    }
}
