//! The command `landfall`: develops with Landfall on this machine, uploads, follows, reads, orders.
//!
//! Results go to standard output; what is said beside them, and what is wrong, to standard error.
//! Exit code 2: the command line or the configuration is wrong; 1: it did not work.

mod audit;
mod backfill;
mod check;
mod choice;
mod database;
mod describe;
mod dev;
mod doctor;
mod failure;
mod files;
mod follow;
mod gaps;
mod journals;
mod nats;
mod nearest;
mod options;
mod order;
mod ordering;
mod origin;
mod output;
mod pace;
mod put;
mod readings;
mod record;
mod replay;
mod retract;
mod rows;
mod sample;
mod sensors;
mod settings;
mod setup;
mod vigil;
mod zone;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use failure::Failure;
use options::{Command, Options};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Failed(error.into()).tell(),
    };
    let unconfigured = settings::is_missing(&options);
    let outcome = runtime.block_on(run(options));
    // A blocking call that does not return must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.tell();
            if unconfigured {
                eprintln!(
                    "(no configuration was found: there is no landfall.toml here, and no \
                     `landfall dev` was started here; --config and --dir name others)"
                );
            }
            code
        }
    }
}

async fn run(options: Options) -> Result<(), Failure> {
    let Options { place, command } = options;
    match command {
        Command::Dev(dev) => Box::pin(dev::run(&place, dev)).await,
        Command::Sample(sample) => sample::run(&sample),
        Command::Setup => setup::run(&settings::load(&place)?).await,
        Command::Put(put) => put::run(&settings::load(&place)?, put).await,
        Command::Backfill(backfill) => {
            Box::pin(backfill::run(&settings::load(&place)?, backfill)).await
        }
        Command::Follow(follow) => follow::run(&settings::load(&place)?, &follow).await,
        Command::Readings(readings) => readings::run(&settings::load(&place)?, readings).await,
        Command::Replay(replay) => Box::pin(replay::run(&settings::load(&place)?, replay)).await,
        Command::Retract(retract) => {
            Box::pin(retract::run(&settings::load(&place)?, retract)).await
        }
        Command::Sensors(sensors) => sensors::run(&settings::load(&place)?, sensors).await,
        Command::Audit(audit) => Box::pin(audit::run(&settings::load(&place)?, audit)).await,
        Command::Doctor(doctor) => Box::pin(doctor::run(&settings::load(&place)?, doctor)).await,
        Command::Check => check::run(&settings::load(&place)?),
    }
}
