//! `landfall sensors`

use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use runtime::Config;
use store::Readings;
use store::readings::{Query, Series};

use crate::database::{self, Pages};
use crate::failure::Failure;
use crate::gaps::{Gap, Gaps, TIMES, usual};
use crate::options::Sensors;
use crate::output::plain;
use crate::readings::none_found;
use crate::rows::{Cell, Column, Rows};

/// Names that are asked for at once: what is held at a time.
const PAGE: usize = 10_000;
/// Sensors that are looked up at once.
const AT_ONCE: usize = 16;
/// Letters that names take at most in a table before what follows is out of line.
const WIDEST: usize = 40;

/// Lists sensors, or the gaps of one.
pub(crate) async fn run(config: &Config, options: Sensors) -> Result<(), Failure> {
    let bounded = options.span.from.is_some() || options.span.until.is_some();
    if options.gaps.is_none() && bounded {
        let wrong = "--from and --until are for --gaps: sensors are listed with all they have";
        return Err(Failure::Usage(wrong.to_owned()));
    }
    let sensor = options.sensor.clone().unwrap_or_default();
    let query = database::query(sensor, options.metric.clone(), &options.span)?;
    let readings = database::open(config).await?;
    if options.sensor.is_none() {
        return list(&*readings, &options).await;
    }
    let series = series(&*readings, &query.sensor, &options).await?;
    if series.is_empty() {
        return none_found(&*readings, &query, &options.span).await;
    }
    match options.gaps {
        None => {
            let columns = columns(&options, std::slice::from_ref(&query.sensor));
            let rows = rows(&options, &query.sensor, &series);
            Rows::new(options.format, columns).print(&rows)
        }
        Some(longer_than) => {
            let longer_than = longer_than.and_then(|period| period.try_into().ok());
            gaps(&*readings, &query, &series, longer_than, &options).await
        }
    }
}

/// All of them, or those with a prefix, in the order of their names.
async fn list(readings: &dyn Readings, options: &Sensors) -> Result<(), Failure> {
    let prefix = options.prefix.as_deref().unwrap_or_default();
    let mut printed = None;
    let mut from = prefix.to_owned();
    loop {
        let names = readings.sensors(&from, PAGE).await;
        let mut names = names.map_err(Failure::failed)?;
        let more = names.len() == PAGE;
        names.retain(|name| name.starts_with(prefix));
        let Some(last) = names.last() else { break };
        from = format!("{last}\0");
        let columns = || columns(options, &names);
        let printed = printed.get_or_insert_with(|| Rows::new(options.format, columns()));
        let looked_up = stream::iter(names).map(|sensor| async move {
            let series = series(readings, &sensor, options).await?;
            Ok::<_, Failure>(rows(options, &sensor, &series))
        });
        let mut looked_up = looked_up.buffered(AT_ONCE);
        while let Some(rows) = looked_up.try_next().await? {
            printed.print(&rows)?;
        }
        if !more {
            break;
        }
    }
    if !printed.is_some_and(|printed| printed.begun) {
        eprintln!("there are no such sensors");
        return Err(Failure::Told);
    }
    Ok(())
}

/// What a sensor has, of the metric that was asked for.
async fn series(
    readings: &dyn Readings,
    sensor: &str,
    options: &Sensors,
) -> Result<Vec<Series>, Failure> {
    let series = readings.series(sensor).await;
    let mut series = series.map_err(Failure::failed)?;
    if let Some(metric) = &options.metric {
        series.retain(|series| series.latest.metric == *metric);
    }
    Ok(series)
}

/// The first has room for most of the names that come first.
fn columns(options: &Sensors, names: &[String]) -> Vec<Column> {
    let zone = &options.span.timezone;
    let letters = names.iter().map(|name| plain(name).chars().count());
    let widest = letters.max().unwrap_or_default().clamp(6, WIDEST);
    vec![
        Column::new("sensor_id", "sensor", widest),
        Column::new("metric", "metric", 10),
        Column::new("first", format!("first ({})", zone.name()), zone.width()),
        Column::new("latest", "latest", zone.width()),
        Column::new("value", "value", 14),
    ]
}

fn rows(options: &Sensors, sensor: &str, series: &[Series]) -> Vec<Vec<Cell>> {
    let zone = &options.span.timezone;
    let row = |series: &Series| {
        vec![
            sensor.into(),
            series.latest.metric.as_str().into(),
            Cell::Text(zone.show(series.first)),
            Cell::Text(zone.show(series.latest.time)),
            Cell::Number(series.latest.value),
        ]
    };
    series.iter().map(row).collect()
}

/// Reads every reading in the span, metric by metric.
async fn gaps(
    readings: &dyn Readings,
    query: &Query,
    series: &[Series],
    longer_than: Option<SignedDuration>,
    options: &Sensors,
) -> Result<(), Failure> {
    let zone = &options.span.timezone;
    let columns = vec![
        Column::hidden("sensor_id"),
        Column::new("metric", "metric", 10),
        Column::new("from", format!("from ({})", zone.name()), zone.width()),
        Column::new("until", "until", zone.width()),
        Column::new("seconds", "seconds", 14),
    ];
    let mut printed = Rows::new(options.format, columns);
    for series in series {
        let metric = series.latest.metric.as_str();
        let query = Query {
            metric: Some(metric.to_owned()),
            ..query.clone()
        };
        gaps_of(readings, &query, longer_than, |some| {
            let row = |gap: &Gap| {
                vec![
                    query.sensor.as_str().into(),
                    metric.into(),
                    Cell::Text(zone.show(gap.from)),
                    Cell::Text(zone.show(gap.until)),
                    Cell::Number(gap.length().as_secs_f64()),
                ]
            };
            printed.print(&some.iter().map(row).collect::<Vec<_>>())
        })
        .await?;
    }
    Ok(())
}

/// Hands the gaps of one metric over, newest first.
async fn gaps_of(
    readings: &dyn Readings,
    query: &Query,
    longer_than: Option<SignedDuration>,
    mut print: impl FnMut(&[Gap]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let metric = plain(query.metric.as_deref().unwrap_or_default());
    let mut pages = Pages::new(readings, query);
    let mut page = pages.next().await?.unwrap_or_default();
    let longer_than = match (longer_than, usual(&page)) {
        (Some(longer_than), _) => longer_than,
        (None, Some(usual)) => {
            let longer_than = usual * TIMES;
            eprintln!(
                "{metric}: gaps longer than {longer_than:#}, {TIMES} times the usual {usual:#}"
            );
            longer_than
        }
        (None, None) => {
            eprintln!("{metric}: too few readings to know what is usual; say it, like --gaps=1h");
            return Ok(());
        }
    };
    let mut gaps = Gaps::new(longer_than, query.until);
    let mut found = false;
    loop {
        let last = page.is_empty();
        // After the last reading comes the bound, where there is one.
        let times = page.iter().map(|stored| stored.time);
        let times = times.chain(query.from.filter(|_| last));
        let some: Vec<Gap> = times.filter_map(|time| gaps.next(time)).collect();
        found |= !some.is_empty();
        print(&some)?;
        if last {
            break;
        }
        page = pages.next().await?.unwrap_or_default();
    }
    if !found {
        eprintln!("{metric}: no gaps longer than {longer_than:#}");
    }
    Ok(())
}
