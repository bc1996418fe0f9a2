//! `landfall readings`

use std::io::{self, Write};

use proto::FileId;
use runtime::Config;
use runtime::config::store::Kind;
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
    if last.is_none() {
        eprintln!("there are no such readings of `{}`", plain(&query.sensor));
    }
    Ok(())
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
        rows.write_record([sensor, &stored.metric, &time(stored), &value, &file])?;
    }
    rows.flush()
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
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// To the millisecond, as it is stored.
fn time(stored: &Stored) -> String {
    format!("{:.3}", stored.time)
}
