//! Orders of a person, as events: said to the services, and which of them counted.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_nats::HeaderMap;
use async_nats::jetstream;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use jiff::Timestamp;
use proto::event::{Command, Commanded};
use proto::{Event, FileId, What, subject};
use runtime::Config;
use runtime::text::counted;
use tokio::time::Instant;

use crate::describe;
use crate::failure::Failure;
use crate::files::Files;
use crate::follow;
use crate::journals::{Journals, Standing};
use crate::nats::Denied;
use crate::options;
use crate::output::{self, plain};
use crate::pace::Pace;
use crate::vigil::Vigil;

/// Files that are named one by one; of more it is said how many.
const SHOWN: usize = 20;
/// How long ingest is given to take a command before it is left to it.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// What is ordered, for one file.
pub(crate) struct Order {
    event: Event,
    /// What it will do, in words.
    effect: String,
}

/// Who orders, and why.
pub(crate) struct Person {
    by: String,
    why: Option<String>,
}

impl Person {
    /// As the options say, or else who runs this on which machine.
    pub(crate) fn of(options: &options::Ordering) -> Self {
        Self {
            by: person(options.by.as_deref()),
            why: options.why.clone(),
        }
    }
}

/// Who orders: as is said, or else who runs this on which machine.
pub(crate) fn person(said: Option<&str>) -> String {
    if let Some(said) = said {
        return said.to_owned();
    }
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let host = host.or_else(|_| std::fs::read_to_string("/etc/hostname"));
    match host.map(|host| host.trim().to_owned()) {
        Ok(host) if !host.is_empty() => format!("{user}@{host}"),
        _ => user,
    }
}

impl Order {
    /// An order for the way after a file's last. `profile` is to read it, where it is given.
    pub(crate) fn new(
        standing: &Standing,
        command: Command,
        profile: Option<&str>,
        person: &Person,
        effect: String,
    ) -> Self {
        let mut file = standing.file.clone();
        if let Some(profile) = profile {
            profile.clone_into(&mut file.profile);
        }
        let commanded = Commanded {
            file,
            replay: standing.replay + 1,
            command,
            by: person.by.clone(),
            why: person.why.clone(),
            copy: standing.copy.clone(),
        };
        Self {
            event: Event::command(commanded, unique(), Timestamp::now()),
            effect,
        }
    }

    /// An order that was given before, to be said once more.
    pub(crate) fn again(event: Event, effect: String) -> Self {
        Self { event, effect }
    }

    fn cell(&self) -> (FileId, u32) {
        let (file, replay) = self.event.about();
        (file.id, replay)
    }
}

/// Tells a command from every other. Without randomness the clock has to do.
fn unique() -> u64 {
    getrandom::u64().unwrap_or_else(|_| Timestamp::now().as_microsecond().cast_unsigned())
}

/// Says what will be done, and whether to go on.
pub(crate) fn agreed(orders: &[Order], options: &options::Ordering) -> Result<bool, Failure> {
    let shown = if options.dry_run { orders.len() } else { SHOWN };
    for Order { event, effect } in orders.iter().take(shown) {
        let (file, _) = event.about();
        let line = format!("{} {}: {}", file.id, plain(&file.key), plain(effect));
        output::report(&line)?;
    }
    let more = orders.len().saturating_sub(shown);
    if more > 0 {
        output::report(&format!("and {}", counted(more as u64, "more file")))?;
    }
    if options.dry_run {
        return Ok(false);
    }
    if options.yes || orders.is_empty() {
        return Ok(true);
    }
    let files = counted(orders.len() as u64, "file");
    output::agreed(&format!("go on with {files}?"))
}

/// Says the orders, at most so many a second; tells which of them counted; and waits for the ends
/// of the ways if asked to.
pub(crate) async fn give(
    config: &Config,
    journals: &Journals,
    orders: Vec<Order>,
    options: &options::Ordering,
) -> Result<(), Failure> {
    // From before the first order, so that nothing that comes of it is missed.
    let files = Files::connect(config).await?;
    publish(&files, &orders, options.rate).await?;
    let mut well = confirm(journals, &orders).await?;
    if options.wait {
        well &= wait(files, orders, options.timeout).await?;
    }
    if well { Ok(()) } else { Err(Failure::Told) }
}

async fn publish(files: &Files, orders: &[Order], rate: Option<f64>) -> Result<(), Failure> {
    let jetstream = jetstream::new(files.client());
    let mut pace = Pace::new(rate);
    let bar = bar(orders.len() as u64);
    for order in orders {
        pace.turn().await;
        let said = say(&jetstream, files.denied(), &order.event).await;
        said.inspect_err(|_| bar.abandon())?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Says one order. Doing it again is safe: what counts is which command ingest takes first.
#[expect(
    clippy::disallowed_methods,
    reason = "a person's command is no service"
)]
async fn say(jetstream: &jetstream::Context, denied: &Denied, event: &Event) -> anyhow::Result<()> {
    let (file, _) = event.about();
    let subject = subject::files(file.id, What::Commanded, &file.profile);
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", event.id.as_str());
    headers.insert("Content-Type", "application/cloudevents+json");
    let payload = serde_json::to_vec(event)?;
    let published = jetstream
        .publish_with_headers(subject, headers, payload.into())
        .await
        .context("cannot publish the command")?;
    match published.await {
        Ok(_) => Ok(()),
        Err(error) => Err(match denied.what() {
            Some(what) => anyhow!("nats refuses: {what}"),
            None => anyhow!("the command was not acknowledged: {error}; order it again"),
        }),
    }
}

/// Tells which of the orders counted, as soon as ingest has taken them; whether all of them did.
async fn confirm(journals: &Journals, orders: &[Order]) -> Result<bool, Failure> {
    let end = Instant::now() + PATIENCE;
    let (mut well, mut taken, mut waiting) = (true, 0, 0);
    for order in orders {
        let (id, replay) = order.cell();
        let key = plain(&order.event.about().0.key).into_owned();
        let counts = loop {
            let counts = journals.command(id, replay).await?;
            if counts.is_some() || Instant::now() >= end {
                break counts;
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        };
        match counts {
            None => waiting += 1,
            Some(counts) if counts.id == order.event.id => taken += 1,
            Some(counts) => {
                let by = describe::ordered(&counts);
                eprintln!(
                    "{id} {key}: {} came first, so yours does not count",
                    plain(&by)
                );
                well = false;
            }
        }
    }
    if taken > 0 {
        output::report(&format!("{} on the way", counted(taken, "file")))?;
    }
    if waiting > 0 {
        let files = counted(waiting, "file");
        eprintln!("{files}: ordered, and ingest has not taken it yet (does it run?)");
    }
    Ok(well)
}

/// Prints what happens to the files until each has ended; whether all ended well.
async fn wait(
    mut files: Files,
    orders: Vec<Order>,
    timeout: Option<Duration>,
) -> Result<bool, Failure> {
    let coloured = output::stdout_is_coloured();
    let mut vigil = Vigil::new(files.client(), timeout);
    let mut waiting: HashMap<(FileId, u32), (String, bool)> = orders
        .iter()
        .map(|order| {
            let key = plain(&order.event.about().0.key).into_owned();
            (order.cell(), (key, true))
        })
        .collect();
    let mut well = true;
    while !waiting.is_empty() {
        let what = || {
            let mut keys: Vec<&str> = waiting.values().map(|(key, _)| key.as_str()).collect();
            keys.sort_unstable();
            keys.truncate(3);
            format!(
                "{} of {}",
                keys.join(", "),
                counted(waiting.len() as u64, "file")
            )
        };
        let seen = vigil.outlast(files.next(), what).await?;
        let Ok(event) = &seen.event else { continue };
        let (file, replay) = event.about();
        let Some((_, good)) = waiting.get_mut(&(file.id, replay)) else {
            continue;
        };
        *good &= describe::is_good(&event.data);
        vigil.heard();
        output::report(&follow::line(&seen, coloured))?;
        if describe::is_last(&event.data) {
            well &= *good;
            waiting.remove(&(file.id, replay));
        }
    }
    Ok(well)
}

/// Files; on a terminal only.
pub(crate) fn bar(files: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files {rate} {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let rate = |state: &ProgressState, to: &mut dyn std::fmt::Write| {
        // A rate that cannot be written down is not shown.
        let _ = write!(to, "{:.1}/s", state.per_sec());
    };
    let bar = ProgressBar::new(files);
    bar.set_style(style.with_key("rate", rate));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
