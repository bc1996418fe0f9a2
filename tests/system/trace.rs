//! A file's trace, as a collector gets it from real services.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use proto::User;
use tests::collector::{Collector, Mood, Span};
use tests::http::Client;
use tests::{Installation, Server, Upload, run, sample};

/// What is published and processed on a file's way, in order: each is the child of the one before.
const WAY: [(&str, &str); 9] = [
    (
        "landfall-watcher",
        "publish files.{partition}.arrived.{profile}",
    ),
    (
        "landfall-ingest",
        "process files.{partition}.arrived.{profile}",
    ),
    (
        "landfall-ingest",
        "publish files.{partition}.ingested.{profile}",
    ),
    (
        "landfall-mover",
        "process files.{partition}.ingested.{profile}",
    ),
    (
        "landfall-mover",
        "publish files.{partition}.moved.{profile}",
    ),
    (
        "landfall-notifier",
        "process files.{partition}.moved.{profile}",
    ),
    ("landfall-notifier", "schedule delay.wait.{file}.{replay}"),
    ("landfall-notifier", "process delay.due"),
    (
        "landfall-notifier",
        "publish files.{partition}.notified.{profile}",
    ),
];

async fn traced(collector: &Collector) -> Result<Installation> {
    let endpoint = collector.endpoint.clone();
    let builder = Installation::builder().set("tracing.endpoint", endpoint);
    builder.start().await
}

async fn put(landfall: &Installation, name: &str) -> Result<Upload> {
    let key = format!("incoming/{name} 7%.csv");
    landfall.put(&key, sample::csv(name, 5, 1.0)).await
}

fn named<'a>(spans: &'a [Span], name: &str) -> Result<&'a Span> {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found
        .next()
        .with_context(|| format!("there is no `{name}`"))?;
    ensure!(found.next().is_none(), "`{name}` is there twice");
    Ok(span)
}

/// The spans of [`WAY`].
fn way(spans: &[Span]) -> Result<Vec<&Span>> {
    let mut way: Vec<&Span> = vec![];
    for (_, name) in WAY {
        let parent = way.last().map_or("", |span| span.id.as_str());
        let is_next = |span: &&Span| span.name == name && span.parent == parent;
        let next = spans.iter().find(is_next);
        way.push(next.with_context(|| format!("there is no `{name}` where it should be"))?);
    }
    Ok(way)
}

/// Whose parent is there is no orphan; a trace has one root.
fn is_whole(spans: &[Span]) -> Result<()> {
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    ensure!(ids.len() == spans.len(), "two spans with one id");
    let roots = spans.iter().filter(|span| span.parent.is_empty());
    let roots: Vec<&str> = roots.map(|span| span.name.as_str()).collect();
    ensure!(roots == [WAY[0].1], "roots: {roots:?}");
    for span in spans {
        let orphan = !span.parent.is_empty() && !ids.contains(span.parent.as_str());
        ensure!(!orphan, "{} has no parent", span.name);
    }
    Ok(())
}

#[test]
fn a_files_way_is_one_trace_whose_id_is_the_files() {
    run(async {
        let collector = Collector::start(Mood::Willing).await?;
        let landfall = traced(&collector).await?;
        let upload = put(&landfall, "traced").await?;
        let file = landfall.ended(&upload).await?.file().clone();
        // What has ended is exported when a service stops, if not before.
        landfall.finish().await?;
        let spans = collector.spans(&file.id.to_string());
        is_whole(&spans)?;

        let way = way(&spans)?;
        for (span, (service, _)) in way.iter().zip(WAY) {
            ensure!(span.service == service, "{span:?}");
            ensure!(span.error.is_none(), "{span:?}");
            if span.name.starts_with("process") {
                for (attribute, value) in [
                    ("landfall.file.id", file.id.to_string()),
                    ("landfall.file.key", upload.key.clone()),
                    ("landfall.file.profile", "default".to_owned()),
                    ("messaging.system", "nats".to_owned()),
                ] {
                    ensure!(span.attributes.get(attribute) == Some(&value), "{span:?}");
                }
            }
        }
        calls(&spans)?;
        waits(way[6], way[7])?;
        linked(&collector, way[0])
    });
}

/// Each call is the child of the span it was made for.
fn calls(spans: &[Span]) -> Result<()> {
    let mut made: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let of = |id: &str| spans.iter().find(|span| span.id == id);
    for span in spans {
        if let Some(parent) = of(&span.parent) {
            made.entry(&parent.name).or_default().insert(&span.name);
            ensure!(
                parent.time.0 <= span.time.0 || parent.name.starts_with("publish"),
                "{} began before {}",
                span.name,
                parent.name
            );
        }
    }
    for (step, calls) in [
        (
            WAY[1].1,
            &["S3/GetObject", "write readings", "settle journal"][..],
        ),
        (
            WAY[3].1,
            &["S3/CopyObject", "S3/DeleteObject", "settle journal"],
        ),
        (WAY[5].1, &["create journal"]),
        (
            WAY[7].1,
            &["SMTP connect", "SMTP rcpt", "SMTP body", "replace journal"],
        ),
    ] {
        let own = made
            .get(step)
            .with_context(|| format!("{step} calls nothing"))?;
        for call in calls {
            ensure!(own.contains(call), "{step} has no {call}: {own:?}");
        }
    }
    let written = named(spans, "write readings")?;
    let rows = written.attributes.get("db.operation.batch.size");
    ensure!(rows.is_some_and(|rows| rows == "5"), "{written:?}");
    Ok(())
}

/// The wait is between two spans, and in none.
fn waits(schedule: &Span, delivery: &Span) -> Result<()> {
    let due = schedule.attributes.get("landfall.due");
    ensure!(due.is_some(), "{schedule:?}");
    ensure!(
        delivery.attributes.get("landfall.due") == due,
        "{delivery:?}"
    );
    let late = &delivery.attributes["landfall.late_seconds"];
    ensure!(late.parse::<f64>()? >= 0.0, "{late} s late");
    let waited = Duration::from_nanos(delivery.time.0.saturating_sub(schedule.time.1));
    ensure!(waited > Duration::from_millis(500), "it waited {waited:?}");
    Ok(())
}

/// The notification has a trace of its own, linked with the file's in both directions.
fn linked(collector: &Collector, root: &Span) -> Result<()> {
    let [(trace, notification)] = root.links.as_slice() else {
        anyhow::bail!("the root has the links {:?}", root.links);
    };
    let others = collector.spans(trace);
    let taken = others.iter().find(|span| span.id == *notification);
    let taken = taken.context("the notification's span is not there")?;
    ensure!(taken.name == "process storage.>", "{taken:?}");
    let back = (root.trace.clone(), root.id.clone());
    ensure!(taken.links == [back], "{taken:?}");
    let looked = others.iter().find(|span| span.name == "S3/HeadObject");
    ensure!(
        looked.is_some_and(|span| span.parent == taken.id),
        "{looked:?}"
    );
    Ok(())
}

#[test]
fn a_notification_that_comes_twice_leaves_one_root() {
    run(async {
        let collector = Collector::start(Mood::Willing).await?;
        let landfall = traced(&collector).await?;
        landfall.notifications(tests::Fate::Doubled);
        let upload = put(&landfall, "twice").await?;
        let file = landfall.ended(&upload).await?.file().id;
        landfall.finish().await?;
        is_whole(&collector.spans(&file.to_string()))
    });
}

#[test]
fn a_refused_files_way_is_one_trace_as_well() {
    run(async {
        let collector = Collector::start(Mood::Willing).await?;
        let landfall = traced(&collector).await?;
        let upload = landfall.put("incoming/broken.csv.gz", "no gzip").await?;
        let file = landfall.ended(&upload).await?.file().id;
        landfall.finish().await?;
        let spans = collector.spans(&file.to_string());
        is_whole(&spans)?;
        named(&spans, "publish files.{partition}.rejected.{profile}")?;
        named(&spans, "process files.{partition}.rejected.{profile}").map(drop)
    });
}

#[test]
fn a_span_says_what_it_waited_for_and_a_log_line_which_span_it_is_of() {
    run(async {
        let collector = Collector::start(Mood::Willing).await?;
        let endpoint = collector.endpoint.clone();
        let builder = Installation::builder().wired();
        let landfall = builder.set("tracing.endpoint", endpoint).start().await?;
        landfall.cut(User::Ingest, Server::Store)?;
        let upload = put(&landfall, "waits").await?;
        let missed = landfall.until("ingest to miss the store", || async {
            let outage = landfall.metric(User::Ingest, "landfall_outage", "dependency=\"s3\"");
            (outage.await.ok()? > 0.0).then_some(())
        });
        missed.await?;
        landfall.mend(User::Ingest, Server::Store)?;
        let file = landfall.ended(&upload).await?.file().id.to_string();
        let told = |spans: &[Span]| spans.iter().any(|span| span.name == WAY[7].1);
        let spans = collector.trace(&file, told).await?;

        let step = named(&spans, WAY[1].1)?;
        let names: Vec<&str> = step.events.iter().map(|(name, _)| name.as_str()).collect();
        ensure!(names == ["outage", "outage over"], "{names:?}");
        let why = &step.events[0].1;
        ensure!(
            why["dependency"] == "s3" && why["reason"].contains("GetObject"),
            "{why:?}"
        );
        // What failed are its requests, and nothing else.
        ensure!(step.error.is_none(), "{step:?}");
        let mut failed = spans.iter().filter(|span| span.error.is_some()).peekable();
        ensure!(failed.peek().is_some(), "nothing failed");
        for span in failed {
            ensure!(
                span.name == "S3/GetObject" && span.parent == step.id,
                "{span:?}"
            );
        }
        let delivery = named(&spans, WAY[7].1)?;
        let own = [
            format!("trace_id={file}"),
            format!("span_id={}", delivery.id),
        ];
        let words = ["mail accepted", &own[0], &own[1]];
        ensure!(
            landfall.logged(User::Notifier, &words)?,
            "no line has {words:?}"
        );
        landfall.finish().await
    });
}

#[test]
fn a_notification_that_is_given_up_on_is_a_span_that_failed() {
    run(async {
        let collector = Collector::start(Mood::Willing).await?;
        let landfall = traced(&collector).await?;
        let mut client = Client::connect(landfall.webhook()).await?;
        let answer = client.post("/events", landfall.token(), "{\"what\": 1}");
        ensure!(answer.await?.status == 200);
        let failed = landfall.until("a span that failed", || async {
            let mut all = collector.all().into_iter();
            all.find(|span| span.name == "process storage.>" && span.error.is_some())
        });
        let why = failed.await?.error.unwrap_or_default();
        ensure!(why.contains("is from no sender that is known"), "{why}");
        landfall.finish_with_dead_letters().await
    });
}

#[test]
fn a_collector_that_is_silent_wrong_or_absent_costs_nothing_but_the_spans() {
    run(async {
        for mood in [Mood::Silent, Mood::Failing] {
            let collector = Collector::start(mood).await?;
            goes_on(&collector.endpoint).await?;
            ensure!(collector.all().is_empty() && !collector.requests().is_empty());
        }
        goes_on("http://127.0.0.1:9").await
    });
}

async fn goes_on(endpoint: &str) -> Result<()> {
    let builder = Installation::builder().set("tracing.endpoint", endpoint);
    let landfall = builder.start().await?;
    let upload = put(&landfall, "untraced").await?;
    landfall.ended(&upload).await?;
    let dropped = landfall.until("spans that are dropped", || async {
        let metric = landfall.metric(
            User::Ingest,
            "landfall_spans_dropped_total",
            "reason=\"collector\"",
        );
        (metric.await.ok()? > 0.0).then_some(())
    });
    dropped.await?;
    // Stopping included, for which a service is given half a minute.
    landfall.finish().await
}

#[test]
fn of_files_that_are_not_chosen_nothing_is_exported_and_of_the_others_everything() {
    run(async {
        let collector = Collector::start(Mood::Willing).await?;
        let builder = Installation::builder()
            .set("tracing.endpoint", collector.endpoint.clone())
            .set("tracing.ratio", 0.5)
            .config("[tracing.headers]\nauthorization = \"Bearer of spans\"\n");
        let landfall = builder.start().await?;
        let mut uploads = vec![];
        for number in 0..12 {
            uploads.push(put(&landfall, &format!("sampled-{number}")).await?);
        }
        let mut files = vec![];
        for upload in &uploads {
            files.push(landfall.ended(upload).await?.file().id);
        }
        landfall.finish().await?;
        let mut traced = 0;
        for id in &files {
            let spans = collector.spans(&id.to_string());
            if spans.is_empty() {
                continue;
            }
            traced += 1;
            is_whole(&spans)?;
            way(&spans)?;
        }
        // By chance all or none in one of two thousand runs.
        ensure!((1..12).contains(&traced), "{traced} of 12");
        let bearer = collector.requests().into_iter().all(|headers| {
            let value = headers.get("authorization");
            value.is_some_and(|value| value == "Bearer of spans")
        });
        ensure!(bearer, "a request came without its header");
        Ok(())
    });
}
