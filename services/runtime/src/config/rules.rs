//! What types cannot say of the configuration. Pure but for the files that it names.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::notifier::Tls;
use super::profile::Profile;
use super::wrong::Wrong;
use super::{Config, glob, profile};

/// The first thing that is wrong, if any is.
pub(super) fn check(config: &Config) -> Result<(), Wrong> {
    service(config)?;
    nats(config)?;
    objects(config)?;
    watcher(config)?;
    prefixes(config)?;
    overlaps(config)?;
    notifier(config)?;
    profile::check(&config.profiles)
}

fn service(config: &Config) -> Result<(), Wrong> {
    let service = &config.service;
    at_least("service.slots", service.slots, 1)?;
    at_least("service.tries", service.tries, 1)?;
    positive("service.retry_after", service.retry_after)?;
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&service.log_level) {
        return Err(Wrong::new(
            "service.log_level",
            format!("expected a level like `info` or a filter like `info,ingest=debug`: {error}"),
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
    at_least("objects.connections", objects.connections, 1)?;
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
    positive("watcher.sweep_every", watcher.sweep_every)?;
    positive("watcher.stuck_after", watcher.stuck_after)
}

/// What Landfall writes, by the setting that names it.
fn outputs(config: &Config) -> [(&'static str, &str); 3] {
    [
        ("mover.processed", config.mover.processed.as_str()),
        ("mover.rejected", config.mover.rejected.as_str()),
        ("ingest.rejected_rows", config.ingest.rejected_rows.as_str()),
    ]
}

fn prefixes(config: &Config) -> Result<(), Wrong> {
    for (setting, prefix) in outputs(config) {
        if prefix.len() < 2 || prefix.starts_with('/') || !prefix.ends_with('/') {
            return Err(Wrong::new(
                setting,
                format!("expected a prefix like \"processed/\", found \"{prefix}\""),
            ));
        }
    }
    // Rejected rows are written over whatever has their name.
    let [processed, rejected, rows] = outputs(config);
    for other in [processed, rejected] {
        if overlap(rows.1, other.1) {
            return Err(Wrong::new(
                rows.0,
                format!("\"{}\" overlaps `{}` (\"{}\")", rows.1, other.0, other.1),
            ));
        }
    }
    if let Some(bucket) = &config.mover.target_bucket {
        filled("mover.target_bucket", bucket)?;
    }
    at_least("ingest.longest_line", config.ingest.longest_line, 1)
}

/// What Landfall writes must never be what it watches.
fn overlaps(config: &Config) -> Result<(), Wrong> {
    for (index, bucket) in config.watcher.buckets.iter().enumerate() {
        for (at, watched) in bucket.prefixes.iter().enumerate() {
            for (setting, prefix) in outputs(config) {
                if is_target(config, &bucket.name) && overlap(watched, prefix) {
                    return Err(Wrong::new(
                        format!("watcher.buckets[{index}].prefixes[{at}]"),
                        format!(
                            "\"{watched}\" overlaps `{setting}` (\"{prefix}\") in bucket `{}`: \
                             Landfall would take its own files for new ones; change one of the two",
                            bucket.name
                        ),
                    ));
                }
            }
        }
    }
    Ok(())
}

fn overlap(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Whether files may be filed away in this watched bucket.
fn is_target(config: &Config, bucket: &str) -> bool {
    let mut targets = config
        .profiles
        .iter()
        .map(|profile| &profile.target_bucket)
        // The built-in profile has none of its own.
        .chain([&None]);
    targets.any(|target| {
        let target = target.as_ref().or(config.mover.target_bucket.as_ref());
        target.is_none_or(|target| target == bucket)
    })
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

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn mailboxes(setting: &str, addresses: &[String]) -> Result<(), Wrong> {
    addresses
        .iter()
        .enumerate()
        .try_for_each(|(index, address)| mailbox(&format!("{setting}[{index}]"), address))
}

/// Roughly: the notifier, which knows the grammar, refuses the rest when it starts.
fn mailbox(setting: &str, address: &str) -> Result<(), Wrong> {
    let inner = match address.split_once('<') {
        Some((_, rest)) => rest.trim_end().strip_suffix('>').unwrap_or_default(),
        None => address,
    };
    let sound = inner
        .rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !address.chars().any(char::is_control);
    if sound {
        return Ok(());
    }
    Err(Wrong::new(
        setting,
        format!("expected an address like `Landfall <landfall@example.org>`, found {address:?}"),
    ))
}

/// `scheme://host[:port]` and nothing else: a password in a URL would be shown and logged.
fn url(setting: &str, text: &str, schemes: &[&str], example: &str) -> Result<(), Wrong> {
    let expected = || {
        Wrong::new(
            setting,
            format!("expected a URL like `{example}`, without user, path or query"),
        )
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if !schemes.contains(&scheme) || host.contains(['/', '?', '#', '@', ' ']) {
        return Err(expected());
    }
    let (name, port) = match host.rsplit_once(':') {
        // The last colon of `[::1]` is inside the brackets.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port_is_sound = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if name.is_empty() || !port_is_sound {
        return Err(expected());
    }
    Ok(())
}

fn readable(setting: &str, file: Option<&Path>) -> Result<(), Wrong> {
    let Some(file) = file else { return Ok(()) };
    match std::fs::File::open(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(Wrong::new(
            setting,
            format!("cannot read {}: {error}", file.display()),
        )),
    }
}

pub(super) fn readable_glob(setting: &str, pattern: &str) -> Result<(), Wrong> {
    match glob::error(pattern) {
        None => Ok(()),
        Some(error) => Err(Wrong::new(
            setting,
            format!("`{pattern}` is no glob: {error}"),
        )),
    }
}

pub(super) fn filled(setting: &str, text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err(Wrong::new(setting, "must not be empty"));
    }
    Ok(())
}

fn at_least<T: Copy + PartialOrd + std::fmt::Display>(
    setting: &str,
    number: T,
    least: T,
) -> Result<(), Wrong> {
    if number >= least {
        return Ok(());
    }
    Err(Wrong::new(
        setting,
        format!("must be at least {least}, is {number}"),
    ))
}

fn positive(setting: &str, period: Duration) -> Result<(), Wrong> {
    if period.is_zero() {
        return Err(Wrong::new(setting, "must be more than 0"));
    }
    Ok(())
}

/// Names of profiles are subject tokens, and each is one profile's.
pub(super) fn profile_names(profiles: &[Profile]) -> Result<(), Wrong> {
    let mut names = HashSet::new();
    for (index, profile) in profiles.iter().enumerate() {
        let setting = format!("profiles[{index}].name");
        let name = &profile.name;
        if !proto::subject::is_profile_name(name) {
            return Err(Wrong::new(
                setting,
                format!("expected 1 to 64 of a-z, 0-9 and -, found {name:?}"),
            ));
        }
        if name == profile::DEFAULT {
            return Err(Wrong::new(
                setting,
                "is the built-in profile's name; take another",
            ));
        }
        if !names.insert(name) {
            return Err(Wrong::new(
                setting,
                format!("there are two profiles `{name}`"),
            ));
        }
    }
    Ok(())
}
