//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::zone::{Moment, Zone};

/// Sensor files from object storage into a database, filed away, and told by mail
#[derive(Debug, Parser)]
#[command(name = "landfall", version, max_term_width = 100)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which Landfall a command is about.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Configuration file [default: landfall.toml here, else the one of `landfall dev`]
    #[arg(
        long,
        value_name = "FILE",
        env = "LANDFALL_CONFIG",
        global = true,
        help_heading = "Which Landfall"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Folder of a `landfall dev` [default: .landfall/dev]
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        help_heading = "Which Landfall"
    )]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create streams, consumers and databases; safe to run again
    Setup,
    /// Run everything on this machine: real servers, all services, mails that can be read
    Dev(Dev),
    /// Upload files to where they are picked up
    Put(Put),
    /// Take what was in a bucket before Landfall was
    Backfill(Backfill),
    /// Show what happens to files, a line an event
    Follow(Follow),
    /// Show a sensor's readings, newest first; exit code 1 if there are none
    Readings(Readings),
    /// Let files go their way again: read them anew, or file them away, or only tell of them
    Replay(Replay),
    /// Take the readings of files out of the database; says how many
    Retract(Retract),
    /// List sensors with their first and latest readings, or show the gaps between one's readings
    Sensors(Sensors),
    /// Check that everything is where the journals say: events, readings, objects, mails
    Audit(Audit),
    /// Try every connection and right that the services need; says what is wrong and how to mend it
    Doctor(Doctor),
    /// Write a sensor file with made-up readings
    Sample(Sample),
    /// Print the effective configuration, without secrets
    Check,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// How long mails wait, like `10s` or `10m` [default: the configuration's, else 10s]
    #[arg(long, value_name = "PERIOD")]
    pub(crate) delay: Option<String>,
    /// Send a made-up sensor file and show its way
    #[arg(long)]
    pub(crate) sample: bool,
    /// Send this file and show its way
    #[arg(long, value_name = "FILE", conflicts_with = "sample")]
    pub(crate) send: Option<PathBuf>,
    /// Send it under this key [default: the watched prefix and the file's name]
    #[arg(long, requires = "send")]
    pub(crate) key: Option<String>,
    /// End when the file's mail has come; the file's record goes to standard output as JSON. In a
    /// new folder that is removed, unless --dir names one
    #[arg(long)]
    pub(crate) demo: bool,
    /// If the folder is in use, take the next that is free: DIR-2 and so on
    #[arg(long, conflicts_with = "demo")]
    pub(crate) beside: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// Files to upload
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Bucket [default: the first that is watched]
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// Key, for a single file [default: the watched prefix and the file's name]
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Wait for the last event about each file, or for an earlier one; exit code 1 unless all went
    /// well
    #[arg(
        long,
        value_enum,
        value_name = "EVENT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "end"
    )]
    pub(crate) wait: Option<Until>,
    /// Wait so long at most, like `30s` or `15m`; exit code 1 if that is too short
    #[arg(long, value_name = "PERIOD", value_parser = period, requires = "wait")]
    pub(crate) timeout: Option<Duration>,
}

/// How far files are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// Its readings are in the database, or it was refused
    Ingested,
    /// It was filed away
    Moved,
    /// Its mail has gone out, or it has ended before
    End,
}

#[derive(Debug, Args)]
pub(crate) struct Backfill {
    /// Where they lie; any bucket and prefix, also one that nobody watches
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub(crate) from: String,
    /// Only keys that match one of these globs; `*` does not cross `/`, `**` does
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// No keys that match one of these globs
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Only what was uploaded at this time or later (`2026-11-22`, `2026-11-22T15:00Z`), UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<Timestamp>,
    /// Only what was uploaded before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<Timestamp>,
    /// List the files, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask, also on a terminal
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// At most so many files a second, like `10/s`
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Who wants it [default: user@host]
    #[arg(long, value_name = "NAME", value_parser = said)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Follow {
    /// Print each event as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Begin with events so long ago (`15m`, `2h`), or at a time (`2026-11-22T15:00Z`)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub(crate) since: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct Readings {
    /// Sensor
    pub(crate) sensor: String,
    /// This metric only
    #[arg(long)]
    pub(crate) metric: Option<String>,
    #[command(flatten)]
    pub(crate) span: Span,
    /// Say which upload each is of: the file's id in full, bucket and key
    #[arg(long)]
    pub(crate) with_file: bool,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Which times, and how they are written.
#[derive(Debug, Args)]
pub(crate) struct Span {
    /// From this time on (`2026-11-22`, `2026-11-22T15:00`, `2026-11-22T15:00Z`)
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub(crate) from: Option<Moment>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub(crate) until: Option<Moment>,
    /// Time zone of what is printed, and of times that are given without an offset, by its IANA
    /// name (`Europe/Berlin`)
    #[arg(long, value_name = "ZONE", value_parser = Zone::parse, default_value = "UTC")]
    pub(crate) timezone: Zone,
}

#[derive(Debug, Args)]
pub(crate) struct Sensors {
    /// This sensor only; exit code 1 if it has no readings
    pub(crate) sensor: Option<String>,
    /// Sensors whose names begin so
    #[arg(long, conflicts_with = "sensor")]
    pub(crate) prefix: Option<String>,
    /// Show where the sensor has no readings for longer than so (`--gaps=90m`) [default: five times
    /// what usually lies between the newest ones]
    #[arg(
        long,
        value_name = "PERIOD",
        value_parser = period,
        num_args = 0..=1,
        require_equals = true,
        requires = "sensor"
    )]
    pub(crate) gaps: Option<Option<Duration>>,
    /// This metric only
    #[arg(long)]
    pub(crate) metric: Option<String>,
    #[command(flatten)]
    pub(crate) span: Span,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// CSV with a header
    Csv,
    /// A line of JSON each
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Ids of files, keys (their latest versions), or prefixes of keys, which end in `/` or `*`
    #[arg(value_name = "ID|KEY|PREFIX", required = true)]
    pub(crate) names: Vec<String>,
    /// From where on
    #[arg(long, value_enum, default_value_t = From::Ingest)]
    pub(crate) from: From,
    /// Read them with this profile of the configuration, and not as they were read before
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) ordering: Ordering,
}

/// From where on files go their way again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// Read, store, file away, tell
    Ingest,
    /// File away, tell
    Move,
    /// Tell
    Notify,
}

impl std::convert::From<From> for proto::event::Stage {
    fn from(from: From) -> Self {
        match from {
            From::Ingest => Self::Ingest,
            From::Move => Self::Move,
            From::Notify => Self::Notify,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Retract {
    /// Ids of files, keys (their latest versions), or prefixes of keys, which end in `/` or `*`
    #[arg(value_name = "ID|KEY|PREFIX", required = true)]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) ordering: Ordering,
}

/// How a person orders something about files.
#[derive(Debug, Args)]
pub(crate) struct Ordering {
    /// Bucket of the keys [default: all that are watched]
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask, also on a terminal
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// At most so many files a second, like `10/s`
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Why: it stands in the events and in the mail
    #[arg(long, value_name = "TEXT", value_parser = said)]
    pub(crate) why: Option<String>,
    /// Who orders it [default: user@host]
    #[arg(long, value_name = "NAME", value_parser = said)]
    pub(crate) by: Option<String>,
    /// Wait until each has come to its end; exit code 1 unless all went well
    #[arg(long)]
    pub(crate) wait: bool,
    /// Wait so long at most, like `30s` or `15m`; exit code 1 if that is too short
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Keys or ids of files [default: all files]
    #[arg(value_name = "KEY-OR-ID")]
    pub(crate) names: Vec<String>,
    /// Files whose key begins so
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// Files that were uploaded on this day, UTC
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) day: Option<jiff::civil::Date>,
    /// Nothing is under way: a file that has not ended is wrong
    #[arg(long)]
    pub(crate) settled: bool,
    /// Check the mails too: a folder of them as they came (`.eml`)
    #[arg(long, value_name = "DIR")]
    pub(crate) mails: Option<PathBuf>,
    /// Hold it against this list of every upload, a line of JSON each
    #[arg(long, value_name = "FILE")]
    pub(crate) uploads: Option<PathBuf>,
    /// Print the result as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Only what this user needs, with its rights on NATS [default: what everybody needs, as
    /// `nats.user`, else as the operator]
    #[arg(long = "as", value_enum, value_name = "USER")]
    pub(crate) user: Option<Who>,
    /// Print the rights that each user needs and nothing beyond, and check nothing
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        conflicts_with_all = ["json", "patience"]
    )]
    pub(crate) print_policy: Option<Policy>,
    /// How long the notification of an upload may take
    #[arg(long, value_name = "PERIOD", value_parser = period, default_value = "15s")]
    pub(crate) patience: Duration,
    /// Print each check as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Who {
    Watcher,
    Ingest,
    Mover,
    Notifier,
    Setup,
    Operator,
}

impl std::convert::From<Who> for proto::User {
    fn from(who: Who) -> Self {
        match who {
            Who::Watcher => Self::Watcher,
            Who::Ingest => Self::Ingest,
            Who::Mover => Self::Mover,
            Who::Notifier => Self::Notifier,
            Who::Setup => Self::Setup,
            Who::Operator => Self::Operator,
        }
    }
}

/// Which rights are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// All of them, one kind after the other
    All,
    /// Of the object store: IAM policies
    Iam,
    /// Of NATS: permissions, as its configuration has them
    Nats,
    /// Of the database: CQL grants
    Cql,
}

#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// The same seed makes the same file
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Rows
    #[arg(long, default_value_t = 100)]
    pub(crate) rows: u64,
    /// Which kind of file
    #[arg(long, value_enum, default_value_t = Shape::Plain)]
    pub(crate) shape: Shape,
    /// Time of the first row
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2026-01-01")]
    pub(crate) from: Timestamp,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// `sensor_id,timestamp,value`, several sensors
    Plain,
    /// A fine-dust sensor's day: `;`, twelve columns, two values a row
    Wide,
    /// `timestamp,value`: the sensor is the file's name
    Single,
}

/// A day, a time, or a time with an offset; UTC unless it says otherwise.
fn time(text: &str) -> Result<Timestamp, String> {
    Moment::parse(text)?.in_zone(&Zone::UTC)
}

fn period(text: &str) -> Result<Duration, String> {
    let period = text.parse::<jiff::SignedDuration>().ok();
    period
        .and_then(|period| Duration::try_from(period).ok())
        .ok_or_else(|| "expected a period like 30s or 15m".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate = number.parse::<f64>().ok();
    rate.filter(|rate| (0.001..=1e6).contains(rate))
        .ok_or_else(|| "expected files a second, like 10/s or 0.5/s".to_owned())
}

/// What a person says of an order: it goes into events, logs and mails.
fn said(text: &str) -> Result<String, String> {
    const LONGEST: usize = 500;
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        text if text.chars().any(char::is_control) => Err("give it on one line".to_owned()),
        text if text.chars().count() > LONGEST => {
            Err(format!("it has more than {LONGEST} characters"))
        }
        text => Ok(text.to_owned()),
    }
}

fn since(text: &str) -> Result<Timestamp, String> {
    match text.parse::<jiff::SignedDuration>() {
        Ok(ago) => Timestamp::now()
            .checked_sub(ago.abs())
            .map_err(|error| error.to_string()),
        Err(_) => time(text).map_err(|wrong| format!("{wrong}, or a period like 15m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }
}
