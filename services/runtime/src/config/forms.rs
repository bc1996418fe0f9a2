//! Forms that many settings share.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::glob;
use super::wrong::Wrong;

pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn mailboxes(setting: &str, addresses: &[String]) -> Result<(), Wrong> {
    addresses
        .iter()
        .enumerate()
        .try_for_each(|(index, address)| mailbox(&format!("{setting}[{index}]"), address))
}

/// Roughly: the notifier, which knows the grammar, refuses the rest when it starts.
pub(super) fn mailbox(setting: &str, address: &str) -> Result<(), Wrong> {
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
pub(super) fn url(setting: &str, text: &str, schemes: &[&str], example: &str) -> Result<(), Wrong> {
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

/// `host:port`.
pub(super) fn node(setting: &str, text: &str) -> Result<(), Wrong> {
    let sound = text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = !host.contains([':', '/', '@', ' ']) || host.starts_with('[');
        !host.is_empty() && bare && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if sound {
        return Ok(());
    }
    Err(Wrong::new(
        setting,
        format!("expected a host and a port like `scylla:9042`, found {text:?}"),
    ))
}

pub(super) fn readable(setting: &str, file: Option<&Path>) -> Result<(), Wrong> {
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

pub(super) fn at_least<T: Copy + PartialOrd + std::fmt::Display>(
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

pub(super) fn positive(setting: &str, period: Duration) -> Result<(), Wrong> {
    if period.is_zero() {
        return Err(Wrong::new(setting, "must be more than 0"));
    }
    Ok(())
}
