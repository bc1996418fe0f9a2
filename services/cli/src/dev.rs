//! `landfall dev`: everything on this machine, each part a process of its own.

mod configuration;
mod folder;
mod installation;
mod journey;
mod live;
mod parts;
mod service;
mod state;
mod talk;
mod welcome;

use std::path::{Path, PathBuf};

use anyhow::Context;
use runtime::Config;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::options::{self, Place};
use crate::{output, settings};
use configuration::Wishes;
use folder::Folder;
use installation::Installation;
use journey::{Journey, Load};
use talk::Talk;

/// Where folders of their own are made for demonstrations.
const DEMOS: &str = ".landfall";

/// Starts everything, sends a file if asked to, and ends with a signal (or, as a demonstration,
/// when the file's way has ended).
pub(crate) async fn run(place: &Place, options: options::Dev) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let wishes = Wishes::read(place.config.as_deref(), options.delay.as_deref())?;
    let load = load(&options)?;
    let talk = Talk::new();
    let folder = take(place.dir.as_deref(), &options, &talk)?;
    let aside = wishes.set_aside();
    if !aside.is_empty() {
        let aside = aside.join(", ");
        talk.note(&format!(
            "set aside, since servers are started here: {aside}"
        ));
    }
    let starting = Installation::start(folder.path(), &wishes, &talk);
    let installation = tokio::select! {
        started = starting => started?,
        // Dropped, what has been started is killed.
        () = signals.next() => return Err(interrupted()),
    };
    let outcome = tokio::select! {
        outcome = show(&installation, load, &options, &talk) => outcome,
        broken = installation.broken() => Err(broken.into()),
        () = signals.next() => Ok(Shown::Interrupted),
    };
    talk.note(if outcome.is_ok() {
        "stopping"
    } else {
        "stopping everything"
    });
    tokio::select! {
        () = installation.stop() => {}
        () = signals.next() => talk.note("stopped at once"),
    }
    let failure = match outcome {
        Ok(Shown::Whole(record, outcome)) => {
            output::report(&output::json(&record))?;
            match outcome {
                Ok(()) => {
                    folder.remove_if_temporary();
                    return Ok(());
                }
                Err(error) => error.into(),
            }
        }
        Ok(Shown::Interrupted) if options.demo => return Err(interrupted()),
        Ok(Shown::Interrupted) => return Ok(()),
        Err(failure) => failure,
    };
    if options.demo {
        folder.keep();
        let shown = output::short(folder.path());
        talk.note(&format!("everything about it stays in {shown}"));
    }
    Err(failure)
}

/// How the showing ended.
enum Shown {
    /// The whole way, as a line of JSON, and whether it worked.
    Whole(String, anyhow::Result<()>),
    /// Somebody ended it.
    Interrupted,
}

/// Sends the file and shows its way, and goes on for ever unless it is a demonstration.
async fn show(
    installation: &Installation,
    load: Option<Load>,
    options: &options::Dev,
    talk: &Talk,
) -> Result<Shown, Failure> {
    let Some(load) = load else {
        talk.block(&welcome::text(installation, None));
        return Ok(live::show(&installation.config, talk).await?);
    };
    let travelled = journey::travel(installation, load, talk).await;
    if options.demo {
        let Journey {
            record, outcome, ..
        } = travelled?;
        let record = serde_json::to_string(&record).context("the record cannot be written")?;
        return Ok(Shown::Whole(record, outcome));
    }
    // Without a demonstration it goes on: whoever looks can try again.
    let (sensor, outcome) = match travelled {
        Ok(journey) => (journey.sensor, journey.outcome),
        Err(error) => (None, Err(error)),
    };
    if let Err(error) = outcome {
        talk.trouble(&format!("{error:#}"));
    }
    talk.block(&welcome::text(installation, sensor.as_deref()));
    Ok(live::show(&installation.config, talk).await?)
}

fn load(options: &options::Dev) -> Result<Option<Load>, Failure> {
    match &options.send {
        Some(file) => Ok(Some(
            Load::file(file, options.key.clone()).map_err(Failure::Usage)?,
        )),
        None if options.sample || options.demo => Ok(Some(Load::Sample)),
        None => Ok(None),
    }
}

fn take(dir: Option<&Path>, options: &options::Dev, talk: &Talk) -> Result<Folder, Failure> {
    if options.demo && dir.is_none() {
        return Ok(Folder::temporary(Path::new(DEMOS))?);
    }
    let wanted = dir.map_or_else(|| PathBuf::from(settings::DEV), Path::to_owned);
    if !options.beside {
        return Ok(Folder::take(&wanted)?);
    }
    let folder = Folder::take_beside(&wanted)?;
    if folder.path() != std::path::absolute(&wanted)? {
        let (wanted, taken) = (wanted.display(), output::short(folder.path()));
        talk.note(&format!(
            "another Landfall runs in {wanted}; this one is in {taken}"
        ));
    }
    Ok(folder)
}

fn interrupted() -> Failure {
    Failure::failed("interrupted")
}

/// What asks this process to end: Ctrl-C, SIGTERM, and the terminal's end.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A configuration that was written a moment ago.
fn written(file: &Path, text: &str) -> anyhow::Result<Config> {
    Config::read(file, text, []).map_err(|wrong| anyhow::anyhow!("{wrong}"))
}
