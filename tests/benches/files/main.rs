//! How fast files go their whole way: 1,000 files of 100 rows at once, then a steady trickle.
//!
//! NATS syncs every message (`sync_interval: always`), SQLite every transaction; everything runs
//! on this machine, this program among it.

mod spread;

use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use proto::What;
use tests::{Installation, Upload, Usage, run, sample};

use spread::Spread;

const BURST: usize = 1_000;
const TRICKLE: usize = 500;
const ROWS: u32 = 100;
/// Uploads under way at once.
const UPLOADERS: usize = 32;
/// One file of the trickle to the next.
const PAUSE: Duration = Duration::from_millis(20);
const DELAY: SignedDuration = SignedDuration::from_secs(5);

fn main() {
    // `cargo test --all-targets` starts benchmarks too; this one takes its time.
    if std::env::args().any(|argument| argument == "--bench") {
        run(measure());
    }
}

async fn measure() -> Result<()> {
    let landfall = Installation::builder()
        .set("notifier.delay", "5s")
        .start()
        .await?;
    // What is slow once only is not what is measured.
    let first = landfall.put("incoming/first.csv", content("first")).await?;
    landfall.ended(&first).await?;

    println!("{BURST} files of {ROWS} rows at once, {UPLOADERS} uploads under way");
    let before = usage(&landfall)?;
    let began = Timestamp::now();
    let uploads = burst(&landfall).await?;
    let uploaded = Timestamp::now();
    let ways = ways(&landfall, &uploads).await?;
    let rate = |until: Timestamp, files: usize| {
        let seconds = until.duration_since(began).as_secs_f64();
        // Far below 2^52.
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 files")]
        let rate = files as f64 / seconds;
        format!("{rate:8.0} files/s, {seconds:6.2} s")
    };
    println!("  uploaded               {}", rate(uploaded, BURST));
    println!(
        "  readable               {}",
        rate(last(&ways, |way| way.readable)?, BURST)
    );
    println!(
        "  filed away             {}",
        rate(last(&ways, |way| way.moved)?, BURST)
    );
    show(&ways);
    table(&before, &usage(&landfall)?);

    println!("\n{TRICKLE} files of {ROWS} rows, one every {PAUSE:?}");
    let before = usage(&landfall)?;
    let uploads = trickle(&landfall).await?;
    show(&self::ways(&landfall, &uploads).await?);
    table(&before, &usage(&landfall)?);
    landfall.finish().await
}

/// When an upload was answered.
type Answered = (Upload, Timestamp);

async fn burst(landfall: &Installation) -> Result<Vec<Answered>> {
    let uploads = stream::iter(0..BURST).map(|number| put(landfall, "burst", number));
    let uploads: Vec<Result<Answered>> = uploads.buffer_unordered(UPLOADERS).collect().await;
    uploads.into_iter().collect()
}

async fn trickle(landfall: &Installation) -> Result<Vec<Answered>> {
    let mut clock = tokio::time::interval(PAUSE);
    let mut uploads = Vec::new();
    for number in 0..TRICKLE {
        clock.tick().await;
        uploads.push(put(landfall, "trickle", number).await?);
    }
    Ok(uploads)
}

async fn put(landfall: &Installation, kind: &str, number: usize) -> Result<Answered> {
    let key = format!("incoming/{kind}/{number}.csv");
    let upload = landfall
        .put(&key, content(&format!("{kind}-{number}")))
        .await?;
    Ok((upload, Timestamp::now()))
}

fn content(sensor: &str) -> String {
    sample::csv(sensor, ROWS, 20.0)
}

/// When a file came where.
struct Way {
    uploaded: Timestamp,
    readable: Timestamp,
    moved: Timestamp,
    notified: Timestamp,
}

async fn ways(landfall: &Installation, uploads: &[Answered]) -> Result<Vec<Way>> {
    let mut ways = Vec::new();
    for (upload, uploaded) in uploads {
        landfall.ended(upload).await?;
        ways.push(Way {
            uploaded: *uploaded,
            readable: landfall.said(upload, What::Ingested).await?.stored,
            moved: landfall.said(upload, What::Moved).await?.stored,
            notified: landfall.said(upload, What::Notified).await?.stored,
        });
    }
    Ok(ways)
}

fn last(ways: &[Way], at: impl Fn(&Way) -> Timestamp) -> Result<Timestamp> {
    ways.iter().map(at).max().context("there are files")
}

fn show(ways: &[Way]) {
    let spread = |from: &dyn Fn(&Way) -> Timestamp, to: &dyn Fn(&Way) -> Timestamp| {
        Spread::of(ways.iter().map(|way| to(way).duration_since(from(way))))
    };
    let uploaded = |way: &Way| way.uploaded;
    let due = |way: &Way| way.moved + DELAY;
    println!(
        "  upload to readable     {}",
        spread(&uploaded, &|way| way.readable)
    );
    println!(
        "  upload to filed away   {}",
        spread(&uploaded, &|way| way.moved)
    );
    println!(
        "  mail's lateness        {}",
        spread(&due, &|way| way.notified)
    );
}

fn usage(landfall: &Installation) -> Result<Vec<(String, Usage)>> {
    landfall
        .processes()
        .into_iter()
        .map(|(name, pid)| Ok((name, Usage::of(pid)?)))
        .collect()
}

fn table(before: &[(String, Usage)], after: &[(String, Usage)]) {
    println!("  process            CPU s   resident MB   at most MB");
    for ((name, before), (_, after)) in before.iter().zip(after) {
        let seconds = after.seconds - before.seconds;
        let (now, most) = (after.resident / 1024, after.most / 1024);
        println!("  {name:<16} {seconds:>7.2} {now:>13} {most:>12}");
    }
}
