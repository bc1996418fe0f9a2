//! Log lines, on standard error.
//!
//! What comes from outside (keys, cells, reasons) stands in fields, never in the message: fields
//! are escaped, so that nothing breaks a line or colours a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::service::{Config, Log};

/// Libraries log their own view of what Landfall tells in one line; warnings only.
const LIBRARIES: &str = "info,async_nats=error,aws_config=warn,hyper=warn";

/// Starts logging. The second call of a process changes nothing.
pub(crate) fn start(config: &Config) {
    let filter = EnvFilter::builder().parse_lossy(format!("{LIBRARIES},{}", config.log_level));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match config.log {
        Log::Human => lines.with_target(false).try_init(),
        Log::Json => lines.json().flatten_event(true).try_init(),
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let at = panic.location().map(ToString::to_string);
            let what = panic.payload_as_str().unwrap_or("no message");
            tracing::error!(at, what, "panic");
        }));
    }
}
