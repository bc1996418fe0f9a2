//! A service's command line, signals and exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use proto::User;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::telemetry::{self, Exporting};
use crate::{Config, Context, Trouble, allocator, logs, service};

/// Usage and configuration.
const WRONG: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    name = "landfall",
    version,
    about = "A service of Landfall; `landfall dev` starts all of them"
)]
struct Options {
    /// Configuration file [default: landfall.toml, if it exists]
    #[arg(long, value_name = "FILE", env = "LANDFALL_CONFIG")]
    config: Option<PathBuf>,
    /// Print the effective configuration, without secrets, and exit
    #[arg(long)]
    check: bool,
}

/// The whole of a service's `main`: trace, configuration, connections, `start`, then consume
/// until a signal, and drain. `start` is called again while it answers [`Trouble::Outage`].
///
/// `check` is what the service itself finds wrong with the configuration, beyond what the runtime
/// does: a line that names the setting. It does no more than read, and is asked by `--check` too.
///
/// Exits with 2 if the command line or the configuration is wrong, with 1 if something ended the
/// service, and with 0 after SIGTERM or SIGINT. A second signal ends it at once, with 1.
pub fn main<F>(user: User, check: impl FnOnce(&Config) -> Result<(), String>, start: F) -> ExitCode
where
    F: AsyncFn(&Context) -> Result<(), Trouble>,
{
    allocator::keep_little();
    let options = Options::parse();
    let config = match Config::load(options.config.as_deref()) {
        Ok(config) => config,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(WRONG);
        }
    };
    if let Err(wrong) = check(&config) {
        eprintln!("{wrong}");
        return ExitCode::from(WRONG);
    }
    if options.check {
        print!("{}", config.shown());
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let exporting = match listen_in(user, &config, &runtime) {
        Ok(exporting) => exporting,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(WRONG);
        }
    };
    let outcome = runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(signals(stop.clone()));
        let outcome = service::run(user, config, stop, start).await;
        if let Some(exporting) = exporting {
            exporting.end(telemetry::LAST_SPANS).await;
        }
        outcome
    });
    // A blocking call that does not return must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            tracing::error!(service = %user, reason = trouble.to_string(), "ended");
            ExitCode::FAILURE
        }
    }
}

/// Starts the log and, where a collector is configured, the traces.
fn listen_in(
    user: User,
    config: &Config,
    runtime: &tokio::runtime::Runtime,
) -> Result<Option<Exporting>, String> {
    let _within = runtime.enter();
    let (layer, exporting) = telemetry::start(user, &config.tracing)?.unzip();
    logs::start(&config.service, layer);
    Ok(exporting)
}

/// The first SIGTERM or SIGINT stops, the second aborts.
async fn signals(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!("signals cannot be heard: SIGTERM will end this at once");
        return;
    };
    for first in [true, false] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if first {
            tracing::info!("stopping; once more to stop at once");
            stop.cancel();
        } else {
            tracing::warn!("stopped at once");
            std::process::exit(1);
        }
    }
}
