//! `landfall readings`

use std::borrow::Cow;
use std::io::{self, Write};

use proto::FileId;
use runtime::Config;
use runtime::config::store::Kind;
use runtime::text::is_formula;
use serde::Serialize;
use store::readings::{Query, Stored};

use crate::failure::Failure;
use crate::options::{self, Format};
use crate::output::{self, plain};

/// Readings that are asked for at once.
const PAGE: usize = 1_000;

/// Prints a sensor's readings, newest first, a page at a time.
pub(crate) async fn run(config: &Config, options: options::Readings) -> Result<(), Failure> {
    let folder = &config.store.folder;
    if config.store.kind == Kind::Sqlite && !folder.is_dir() {
        return Err(Failure::Usage(format!(
            "`store.folder`: there is no database in {}; `landfall setup` makes one",
            folder.display()
        )));
    }
    let readings = runtime::readings(&config.store)
        .await
        .map_err(Failure::failed)?;
    let query = Query {
        sensor: options.sensor,
        metric: options.metric,
        from: options.from,
        until: options.until,
    };
    let mut last: Option<Stored> = None;
    loop {
        let page = readings
            .page(&query, last.as_ref(), PAGE)
            .await
            .map_err(Failure::failed)?;
        if page.is_empty() {
            break;
        }
        let first = last.is_none();
        output::print(|out| print(out, options.format, &query.sensor, first, &page))?;
        last = page.into_iter().next_back();
    }
    if last.is_some() {
        return Ok(());
    }
    let all = query.metric.is_none() && query.from.is_none() && query.until.is_none();
    let such = if all { "" } else { "such " };
    eprintln!("no {such}readings of sensor `{}`", plain(&query.sensor));
    Err(Failure::Told)
}

fn print(
    out: &mut impl Write,
    format: Format,
    sensor: &str,
    first: bool,
    page: &[Stored],
) -> io::Result<()> {
    match format {
        Format::Table => table(out, first, page),
        Format::Csv => csv(out, sensor, first, page),
        Format::Json => page.iter().try_for_each(|stored| json(out, sensor, stored)),
    }
}

fn table(out: &mut impl Write, first: bool, page: &[Stored]) -> io::Result<()> {
    if first {
        writeln!(out, "{:<24} {:<16} {:>14}  file", "time", "metric", "value")?;
    }
    for stored in page {
        writeln!(
            out,
            "{:<24} {:<16} {:>14}  {}",
            time(stored),
            plain(&stored.metric),
            stored.value,
            stored.file.short(),
        )?;
    }
    Ok(())
}

fn csv(out: &mut impl Write, sensor: &str, first: bool, page: &[Stored]) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(out);
    if first {
        rows.write_record(["sensor_id", "metric", "timestamp", "value", "file"])?;
    }
    for stored in page {
        let (value, file) = (stored.value.to_string(), stored.file.to_string());
        let (sensor, metric) = (cell(sensor), cell(&stored.metric));
        rows.write_record([&*sensor, &*metric, &time(stored), &value, &file])?;
    }
    rows.flush()
}

/// A name, so that no spreadsheet takes it for a formula.
fn cell(name: &str) -> Cow<'_, str> {
    if is_formula(name) {
        format!("'{name}").into()
    } else {
        name.into()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    sensor_id: &'a str,
    metric: &'a str,
    timestamp: String,
    value: f64,
    file: FileId,
}

fn json(out: &mut impl Write, sensor: &str, stored: &Stored) -> io::Result<()> {
    let line = Line {
        sensor_id: sensor,
        metric: &stored.metric,
        timestamp: time(stored),
        value: stored.value,
        file: stored.file,
    };
    let line = serde_json::to_string(&line)?;
    writeln!(out, "{}", output::json(&line))
}

/// To the millisecond, as it is stored.
fn time(stored: &Stored) -> String {
    format!("{:.3}", stored.time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_formulas_and_no_commands_to_a_terminal() {
        let stored = Stored {
            metric: "@SUM(1)\u{9b}".into(),
            time: jiff::Timestamp::UNIX_EPOCH,
            value: -1.5,
            file: FileId::from_bytes([0; 16]),
        };
        let mut out = vec![];
        print(
            &mut out,
            Format::Csv,
            "=1+1",
            true,
            std::slice::from_ref(&stored),
        )
        .unwrap();
        let row = String::from_utf8(out).unwrap();
        let row = row.lines().nth(1).unwrap();
        assert!(
            row.starts_with("'=1+1,'@SUM(1)\u{9b},1970-01-01T00:00:00.000Z,-1.5,"),
            "{row}"
        );
        let mut out = vec![];
        print(&mut out, Format::Json, "s", true, &[stored]).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(line.contains(r#""metric":"@SUM(1)\u009b""#), "{line}");
    }
}
