//! `landfall follow`

use std::io::Write;

use runtime::Config;

use crate::describe;
use crate::failure::Failure;
use crate::files::{Files, Seen};
use crate::options;
use crate::output::{self, plain};

/// Prints events as they come, until it is stopped.
pub(crate) async fn run(config: &Config, options: &options::Follow) -> Result<(), Failure> {
    let mut files = Files::connect(config).await?;
    if let Some(time) = options.since {
        files.rewind(time).await?;
    }
    let coloured = output::stdout_is_coloured();
    loop {
        let seen = files.next().await?;
        if options.json {
            let line = String::from_utf8_lossy(&seen.payload);
            output::print(|out| writeln!(out, "{}", output::json(&line)))?;
        } else {
            let line = line(&seen, coloured);
            output::print(|out| writeln!(out, "{line}"))?;
        }
    }
}

/// A message of `FILES` as a line.
pub(crate) fn line(seen: &Seen, coloured: bool) -> String {
    match &seen.event {
        Ok(event) => describe::line(event, seen.stored, coloured),
        Err(unreadable) => format!(
            "{} message {} cannot be read: {}",
            describe::time_of_day(seen.stored),
            seen.sequence,
            plain(&unreadable.to_string())
        ),
    }
}
