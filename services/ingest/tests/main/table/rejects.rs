use serde_json::json;

use crate::reading::{Outcome, profile, read, read_pieces, terms};

/// What another reader of CSV makes of the list.
fn list(outcome: &Outcome) -> Vec<Vec<String>> {
    let list = outcome.seen.rejects.list();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(list.as_bytes());
    let records = reader.records().map(Result::unwrap);
    records
        .map(|record| record.iter().map(str::to_owned).collect())
        .collect()
}

#[test]
fn refused_rows_stand_as_they_stood_and_load_again_when_they_are_corrected() {
    let text = "\u{feff}note,sensor_id,timestamp,value\r\n\
                fine,a,1700000000,1\r\n\
                \"a \"\"quoted\"\"\nnote\", b ,1700000001,\"x\"\r\n\
                short,c\r\n\
                fine,d,1700000002,4\r\n\
                last,e,soon,5";
    let outcome = read(text.as_bytes(), &profile(&json!({})));
    let rows = outcome.seen.rejects.rows();
    assert_eq!(
        String::from_utf8(rows.clone()).unwrap(),
        "note,sensor_id,timestamp,value\r\n\
         \"a \"\"quoted\"\"\nnote\", b ,1700000001,\"x\"\r\n\
         short,c\r\n\
         last,e,soon,5\n"
    );
    assert_eq!(
        list(&outcome),
        [
            ["file", "line", "column", "value", "reason"],
            ["incoming/file.csv", "3", "value", "x", "is not a number"],
            [
                "incoming/file.csv",
                "5",
                "",
                "short,c",
                "has 2 columns where the file has 4"
            ],
            [
                "incoming/file.csv",
                "7",
                "timestamp",
                "soon",
                "is neither an ISO 8601 nor a Unix time"
            ],
        ]
    );
    let corrected = String::from_utf8(rows)
        .unwrap()
        .replace("\"x\"", "\"2\"")
        .replace("short,c", "short,c,1700000003,3")
        .replace("soon", "1700000004");
    let again = read(corrected.as_bytes(), &profile(&json!({})));
    assert_eq!(again.refusals(), Vec::<String>::new());
    assert_eq!(again.seen.counts.stored, 3);
}

#[test]
fn a_file_without_a_header_has_refused_rows_without_one() {
    let outcome = read(b"a,1700000000,1\nb,1700000000,x\n", &profile(&json!({})));
    assert_eq!(outcome.seen.rejects.rows(), b"b,1700000000,x\n");
    assert_eq!(outcome.refusals(), ["2 3 `x` is not a number"]);
}

#[test]
fn nothing_in_the_list_is_a_formula() {
    for value in ["=1+1", "+cmd", "-2+3", "@SUM(A1)"] {
        let text = format!("=a,1700000000,1\n=a,1700000000,\"{value}\"\n");
        let outcome = read_pieces(
            [text.as_bytes()],
            &profile(&json!({})),
            &terms(),
            "=HYPERLINK(\"x\"),\n.csv",
        );
        let list = list(&outcome);
        assert_eq!(list[1][0], "'=HYPERLINK(\"x\"),\n.csv");
        assert_eq!(list[1][3], format!("'{value}"));
        for cell in list.iter().flatten() {
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell}"
            );
        }
        // The rows are the file's own: they must load as they are.
        let rows = String::from_utf8(outcome.seen.rejects.rows()).unwrap();
        assert_eq!(rows, format!("=a,1700000000,\"{value}\"\n"));
    }
}

#[test]
fn rows_that_do_not_fit_are_counted_and_said() {
    let mut small = terms();
    small.refused_rows = 10_000;
    let mut text = String::from("ok,1700000000,1\n");
    for row in 0..5000 {
        text.push_str(&format!("bad{row},never,1\n"));
    }
    let outcome = read_pieces([text.as_bytes()], &profile(&json!({})), &small, "a.csv");
    let list = list(&outcome);
    let rows = outcome.seen.rejects.rows();
    let kept = rows.iter().filter(|byte| **byte == b'\n').count();
    assert!(rows.len() + outcome.seen.rejects.list().len() < 10_500);
    assert_eq!(list.len(), kept + 2);
    let last = list.last().unwrap();
    assert_eq!(last[1], (kept + 2).to_string());
    let more = runtime::text::count(5000 - kept as u64);
    let said = format!("{more} more rows were refused from this line on");
    assert!(last[4].starts_with(&said), "{}", last[4]);
    assert_eq!(outcome.seen.counts.rejected, 5000);
    assert!(text.as_bytes()["ok,1700000000,1\n".len()..].starts_with(&rows));
}
