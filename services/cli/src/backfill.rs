//! `landfall backfill`: what was there before Landfall was.
//!
//! Each object of a listing is announced to the watcher as a store would announce it, from where
//! its way is that of every upload. So doing it again is safe: versions that are known are passed
//! over, and what was cut off goes on where it stopped. Memory: a page of the listing.

use std::time::Duration;

use anyhow::{Context, anyhow};
use async_nats::jetstream;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use objects::{Listed, Objects};
use proto::backfill::{Backfill, Notification};
use proto::{User, subject};
use runtime::config::glob;
use runtime::text::{count, counted, size};
use runtime::{Config, Trouble};

use crate::failure::Failure;
use crate::nats::{self, Denied};
use crate::options;
use crate::order::{bar, person};
use crate::output::{self, plain};
use crate::pace::Pace;
use crate::vigil::Vigil;

/// Publications under way at once.
const AT_ONCE: usize = 32;
/// As many notifications may wait for the watcher: what is uploaded meanwhile waits behind them.
const MOST_WAITING: u64 = 2_000;
/// How often it is looked how many wait.
const LOOKS_AFTER: u64 = 250;
const LOOKS_EVERY: Duration = Duration::from_millis(200);

/// Which objects are wanted.
struct Wanted<'a> {
    config: &'a Config,
    bucket: String,
    prefix: String,
    options: &'a options::Backfill,
}

/// Why an object is not announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipped {
    /// Landfall has put it there.
    Output,
    /// A directory marker, or a name that `[watcher] ignore` matches.
    NoFile,
    /// The options leave it out.
    Unwanted,
}

/// What a listing holds.
#[derive(Default)]
struct Survey {
    files: u64,
    bytes: u64,
    outputs: u64,
    no_files: u64,
    unwanted: u64,
    unreadable: u64,
}

/// Announces every object that is wanted to the watcher.
pub(crate) async fn run(config: &Config, options: options::Backfill) -> Result<(), Failure> {
    let (bucket, prefix) = location(&options.from).map_err(Failure::Usage)?;
    for pattern in options.include.iter().chain(&options.exclude) {
        if let Some(error) = glob::error(pattern) {
            let pattern = plain(pattern);
            return Err(Failure::Usage(format!("`{pattern}` is no glob: {error}")));
        }
    }
    let wanted = Wanted {
        config,
        bucket,
        prefix,
        options: &options,
    };
    let objects = Objects::new(&config.objects).await;
    let objects = objects.map_err(Failure::failed)?;
    let survey = wanted.survey(&objects).await?;
    survey.tell()?;
    let files = counted(survey.files, "file");
    if !options.dry_run
        && survey.files > 0
        && (options.yes || output::agreed(&format!("announce {files}?"))?)
    {
        can_be_moved(config, &objects, &wanted.bucket).await?;
        wanted.announce(&objects, survey.files).await?;
    }
    // What could not be read was named.
    if survey.unreadable > 0 {
        return Err(Failure::Told);
    }
    Ok(())
}

/// What the mover would refuse of every file it refuses of one, before anything is read.
async fn can_be_moved(config: &Config, objects: &Objects, bucket: &str) -> Result<(), Failure> {
    if config.leaves_everything() {
        return Ok(());
    }
    let buckets = mover::buckets::Buckets::new(objects.clone(), &config.mover);
    match buckets.source(bucket).await {
        Ok(_) => Ok(()),
        Err(Trouble::Reject { reason } | Trouble::Retry { reason }) => Err(Failure::failed(reason)),
        // Whoever announces files may have no right to write.
        Err(Trouble::Outage { reason, .. }) => {
            eprintln!("whether the mover can take files from there was not tried: {reason}");
            Ok(())
        }
    }
}

/// `s3://bucket/prefix`
fn location(text: &str) -> Result<(String, String), String> {
    let named = text.strip_prefix("s3://").map(|rest| {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        (bucket.to_owned(), prefix.to_owned())
    });
    named
        .filter(|(bucket, _)| !bucket.is_empty())
        .ok_or_else(|| format!("expected s3://BUCKET/PREFIX, found `{}`", plain(text)))
}

impl Wanted<'_> {
    fn judge(&self, listed: &Listed) -> Result<(), Skipped> {
        let key = listed.key.as_str();
        if self.config.is_output(&self.bucket, key) {
            return Err(Skipped::Output);
        }
        let probe = objects::is_probe(key);
        if key.ends_with('/') || probe || self.config.watcher.ignores(&self.bucket, key) {
            return Err(Skipped::NoFile);
        }
        let options = self.options;
        let modified = listed.version.last_modified;
        let any = |globs: &[String]| globs.iter().any(|glob| glob::matches(glob, key));
        let early = options.since.is_some_and(|since| modified < since);
        let late = options.until.is_some_and(|until| modified >= until);
        let included = options.include.is_empty() || any(&options.include);
        if !included || any(&options.exclude) || early || late {
            return Err(Skipped::Unwanted);
        }
        Ok(())
    }

    /// Counts what is there; on a dry run it shows each file too.
    async fn survey(&self, objects: &Objects) -> Result<Survey, Failure> {
        let mut survey = Survey::default();
        let mut listing = objects.list(&self.bucket, &self.prefix);
        while let Some(line) = listing.try_next().await.map_err(Failure::failed)? {
            let listed = match line {
                Ok(listed) => listed,
                Err(error) => {
                    eprintln!("{error}");
                    survey.unreadable += 1;
                    continue;
                }
            };
            match self.judge(&listed) {
                Ok(()) => {
                    survey.files += 1;
                    survey.bytes += listed.size;
                    if self.options.dry_run {
                        self.show(&listed)?;
                    }
                }
                Err(Skipped::Output) => survey.outputs += 1,
                Err(Skipped::NoFile) => survey.no_files += 1,
                Err(Skipped::Unwanted) => survey.unwanted += 1,
            }
        }
        Ok(survey)
    }

    fn show(&self, listed: &Listed) -> Result<(), Failure> {
        let profile = &self.config.profile_for(&self.bucket, &listed.key).name;
        output::report(&format!(
            "{}  {}  {}  profile {profile}",
            plain(&listed.key),
            size(listed.size),
            listed.version.last_modified,
        ))
    }

    /// Announces what is wanted, at most so many a second, and never so many that uploads would
    /// wait long behind them.
    async fn announce(&self, objects: &Objects, files: u64) -> Result<(), Failure> {
        let (client, denied) = nats::connect(&self.config.nats).await?;
        let jetstream = jetstream::new(client.clone());
        let by = person(self.options.by.as_deref());
        let bar = bar(files);
        let mut vigil = Vigil::new(client, None);
        let mut pace = Pace::new(self.options.rate);
        let mut under_way = FuturesUnordered::new();
        let mut announced = 0;
        let mut listing = objects.list(&self.bucket, &self.prefix);
        while let Some(line) = listing.try_next().await.map_err(Failure::failed)? {
            // Those that cannot be read were named before.
            let Ok(listed) = line else { continue };
            if self.judge(&listed).is_err() {
                continue;
            }
            if announced % LOOKS_AFTER == 0 {
                room(&jetstream, &mut vigil, &bar).await?;
            }
            pace.turn().await;
            under_way.push(say(&jetstream, &denied, self.notification(listed, &by)));
            announced += 1;
            if under_way.len() == AT_ONCE {
                done(under_way.next().await, &bar)?;
            }
        }
        while let Some(said) = under_way.next().await {
            done(Some(said), &bar)?;
        }
        bar.finish_and_clear();
        output::report(&format!(
            "{} announced to the watcher, which passes over what it knows; `landfall follow` shows \
             their way",
            counted(announced, "file")
        ))
    }

    fn notification(&self, listed: Listed, by: &str) -> Notification {
        Notification {
            backfill: Backfill {
                bucket: self.bucket.clone(),
                key: listed.key,
                etag: listed.version.etag,
                by: by.to_owned(),
            },
        }
    }
}

fn done(said: Option<anyhow::Result<()>>, bar: &ProgressBar) -> Result<(), Failure> {
    said.unwrap_or(Ok(())).inspect_err(|_| bar.abandon())?;
    bar.inc(1);
    Ok(())
}

/// Waits while too many notifications wait for the watcher.
async fn room(
    jetstream: &jetstream::Context,
    vigil: &mut Vigil,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let watcher = proto::consumer::watcher();
    let name = watcher.name();
    let free = async {
        loop {
            if waiting(jetstream, &watcher).await? < MOST_WAITING {
                return Ok(());
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    };
    let what = || format!("{MOST_WAITING} notifications wait for the {name} (does it run?)");
    let free = vigil.outlast(free, what).await;
    vigil.heard();
    free.inspect_err(|_| bar.abandon())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a person's command has no failpoints"
)]
async fn waiting(
    jetstream: &jetstream::Context,
    consumer: &proto::consumer::Consumer,
) -> anyhow::Result<u64> {
    let stream = jetstream.get_stream_no_info(consumer.stream.name).await?;
    let info = stream.consumer_info(consumer.name()).await;
    let info = info.with_context(|| {
        let name = consumer.stream.name;
        format!("cannot look at the stream {name} (was `landfall setup` run?)")
    })?;
    Ok(info.num_pending)
}

/// Announces one object. It has no message id: whoever does it again within the duplicate window
/// means it.
#[expect(
    clippy::disallowed_methods,
    reason = "a person's command has no failpoints"
)]
async fn say(
    jetstream: &jetstream::Context,
    denied: &Denied,
    notification: Notification,
) -> anyhow::Result<()> {
    let payload = serde_json::to_vec(&notification)?;
    let published = jetstream
        .publish(subject::STORAGE_BACKFILL, payload.into())
        .await
        .context("cannot publish a notification")?;
    match published.await {
        Ok(_) => Ok(()),
        Err(error) => Err(match denied.what() {
            Some(what) => anyhow!("nats refuses: {what} (the user `{}` may)", User::Operator),
            None => anyhow!("a notification was not acknowledged: {error}; do it again"),
        }),
    }
}

impl Survey {
    /// `1,200 files (3.4 GB); passed over: 5 of Landfall's own, 3 that are no files`
    fn tell(&self) -> Result<(), Failure> {
        let mut line = format!("{} ({})", counted(self.files, "file"), size(self.bytes));
        let mut passed = vec![];
        for (number, whose) in [
            (self.outputs, "that Landfall has put there"),
            (self.no_files, "that are no files (`[watcher] ignore`)"),
            (self.unwanted, "that the options leave out"),
        ] {
            if number > 0 {
                passed.push(format!("{} {whose}", count(number)));
            }
        }
        if !passed.is_empty() {
            line = format!("{line}; passed over: {}", passed.join(", "));
        }
        output::report(&line)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;
    use jiff::Timestamp;
    use proto::Version;

    use super::*;
    use crate::options::{Command, Options};

    fn listed(key: &str, modified: &str) -> Listed {
        Listed {
            key: key.to_owned(),
            version: Version::new("tag", modified.parse::<Timestamp>().unwrap(), None),
            size: 1,
        }
    }

    fn judged(arguments: &[&str], key: &str, modified: &str) -> Result<(), Skipped> {
        let text = "[[watcher.buckets]]\nname = \"lab\"\n";
        let config = Config::read(Path::new("x"), text, []).unwrap();
        let line = ["landfall", "backfill", "s3://lab/"];
        let line = line.iter().chain(arguments);
        let Command::Backfill(options) = Options::parse_from(line).command else {
            unreachable!("it is what was parsed");
        };
        let wanted = Wanted {
            config: &config,
            bucket: "lab".to_owned(),
            prefix: String::new(),
            options: &options,
        };
        wanted.judge(&listed(key, modified))
    }

    #[test]
    fn a_location_is_a_bucket_and_a_prefix() {
        let named = |text: &str| location(text).ok();
        let place = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(named("s3://lab/old/2024"), place("lab", "old/2024"));
        assert_eq!(named("s3://lab/"), place("lab", ""));
        assert_eq!(named("s3://lab"), place("lab", ""));
        for wrong in ["lab/old", "s3://", "s3:///old", "https://lab/old"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_file_or_landfalls_own_is_passed_over() {
        let day = "2026-01-01T00:00:00Z";
        for (key, expected) in [
            ("old/a.csv", Ok(())),
            // In a watched prefix too: the sweep would find it later.
            ("incoming/a.csv", Ok(())),
            ("processed/old/a.csv", Err(Skipped::Output)),
            ("rejected/a.csv", Err(Skipped::Output)),
            ("rejected-rows/a.csv", Err(Skipped::Output)),
            (".landfall-probe/.0-1", Err(Skipped::NoFile)),
            ("old/", Err(Skipped::NoFile)),
            ("old/a.csv.tmp", Err(Skipped::NoFile)),
        ] {
            assert_eq!(judged(&[], key, day), expected, "{key}");
        }
    }

    #[test]
    fn globs_and_times_choose() {
        let noon = "2026-06-15T12:00:00Z";
        for (arguments, expected) in [
            (&["--include", "**/*.csv"][..], true),
            (&["--include", "*.csv"], false),
            (&["--include", "*.csv", "--include", "old/*"], true),
            (&["--exclude", "old/**"], false),
            (&["--since", "2026-06-15"], true),
            (&["--since", "2026-06-15T12:00:01Z"], false),
            (&["--until", "2026-06-15T12:00:00Z"], false),
            (&["--until", "2026-06-16"], true),
        ] {
            let judged = judged(arguments, "old/a.csv", noon);
            assert_eq!(judged.is_ok(), expected, "{arguments:?}");
        }
    }
}
