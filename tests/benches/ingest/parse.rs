//! Parsing alone: what ingest makes of a file, against a loop that cuts it into cells.

use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use ingest::table::{Pass, Room, Rules, Stop, Terms};
use runtime::config::Profile;
use runtime::config::ingest::Config;
use tests::Usage;

use crate::cost::Cost;

/// Bytes that come from the store at once, about.
const PIECE: usize = 64 << 10;
/// It takes so little that the best of several counts.
const TIMES: u8 = 20;

/// The whole first pass over files in memory: unpacked, cut, converted, doubled readings found,
/// counted.
pub(crate) fn pass(files: &[String]) -> Result<Cost> {
    let config = Config::default();
    let terms = Terms {
        latest: jiff::Timestamp::MAX,
        longest_line: config.longest_line,
        unpacked: config.unpacked,
        refused_rows: config.refused_rows,
        part: config.in_memory,
    };
    best(files, |text| {
        let stopped = |stop: Stop| anyhow!("{stop:?}");
        let rules = Rules::new(Profile::built_in(), "a.csv").map_err(anyhow::Error::msg)?;
        let mut pass = Pass::new(rules, &terms, Room::most(&terms), "a.csv");
        for piece in text.chunks(PIECE) {
            pass.push(piece, &mut |_| Ok(())).map_err(stopped)?;
        }
        let seen = pass.finish(&mut |_| Ok(())).map_err(stopped)?;
        ensure!(seen.counts.rejected == 0, "{:?}", seen.counts);
        Ok(seen.counts.read)
    })
}

/// `csv`, with a record that is used again.
pub(crate) fn records(files: &[String]) -> Result<Cost> {
    best(files, |text| {
        let mut reader = csv::Reader::from_reader(text);
        let mut record = csv::ByteRecord::new();
        let mut records = 0;
        while reader.read_byte_record(&mut record)? {
            records += u64::from(!std::hint::black_box(&record).is_empty());
        }
        Ok(records)
    })
}

/// Reads all files again and again; answers the best time, and what one time costs.
fn best(files: &[String], read: impl Fn(&[u8]) -> Result<u64>) -> Result<Cost> {
    let texts: Vec<Vec<u8>> = files.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let before = Usage::of(std::process::id())?.seconds;
    let mut seconds = f64::INFINITY;
    for _ in 0..TIMES {
        let began = Instant::now();
        for text in &texts {
            ensure!(read(text)? > 0, "there is nothing in a file");
        }
        seconds = began.elapsed().as_secs_f64().min(seconds);
    }
    let cost = Cost::of_this_process(seconds)?;
    let cpu = (cost.cpu - before) / f64::from(TIMES);
    Ok(Cost { cpu, ..cost })
}
