//! `landfall readings`

use proto::FileId;
use runtime::Config;
use store::Readings;
use store::readings::{Query, Stored};

use crate::database::{self, Pages, bounds};
use crate::failure::Failure;
use crate::nearest;
use crate::options::{self, Format, Span};
use crate::origin::Origins;
use crate::output::plain;
use crate::rows::{Cell, Column, Rows};

/// Prints a sensor's readings, newest first, a page at a time.
pub(crate) async fn run(config: &Config, options: options::Readings) -> Result<(), Failure> {
    let span = &options.span;
    let query = database::query(options.sensor.clone(), options.metric.clone(), span)?;
    let readings = database::open(config).await?;
    let mut origins = match options.with_file {
        true => Some(Origins::open(config).await?),
        false => None,
    };
    let mut rows = Rows::new(options.format, columns(&options));
    let mut pages = Pages::new(&*readings, &query);
    while let Some(page) = pages.next().await? {
        if let Some(origins) = &mut origins {
            origins.find(page.iter().map(|stored| stored.file)).await?;
        }
        let row = |stored: &Stored| row(&options, stored, origins.as_ref());
        rows.print(&page.iter().map(row).collect::<Vec<_>>())?;
    }
    match rows.begun {
        true => Ok(()),
        false => none_found(&*readings, &query, span).await,
    }
}

fn columns(options: &options::Readings) -> Vec<Column> {
    let zone = &options.span.timezone;
    let mut columns = vec![
        Column::hidden("sensor_id"),
        Column::new("metric", "metric", 10),
        Column::new("timestamp", format!("time ({})", zone.name()), zone.width()),
        Column::new("value", "value", 14),
        Column::new("file", "file", 0),
    ];
    if options.with_file {
        columns.push(Column::new("bucket", "bucket", 0));
        columns.push(Column::new("key", "key", 0));
    }
    columns
}

fn row(options: &options::Readings, stored: &Stored, origins: Option<&Origins>) -> Vec<Cell> {
    let mut row = vec![
        options.sensor.as_str().into(),
        stored.metric.as_str().into(),
        Cell::Text(options.span.timezone.show(stored.time)),
        Cell::Number(stored.value),
        Cell::Text(file(options, stored.file)),
    ];
    if let Some(origins) = origins {
        let origin = origins.of(stored.file);
        let cell = |text: &String| Cell::Text(text.clone());
        row.push(origin.map_or(Cell::Nothing, |origin| cell(&origin.bucket)));
        row.push(origin.map_or(Cell::Nothing, |origin| cell(&origin.key)));
    }
    row
}

fn file(options: &options::Readings, file: FileId) -> String {
    match options.format {
        Format::Table if !options.with_file => file.short().to_string(),
        _ => file.to_string(),
    }
}

/// Says that there are no such readings, and what there is instead.
pub(crate) async fn none_found(
    readings: &dyn Readings,
    query: &Query,
    span: &Span,
) -> Result<(), Failure> {
    let sensor = plain(&query.sensor);
    let series = readings.series(&query.sensor).await;
    let series = series.map_err(Failure::failed)?;
    if series.is_empty() {
        let nearest = nearest::sensors(readings, &query.sensor).await?;
        eprintln!("no readings of sensor `{sensor}`{nearest}");
        return Err(Failure::Told);
    }
    let metric = query.metric.as_deref();
    let known = series
        .iter()
        .filter(|series| metric.is_none_or(|metric| series.latest.metric == metric));
    let of_metric = metric.map(|metric| format!(" of metric `{}`", plain(metric)));
    let of_metric = of_metric.unwrap_or_default();
    let first = known.clone().map(|series| series.first).min();
    let latest = known.map(|series| series.latest.time).max();
    let instead = match first.zip(latest) {
        Some((first, latest)) => format!(
            "from {} to {}",
            span.timezone.show(first),
            span.timezone.show(latest)
        ),
        None => {
            let metrics = series.iter().map(|series| plain(&series.latest.metric));
            format!("of {}", metrics.collect::<Vec<_>>().join(", "))
        }
    };
    let bounds = bounds(query, span);
    eprintln!("no readings{of_metric} of sensor `{sensor}`{bounds}; there are some {instead}");
    Err(Failure::Told)
}
