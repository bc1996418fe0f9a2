//! How fast readings get into the database, and what that costs: Landfall's ingest beside a bare
//! loop over the same driver, DSBulk and cqlsh COPY; and beside its own on SQLite.
//!
//! `make bench-ingest` (ROWS, RUNS). Readings are of 1,000 sensors in turn, as they come from a
//! plant: the hardest order for a database whose partitions are sensors. All loaders take turns on
//! one Cassandra, on this machine, whose tables are emptied before each load, and which has
//! nothing else to do then; nor should the machine have, which is looked at before each load, and
//! said where it has. The loaders that are slow get a quarter of the rows, and of each what
//! it takes to start is taken off. The clocks: Landfall's runs from the publication of the first
//! `arrived` to the last `ingested`, with the files in SeaweedFS; the bare loop's while it parses
//! and writes what it has in memory. Every load is looked at in the database before it counts.
#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark speaks to the servers itself"
)]

mod bare;
mod cost;
mod database;
mod input;
mod landfall;
mod others;
mod parse;
mod plan;
mod quiet;
mod table;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use cost::Cost;
use database::{Database, READINGS};
use input::{Form, Input};
use landfall::Landfall;
use plan::{Case, Loader, Options};
use table::Table;

/// Loads until the database is fast, at most.
const WARMING: usize = 12;
/// It is where a load takes it this share of the CPU of the one before.
const STEADY: f64 = 0.95;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The loaders that are programs of this bench are this program, started again.
    if let [part, rest @ ..] = &arguments[..]
        && let Some(cost) = own(part, rest)
    {
        let json = cost.and_then(|cost| Ok(serde_json::to_string(&cost)?));
        return println!("{}", json.unwrap_or_else(|error| panic!("{error:#}")));
    }
    // `cargo test --all-targets` starts benchmarks too; this one takes its time.
    if arguments.iter().any(|argument| argument == "--bench") {
        tests::run(async {
            let options = Options::parse(&arguments)?;
            Box::pin(measure(&options)).await
        });
    }
}

/// The part of a loader that this program can play.
fn own(part: &str, arguments: &[String]) -> Option<Result<Cost>> {
    Some(match (part, arguments) {
        ("parse", files) => parse::pass(files),
        ("records", files) => parse::records(files),
        ("bare", [server, files @ ..]) => {
            let runtime = tokio::runtime::Runtime::new();
            runtime
                .map_err(Into::into)
                .and_then(|runtime| runtime.block_on(bare::load(server, READINGS, files)))
        }
        _ => return None,
    })
}

async fn measure(options: &Options) -> Result<()> {
    ensure!(
        others::are_installed(),
        "there is nothing to compare with; run `make bench-ingest`"
    );
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut bench = Bench::start(folder.path()).await?;
    let cases = options.cases();
    let starts = bench.warm_up(options, &cases).await?;
    let mut table = Table::new();
    for round in 0..options.runs {
        for case in cases.iter().filter(|case| round < case.runs) {
            let busy = quiet::wait().await?;
            if busy > quiet::QUIET {
                println!("  NOT QUIET: {busy:.1} cores are busy before this load");
            }
            let cost = bench.load(case).await.with_context(|| case.to_string())?;
            let start = starts.iter().find(|(loader, _)| *loader == case.loader);
            let cost = start.map_or(cost, |(_, start)| cost.without(*start));
            println!(
                "  {}",
                table::line(&case.to_string(), case.input.rows, &cost)
            );
            table.add(*case, cost, busy);
        }
    }
    bench.landfall.end();
    table.print();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    table.write(&file.join("ingest.json"))
}

/// What all loads need.
struct Bench<'a> {
    folder: &'a Path,
    database: Database,
    landfall: Landfall,
}

impl<'a> Bench<'a> {
    async fn start(folder: &'a Path) -> Result<Self> {
        let database = Database::start(&folder.join("cassandra")).await?;
        let landfall = Landfall::start(Some(&database.address())).await?;
        Ok(Self {
            folder,
            database,
            landfall,
        })
    }

    /// Gets the database fast, and each loader's files into the machine's memory. Answers what
    /// those loaders take to start that need long for it: a load of one row.
    async fn warm_up(&mut self, options: &Options, cases: &[Case]) -> Result<Vec<(Loader, Cost)>> {
        println!("warming up; {:.1} cores are busy", quiet::wait().await?);
        let row = Input {
            rows: 1,
            sensors: 1,
            files: 1,
        };
        let warming = |loader, input| Case {
            loader,
            input,
            runs: 1,
        };
        let mut before = f64::INFINITY;
        for _ in 0..WARMING {
            let load = warming(Loader::Bare, options.input(1));
            let cost = self.load(&load).await?.database.unwrap_or_default();
            if cost > before * STEADY {
                break;
            }
            before = cost;
        }
        let mut starts = vec![];
        for loader in [Loader::Dsbulk, Loader::Cqlsh] {
            if cases.iter().any(|case| case.loader == loader) {
                self.load(&warming(loader, row)).await?;
                starts.push((loader, self.load(&warming(loader, row)).await?));
            }
        }
        self.load(&warming(Loader::Landfall, options.input(1)))
            .await?;
        println!("measuring");
        Ok(starts)
    }

    /// Loads once.
    async fn load(&mut self, case: &Case) -> Result<Cost> {
        let Case { loader, input, .. } = case;
        let form = match loader {
            Loader::Bare | Loader::Dsbulk | Loader::Cqlsh => Form::Table,
            _ => Form::Readings,
        };
        let files = input.write(self.folder, form)?;
        if !loader.loads_into_cassandra() {
            return match loader {
                Loader::Parse => Cost::reported(this_program("parse", None, &files)?).await,
                Loader::Records => Cost::reported(this_program("records", None, &files)?).await,
                _ => {
                    let mut landfall = Landfall::start(None).await?;
                    let cost = Box::pin(landfall.load(*input, &files)).await;
                    landfall.end();
                    cost
                }
            };
        }
        let Self {
            database, landfall, ..
        } = self;
        database.clear().await?;
        let cost = match loader {
            Loader::Bare => {
                let command = this_program("bare", Some(database.address()), &files)?;
                database.counting(Cost::reported(command)).await?
            }
            Loader::Dsbulk => {
                let command = others::dsbulk(database, &files, self.folder);
                database.counting(Cost::watched(command)).await?
            }
            Loader::Cqlsh => {
                let command = others::cqlsh(database, &files)?;
                database.counting(Cost::watched(command)).await?
            }
            _ => {
                let load = Box::pin(landfall.load(*input, &files));
                database.counting(load).await?
            }
        };
        database.check(*input).await?;
        Ok(cost)
    }
}

fn this_program(
    part: &str,
    server: Option<String>,
    files: &[std::path::PathBuf],
) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(part).args(server).args(files);
    Ok(command)
}
