//! What types cannot say of the configuration. Pure but for the files that it names.

use std::collections::HashSet;
use std::time::Duration;

use super::forms::{
    at_least, filled, is_loopback, mailbox, mailboxes, node, positive, readable, readable_glob, url,
};
use super::mover::Place;
use super::notifier::Tls;
use super::objects::{LEAST_PART, MOST_COPIED};
use super::store::Kind;
use super::wrong::Wrong;
use super::{Config, Profile, mover, profile};

/// So many messages may be under way to all replicas together.
const MOST_SLOTS: usize = 10_000;

/// The first thing that is wrong, if any is.
pub(super) fn check(config: &Config) -> Result<(), Wrong> {
    service(config)?;
    nats(config)?;
    objects(config)?;
    store(config)?;
    tracing(config)?;
    watcher(config)?;
    prefixes(config)?;
    overlaps(config)?;
    ingest(config)?;
    notifier(config)?;
    profile::check(&config.profiles)
}

fn service(config: &Config) -> Result<(), Wrong> {
    let service = &config.service;
    at_least("service.slots", service.slots, 1)?;
    if service.slots > MOST_SLOTS {
        let what = format!("must be at most {MOST_SLOTS}, is {}", service.slots);
        return Err(Wrong::new("service.slots", what));
    }
    at_least("service.tries", service.tries, 1)?;
    positive("service.retry_after", service.retry_after)?;
    if tracing_subscriber::EnvFilter::builder()
        .parse(&service.log_level)
        .is_err()
    {
        return Err(Wrong::new(
            "service.log_level",
            format!(
                "expected a level like `info` or a filter like `info,ingest=debug`, found `{}`",
                service.log_level
            ),
        ));
    }
    let kept = proto::stream::FILES.max_age.unwrap_or_default();
    let waits = config
        .notifier
        .routes
        .iter()
        .filter_map(|route| route.delay)
        .chain([config.notifier.delay])
        .max()
        .unwrap_or_default()
        .saturating_add(config.notifier.retry_for);
    if service.journal_retention < kept {
        return Err(Wrong::new(
            "service.journal_retention",
            "must be at least 7 days: so long events lie in the stream FILES, and each may come again",
        ));
    }
    if service.journal_retention < waits {
        return Err(Wrong::new(
            "service.journal_retention",
            "must be at least the longest `notifier.delay` and `notifier.retry_for` together",
        ));
    }
    Ok(())
}

fn tracing(config: &Config) -> Result<(), Wrong> {
    let tracing = &config.tracing;
    if let Some(endpoint) = &tracing.endpoint {
        let schemes = ["http", "https"];
        url(
            "tracing.endpoint",
            endpoint,
            &schemes,
            "http://127.0.0.1:4318",
        )?;
    }
    if !(0.0..=1.0).contains(&tracing.ratio) {
        let what = format!("must be from 0 to 1, is {}", tracing.ratio);
        return Err(Wrong::new("tracing.ratio", what));
    }
    readable("tracing.ca_file", tracing.ca_file.as_deref())?;
    let is_name = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !name.is_empty() && name.bytes().all(plain)
    };
    for (name, value) in &tracing.headers {
        let setting = format!("tracing.headers.{name}");
        if !is_name(name) {
            return Err(Wrong::new(&setting, "expected a header's name"));
        }
        if !value
            .expose()
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte))
        {
            return Err(Wrong::new(&setting, "expected visible ASCII characters"));
        }
    }
    Ok(())
}

fn nats(config: &Config) -> Result<(), Wrong> {
    let nats = &config.nats;
    for server in nats.url.split(',') {
        url(
            "nats.url",
            server.trim(),
            &["nats", "tls"],
            "nats://host:4222",
        )?;
    }
    if ![1, 3, 5].contains(&nats.replicas) {
        return Err(Wrong::new("nats.replicas", "expected 1, 3 or 5"));
    }
    for (setting, period) in [
        ("nats.duplicate_window", nats.duplicate_window),
        ("nats.ack_wait", nats.ack_wait),
    ] {
        if period < Duration::from_millis(100) {
            return Err(Wrong::new(setting, "must be at least 100 ms"));
        }
    }
    if nats.max_deliver <= i64::from(config.service.tries) {
        return Err(Wrong::new(
            "nats.max_deliver",
            format!(
                "must be more than `service.tries` ({}): each try is a delivery",
                config.service.tries
            ),
        ));
    }
    readable("nats.ca_file", nats.ca_file.as_deref())
}

fn objects(config: &Config) -> Result<(), Wrong> {
    let objects = &config.objects;
    if let Some(endpoint) = &objects.endpoint {
        url(
            "objects.endpoint",
            endpoint,
            &["http", "https"],
            "http://host:8333",
        )?;
    }
    filled("objects.region", &objects.region)?;
    positive("objects.timeout", objects.timeout)?;
    at_least("objects.attempts", objects.attempts, 1)?;
    at_least("objects.connections", objects.connections, 1)?;
    let (above, part) = (objects.copy_above, objects.copy_part);
    if above > MOST_COPIED {
        let what = format!("must be at most {MOST_COPIED} (5 GiB), is {above}");
        return Err(Wrong::new("objects.copy_above", what));
    }
    if !(LEAST_PART..=MOST_COPIED).contains(&part) {
        let what = format!("must be {LEAST_PART} (5 MiB) to {MOST_COPIED} (5 GiB), is {part}");
        return Err(Wrong::new("objects.copy_part", what));
    }
    readable("objects.ca_file", objects.ca_file.as_deref())?;
    match (&objects.access_key, &objects.secret_key) {
        (Some(_), None) => Err(Wrong::new(
            "objects.access_key",
            "needs `objects.secret_key` beside it",
        )),
        (None, Some(_)) => Err(Wrong::new(
            "objects.secret_key",
            "needs `objects.access_key` beside it",
        )),
        _ => Ok(()),
    }
}

fn store(config: &Config) -> Result<(), Wrong> {
    if config.store.kind != Kind::Cql {
        return Ok(());
    }
    let cql = &config.store.cql;
    if cql.nodes.is_empty() {
        return Err(Wrong::new("store.cql.nodes", "expected at least one node"));
    }
    for (index, text) in cql.nodes.iter().enumerate() {
        node(&format!("store.cql.nodes[{index}]"), text)?;
    }
    if cql.user.is_some() != cql.password.is_some() {
        return Err(Wrong::new(
            "store.cql.user",
            "a login needs both `store.cql.user` and `store.cql.password`",
        ));
    }
    if cql.ca_file.is_some() && !cql.tls {
        return Err(Wrong::new(
            "store.cql.ca_file",
            "is for TLS: set `store.cql.tls = true` too",
        ));
    }
    readable("store.cql.ca_file", cql.ca_file.as_deref())?;
    let wrong =
        |unfit: store::cql::Unfit| Wrong::new(format!("store.cql.{}", unfit.setting), unfit.reason);
    cql.plan().check().map_err(wrong)
}

fn watcher(config: &Config) -> Result<(), Wrong> {
    let watcher = &config.watcher;
    let mut names = HashSet::new();
    for (index, bucket) in watcher.buckets.iter().enumerate() {
        let setting = format!("watcher.buckets[{index}]");
        filled(&format!("{setting}.name"), &bucket.name)?;
        if !names.insert(&bucket.name) {
            return Err(Wrong::new(
                format!("{setting}.name"),
                format!(
                    "bucket `{}` is there twice: give it both prefixes",
                    bucket.name
                ),
            ));
        }
        for (at, pattern) in bucket.ignore.iter().flatten().enumerate() {
            readable_glob(&format!("{setting}.ignore[{at}]"), pattern)?;
        }
        for (name, period) in [
            ("sweep_every", bucket.sweep_every),
            ("stuck_after", bucket.stuck_after),
        ] {
            if let Some(period) = period {
                positive(&format!("{setting}.{name}"), period)?;
            }
        }
        if bucket.prefixes.is_empty() {
            return Err(Wrong::new(
                format!("{setting}.prefixes"),
                "expected at least one prefix; \"\" is the whole bucket",
            ));
        }
    }
    for (index, pattern) in watcher.ignore.iter().enumerate() {
        readable_glob(&format!("watcher.ignore[{index}]"), pattern)?;
    }
    for (index, token) in watcher.tokens.iter().enumerate() {
        filled(&format!("watcher.tokens[{index}]"), token.expose())?;
    }
    if !(0.0..=1.0).contains(&watcher.missed_share) {
        let what = format!("must be 0 to 1, is {}", watcher.missed_share);
        return Err(Wrong::new("watcher.missed_share", what));
    }
    positive("watcher.sweep_every", watcher.sweep_every)?;
    positive("watcher.stuck_after", watcher.stuck_after)
}

/// What Landfall writes about files from one bucket.
struct Output<'a> {
    /// What names its prefix.
    setting: String,
    prefix: &'a str,
    bucket: &'a str,
}

fn outputs<'a>(config: &'a Config, source: &'a str) -> Vec<Output<'a>> {
    let mut all = vec![];
    for (at, own) in owns(config) {
        for (name, set, rejected) in [
            ("processed", &own.processed, false),
            ("rejected", &own.rejected, true),
        ] {
            let Place { bucket, prefix } = config.mover.place(own, source, rejected);
            let section = if set.is_some() { &*at } else { "mover" };
            all.push(Output {
                setting: format!("{section}.{name}"),
                prefix,
                bucket,
            });
        }
        all.push(Output {
            setting: "ingest.rejected_rows".to_owned(),
            prefix: &config.ingest.rejected_rows,
            bucket: config.mover.place(own, source, false).bucket,
        });
    }
    all
}

/// What is set for files apart, and where; the first is what holds where nothing is.
fn owns(config: &Config) -> impl Iterator<Item = (String, &mover::Own)> {
    let built_in = ("mover".to_owned(), &Profile::built_in().mover);
    let profiles = config.profiles.iter().enumerate();
    let profiles =
        profiles.map(|(index, profile)| (format!("profiles[{index}].mover"), &profile.mover));
    std::iter::once(built_in).chain(profiles)
}

fn prefixes(config: &Config) -> Result<(), Wrong> {
    let mover = &config.mover;
    let all = (
        "mover".to_owned(),
        &mover.target_bucket,
        &mover.rejected_bucket,
    );
    let apart = owns(config).map(|(at, own)| (at, &own.target_bucket, &own.rejected_bucket));
    for (at, target, rejected) in std::iter::once(all).chain(apart) {
        for (setting, bucket) in [("target_bucket", target), ("rejected_bucket", rejected)] {
            if let Some(bucket) = bucket {
                filled(&format!("{at}.{setting}"), bucket)?;
            }
        }
    }
    let rows = &config.ingest.rejected_rows;
    for Output {
        setting, prefix, ..
    } in outputs(config, "")
    {
        if prefix.len() < 2 || prefix.starts_with('/') || !prefix.ends_with('/') {
            let what = format!("expected a prefix like \"processed/\", found \"{prefix}\"");
            return Err(Wrong::new(setting, what));
        }
        // Rejected rows are written over whatever has their name.
        if setting != "ingest.rejected_rows" && overlap(rows, prefix) {
            let what = format!("\"{rows}\" overlaps `{setting}` (\"{prefix}\")");
            return Err(Wrong::new("ingest.rejected_rows", what));
        }
    }
    Ok(())
}

/// What Landfall writes must never be what it watches.
fn overlaps(config: &Config) -> Result<(), Wrong> {
    for (index, watched) in config.watcher.buckets.iter().enumerate() {
        // A file of any watched bucket may be filed in this one.
        let sources = config.watcher.buckets.iter();
        let outputs: Vec<_> = sources
            .flat_map(|source| outputs(config, &source.name))
            .filter(|output| output.bucket == watched.name)
            .collect();
        for (at, incoming) in watched.prefixes.iter().enumerate() {
            let Some(Output {
                setting, prefix, ..
            }) = outputs
                .iter()
                .find(|output| overlap(incoming, output.prefix))
            else {
                continue;
            };
            return Err(Wrong::new(
                format!("watcher.buckets[{index}].prefixes[{at}]"),
                format!(
                    "\"{incoming}\" overlaps `{setting}` (\"{prefix}\") in bucket `{}`: Landfall \
                     would take its own files for new ones; change one of the two",
                    watched.name
                ),
            ));
        }
    }
    Ok(())
}

fn overlap(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn ingest(config: &Config) -> Result<(), Wrong> {
    let ingest = &config.ingest;
    at_least("ingest.longest_line", ingest.longest_line, 1)?;
    at_least("ingest.in_memory", ingest.in_memory, 1)?;
    at_least("ingest.gzip_ratio", ingest.gzip_ratio, 1)?;
    at_least("ingest.unpacked", ingest.unpacked, 1)?;
    let one = ingest.most_of_one_file();
    if ingest.memory < one {
        return Err(Wrong::new(
            "ingest.memory",
            format!(
                "must be at least {one}, is {}: so much one file may take by `ingest.in_memory`, \
                 `ingest.refused_rows` and `ingest.longest_line`",
                ingest.memory
            ),
        ));
    }
    Ok(())
}

fn notifier(config: &Config) -> Result<(), Wrong> {
    let notifier = &config.notifier;
    let smtp = &notifier.smtp;
    filled("notifier.smtp.host", &smtp.host)?;
    if smtp.tls == Tls::None && !is_loopback(&smtp.host) {
        return Err(Wrong::new(
            "notifier.smtp.tls",
            format!(
                "\"none\" is for this machine only; `notifier.smtp.host` is `{}`: use \"starttls\" or \"implicit\"",
                smtp.host
            ),
        ));
    }
    at_least("notifier.smtp.port", smtp.port, 1)?;
    at_least("notifier.smtp.connections", smtp.connections, 1)?;
    positive("notifier.smtp.timeout", smtp.timeout)?;
    positive("notifier.retry_after", notifier.retry_after)?;
    if smtp.user.is_some() != smtp.password.is_some() {
        return Err(Wrong::new(
            "notifier.smtp.user",
            "a login needs both `notifier.smtp.user` and `notifier.smtp.password`",
        ));
    }
    readable("notifier.smtp.ca_file", smtp.ca_file.as_deref())?;
    mailbox("notifier.from", &notifier.from)?;
    if let Some(address) = &notifier.reply_to {
        mailbox("notifier.reply_to", address)?;
    }
    mailboxes("notifier.to", &notifier.to)?;
    mailboxes("notifier.operators", &notifier.operators)?;
    routes(config)
}

fn routes(config: &Config) -> Result<(), Wrong> {
    let mut names = HashSet::new();
    for (index, route) in config.notifier.routes.iter().enumerate() {
        let setting = |name: &str| format!("notifier.routes[{index}].{name}");
        filled(&setting("name"), &route.name)?;
        if !names.insert(&route.name) {
            return Err(Wrong::new(
                setting("name"),
                format!("there are two routes `{}`", route.name),
            ));
        }
        for (name, pattern) in [("bucket", &route.bucket), ("key", &route.key)] {
            if let Some(pattern) = pattern {
                readable_glob(&setting(name), pattern)?;
            }
        }
        if let Some(name) = &route.profile
            && config.profile(name).is_none()
        {
            return Err(Wrong::new(
                setting("profile"),
                format!("there is no profile `{name}`"),
            ));
        }
        mailboxes(&setting("to"), &route.to)?;
    }
    Ok(())
}
