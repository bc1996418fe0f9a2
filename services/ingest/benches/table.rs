//! How fast the table is read, against bare parsers of CSV that convert nothing.
//!
//! `cargo bench -p ingest`

#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a bench")]

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use ingest::table::{Pass, Room, Rules, Terms};
use runtime::config::Profile;

const ROWS: u32 = 800_000;
const RUNS: usize = 5;
const PIECE: usize = 64 * 1024;

fn main() {
    let narrow = |step: u32| {
        let mut text = b"sensor_id,timestamp,value\n".to_vec();
        for row in 0..ROWS {
            let (sensor, time) = (row % step, 1_700_000_000 + i64::from(row / step));
            let time = jiff::Timestamp::from_second(time).unwrap();
            let value = f64::from(row.wrapping_mul(2_654_435_761) >> 12) / 1000.0;
            writeln!(text, "sensor-{sensor:04},{time},{value}").unwrap();
        }
        text
    };
    compare("one sensor, ISO 8601", &narrow(1));
    compare("200 sensors in turn, ISO 8601", &narrow(200));
    let mut unix = b"sensor_id,timestamp,value\n".to_vec();
    for row in 0..ROWS {
        let value = row % 1000;
        writeln!(unix, "s{},{},{value}", row % 200, 1_700_000_000 + row / 200).unwrap();
    }
    compare("200 sensors in turn, Unix, short values", &unix);
}

fn compare(what: &str, text: &[u8]) {
    println!("{what}: {ROWS} rows, {} MB", text.len() / 1_000_000);
    let bare = measure("csv-core alone", text, bare);
    measure("csv::ByteRecord alone", text, records);
    let whole = measure("the whole pass", text, pass);
    println!(
        "  the whole pass is {:.2} times as fast as csv-core alone",
        whole / bare
    );
}

/// The best of some runs, in MB/s.
fn measure(what: &str, text: &[u8], read: impl Fn(&[u8]) -> u64) -> f64 {
    let best = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(black_box(read(black_box(text))), u64::from(ROWS));
            began.elapsed()
        })
        .min()
        .unwrap();
    let speed = text.len() as f64 / 1e6 / best.as_secs_f64();
    println!(
        "  {what:22} {speed:6.0} MB/s  {:5.0} ns a row",
        best.as_nanos() as f64 / f64::from(ROWS)
    );
    speed
}

fn bare(text: &[u8]) -> u64 {
    let mut csv = csv_core::Reader::new();
    let (mut cells, mut ends) = ([0; 4096], [0; 64]);
    let mut records = 0;
    for mut piece in text.chunks(PIECE) {
        while !piece.is_empty() {
            let (result, read, _, _) = csv.read_record(piece, &mut cells, &mut ends);
            piece = &piece[read..];
            records += u64::from(result == csv_core::ReadRecordResult::Record);
        }
    }
    records - 1
}

fn records(text: &[u8]) -> u64 {
    let mut reader = csv::Reader::from_reader(text);
    let mut record = csv::ByteRecord::new();
    let mut records = 0;
    while reader.read_byte_record(&mut record).unwrap() {
        records += 1;
    }
    records
}

fn pass(text: &[u8]) -> u64 {
    let terms = Terms {
        latest: jiff::Timestamp::MAX,
        longest_line: 1 << 20,
        unpacked: 1 << 40,
        refused_rows: 1 << 20,
        part: 917_504,
    };
    let rules = Rules::new(Profile::built_in(), "a.csv").unwrap();
    let mut pass = Pass::new(rules, &terms, Room::most(&terms), "a.csv");
    for piece in text.chunks(PIECE) {
        assert!(pass.push(piece, &mut |_| Ok(())).unwrap());
    }
    pass.finish(&mut |_| Ok(())).unwrap().counts.stored
}
