//! The database of readings, as commands read it.

use std::sync::Arc;

use jiff::Timestamp;
use runtime::Config;
use runtime::config::store::Kind;
use store::Readings;
use store::readings::{Query, Stored};

use crate::failure::Failure;
use crate::options::Span;

/// Readings that are asked for at once.
const PAGE: usize = 1_000;

/// Opens what is configured.
pub(crate) async fn open(config: &Config) -> Result<Arc<dyn Readings>, Failure> {
    check(config)?;
    let opened = runtime::readings(&config.store).await;
    opened.map_err(Failure::failed)
}

/// Refuses a folder that is not there: whoever opened it would make it.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let folder = &config.store.folder;
    if config.store.kind != Kind::Sqlite || folder.is_dir() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "`store.folder`: there is no database in {}; `landfall setup` makes one",
        folder.display()
    )))
}

/// What a person asks for, with its times understood.
pub(crate) fn query(sensor: String, metric: Option<String>, span: &Span) -> Result<Query, Failure> {
    let bound = |name, moment: &Option<_>| {
        let moment: Option<&crate::zone::Moment> = moment.as_ref();
        let time = moment.map(|moment| moment.in_zone(&span.timezone));
        let wrong = |wrong| Failure::Usage(format!("--{name}: {wrong}"));
        time.transpose().map_err(wrong)
    };
    let query = Query {
        sensor,
        metric,
        from: bound("from", &span.from)?,
        until: bound("until", &span.until)?,
    };
    match (query.from, query.until) {
        (Some(from), Some(until)) if from >= until => Err(Failure::Usage(format!(
            "--from is {} and --until is {}: nothing lies between",
            span.timezone.show(from),
            span.timezone.show(until)
        ))),
        _ => Ok(query),
    }
}

/// Reads what a query asks for, newest first, and never holds more than a page of it.
pub(crate) struct Pages<'a> {
    readings: &'a dyn Readings,
    query: &'a Query,
    last: Option<Stored>,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(readings: &'a dyn Readings, query: &'a Query) -> Self {
        let last = None;
        Self {
            readings,
            query,
            last,
        }
    }

    /// The next page; none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Stored>>, Failure> {
        let page = self.readings.page(self.query, self.last.as_ref(), PAGE);
        let page = page.await.map_err(Failure::failed)?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        self.last = Some(last.clone());
        Ok(Some(page))
    }
}

/// The bounds of a query, in words: ` from … until …`; nothing where it has none.
pub(crate) fn bounds(query: &Query, span: &Span) -> String {
    let bound = |word, time: Option<Timestamp>| {
        let time = time.map(|time| format!(" {word} {}", span.timezone.show(time)));
        time.unwrap_or_default()
    };
    bound("from", query.from) + &bound("until", query.until)
}
