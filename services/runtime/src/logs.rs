//! Log lines, on standard error.
//!
//! What comes from outside (keys, cells, reasons) stands in fields, never in the message: fields
//! are escaped, so that nothing breaks a line or colours a terminal.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::service::{Config, Log};
use crate::telemetry;

/// Libraries log their own view of what Landfall tells in one line; warnings only.
const LIBRARIES: &str = "info,aws_config=warn,hyper=warn";
/// That a connection is lost, the outage says once; these say it with each attempt, and the
/// driver's errors come with what it answers. By the library whose mention in the setting overrides
/// it.
const LOUD: [(&str, &str); 2] = [
    ("async_nats", "async_nats=error,async_nats::connector=off"),
    ("scylla", "scylla=off"),
];

/// What is logged, by `[service] log_level`.
fn filter(wanted: &str) -> EnvFilter {
    let loud = LOUD.iter().filter(|(library, _)| !wanted.contains(library));
    let directives: Vec<&str> = [LIBRARIES]
        .into_iter()
        .chain(loud.map(|(_, directives)| *directives))
        .chain([wanted])
        .collect();
    let directives = directives.join(",");
    // What is exported would only repeat what the log's own spans say.
    EnvFilter::builder().parse_lossy(format!("{directives},{}=off", telemetry::TARGET))
}

/// Starts logging, and `beside` it what else listens. The second call of a process changes nothing.
pub(crate) fn start(config: &Config, beside: Option<impl Layer<Registry> + Send + Sync>) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match config.log {
        Log::Human => lines.with_target(false).boxed(),
        Log::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = lines.with_filter(filter(&config.log_level));
    let started = tracing_subscriber::registry()
        .with(beside)
        .with(lines)
        .try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let at = panic.location().map(ToString::to_string);
            let what = panic.payload_as_str().unwrap_or("no message");
            tracing::error!(at, what, "panic");
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connects_is_silent_unless_it_is_asked_for() {
        for wanted in ["info", "debug"] {
            let filter = filter(wanted).to_string();
            assert!(filter.contains("async_nats::connector=off"), "{filter}");
            assert!(filter.contains("scylla=off"), "{filter}");
        }
        let asked = filter("info,scylla=debug").to_string();
        assert!(!asked.contains("scylla=off"), "{asked}");
        let asked = filter("info,async_nats=debug").to_string();
        assert!(!asked.contains("async_nats::connector"), "{asked}");
        assert!(asked.contains("async_nats=debug"), "{asked}");
    }
}
