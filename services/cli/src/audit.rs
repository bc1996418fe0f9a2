//! `landfall audit`

use std::io::Write;

use ::audit::{Options, Report, Scope};
use runtime::Config;
use runtime::text::counted;

use crate::failure::Failure;
use crate::output::{self, plain};
use crate::{nats, options};

/// Judges the installation, and prints what is wrong, a line each.
pub(crate) async fn run(config: &Config, options: options::Audit) -> Result<(), Failure> {
    let json = options.json;
    let (client, denied) = nats::connect(&config.nats).await?;
    let wanted = Options {
        scope: Scope {
            names: options.names,
            prefix: options.prefix,
            day: options.day,
        },
        settled: options.settled,
        mails: options.mails,
        uploads: options.uploads,
    };
    let looked = ::audit::audit(config, client, &wanted).await;
    let report = looked.map_err(|error| match denied.what() {
        Some(what) => Failure::failed(format!("nats refuses: {what}")),
        None => error.into(),
    })?;
    if report.summary.files == 0 && !wanted.scope.names.is_empty() {
        return Err(Failure::failed("the journals know no such file"));
    }
    output::print(|out| match json {
        true => {
            serde_json::to_writer(&mut *out, &report)?;
            out.write_all(b"\n")
        }
        false => text(out, &report),
    })?;
    match report.violations.len() {
        0 => Ok(()),
        _ => Err(Failure::Told),
    }
}

fn text(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    for open in &report.open {
        let line = format!(
            "open: {} {}: {} since {}",
            open.file, open.name, open.at, open.since
        );
        writeln!(out, "{}", plain(&line))?;
    }
    for violation in &report.violations {
        writeln!(out, "{}", plain(&violation.to_string()))?;
    }
    let wrong = match report.violations.len() {
        0 => "all is well".to_owned(),
        number => counted(number as u64, "violation"),
    };
    writeln!(out, "{wrong}: {}", report.summary)
}
