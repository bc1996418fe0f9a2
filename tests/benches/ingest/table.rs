//! What came of it.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::cost::Cost;
use crate::input::Input;
use crate::plan::{Case, Loader};
use crate::quiet::QUIET;

/// Lines in the order in which they came first, with the cost of each run.
pub(crate) struct Table {
    lines: Vec<(Case, Vec<Cost>)>,
    /// How many cores had something else to do before a load, at most.
    busy: HashMap<Case, f64>,
}

/// The middle of several runs, of two the mean of both, with the lowest and the highest.
struct Spread {
    middle: f64,
    lowest: f64,
    highest: f64,
}

impl Spread {
    fn of(costs: &[Cost], figure: impl Fn(&Cost) -> f64) -> Self {
        let mut figures: Vec<f64> = costs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        Self {
            middle: f64::midpoint(figures[(figures.len() - 1) / 2], figures[figures.len() / 2]),
            lowest: figures[0],
            highest: figures[figures.len() - 1],
        }
    }
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            lines: vec![],
            busy: HashMap::new(),
        }
    }

    /// Of a load before which so many cores were busy.
    pub(crate) fn add(&mut self, case: Case, cost: Cost, busy: f64) {
        let most = self.busy.entry(case).or_default();
        *most = most.max(busy);
        match self.lines.iter_mut().find(|(of, _)| *of == case) {
            Some((_, costs)) => costs.push(cost),
            None => self.lines.push((case, vec![cost])),
        }
    }

    pub(crate) fn print(&self) {
        println!(
            "\n{:<24} {:>9} {:>8} {:>5} {:>9} {:>21} {:>12} {:>9} {:>11} {:>11}",
            "loader",
            "rows",
            "sensors",
            "files",
            "rows/s",
            "(lowest to highest)",
            "CPU s per M",
            "peak MiB",
            "DB s per M",
            "busy before"
        );
        for (case, costs) in &self.lines {
            let Case { loader, input, .. } = case;
            let speed = Spread::of(costs, |cost| speed(input.rows, cost));
            let cpu = Spread::of(costs, |cost| per_million(input.rows, cost.cpu));
            let database = costs.iter().all(|cost| cost.database.is_some()).then(|| {
                let of = |cost: &Cost| cost.database.unwrap_or_default();
                let spread = Spread::of(costs, |cost| per_million(input.rows, of(cost)));
                format!("{:.2}", spread.middle)
            });
            println!(
                "{:<24} {:>9} {:>8} {:>5} {:>9.0} {:>10.0} {:>10.0} {:>12.2} {:>9.1} {:>11} {:>11.1}",
                loader.name(),
                input.rows,
                input.sensors,
                input.files,
                speed.middle,
                speed.lowest,
                speed.highest,
                cpu.middle,
                peak(costs),
                database.unwrap_or_default(),
                self.busy[case],
            );
        }
        let noisy = self.busy.values().filter(|busy| **busy > QUIET).count();
        if noisy > 0 {
            println!("\nNOT QUIET: the machine had something else to do before {noisy} of these");
        }
        println!();
        self.compare();
    }

    /// Against the goals.
    fn compare(&self) {
        for files in [1, 200] {
            let speed = |loader: Loader| self.speed(loader, files);
            let Some(landfall) = speed(Loader::Landfall) else {
                continue;
            };
            let ratios = [
                (Loader::Bare, "at least 0.77"),
                (Loader::Dsbulk, "at least 10"),
                (Loader::Cqlsh, "at least 10"),
            ];
            for (loader, goal) in ratios {
                if let Some(other) = speed(loader) {
                    println!(
                        "{} times the speed of {} from {files} files ({goal})",
                        in_three(landfall / other),
                        loader.name(),
                    );
                }
            }
        }
        if let (Some(own), Some(bare)) =
            (self.speed(Loader::Parse, 1), self.speed(Loader::Records, 1))
        {
            println!(
                "parses at {} times the speed of csv::ByteRecord (at least 0.5)",
                in_three(own / bare)
            );
        }
        for (case, costs) in &self.lines {
            let Case { loader, input, .. } = case;
            if *loader != Loader::Landfall {
                continue;
            }
            let cpu = Spread::of(costs, |cost| per_million(input.rows, cost.cpu)).middle;
            let goal = if input.sensors == 1_000 { "1.5" } else { "no" };
            println!(
                "{} s of CPU per million rows (goal {goal}), {} MiB (goal 64): {input}",
                in_three(cpu),
                in_three(peak(costs)),
            );
        }
    }

    /// From the smallest input of 1,000 sensors in so many files.
    fn speed(&self, loader: Loader, files: u64) -> Option<f64> {
        let of = |(case, _): &&(Case, Vec<Cost>)| {
            let Input {
                files: its,
                sensors,
                ..
            } = case.input;
            case.loader == loader && (its, sensors) == (files, 1_000)
        };
        let (case, costs) = self.lines.iter().find(of)?;
        Some(Spread::of(costs, |cost| speed(case.input.rows, cost)).middle)
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let lines = self.lines.iter().map(|(case, costs)| {
            let rows = case.input.rows;
            let speed = Spread::of(costs, |cost| speed(rows, cost));
            let cpu = Spread::of(costs, |cost| per_million(rows, cost.cpu));
            let database = costs.iter().map(|cost| cost.database);
            let database = database.collect::<Option<Vec<_>>>().map(|_| {
                let of = |cost: &Cost| cost.database.unwrap_or_default();
                Spread::of(costs, |cost| per_million(rows, of(cost))).middle
            });
            json!({
                "loader": case.loader.name(),
                "input": case.input.to_string(),
                "rows_per_s": speed.middle.round(),
                "rows_per_s_lowest": speed.lowest.round(),
                "rows_per_s_highest": speed.highest.round(),
                "loader_cpu_s_per_million": hundredths(cpu.middle),
                "loader_peak_mib": hundredths(peak(costs)),
                "db_cpu_s_per_million": database.map(hundredths),
                "runs": costs.len(),
                "busy_cores_before": hundredths(self.busy[case]),
            })
        });
        let lines: Vec<_> = lines.collect();
        let folder = file.parent().context("it is in a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(file, serde_json::to_string_pretty(&lines)? + "\n")?;
        println!("the same is in {}", file.display());
        Ok(())
    }
}

/// One run, as it ends.
pub(crate) fn line(name: &str, rows: u64, cost: &Cost) -> String {
    let database = cost.database.map(|cpu| per_million(rows, cpu));
    let database = database.map_or(String::new(), |cpu| format!(", database {cpu:.2}"));
    format!(
        "{name}: {:.0} rows/s in {:.2} s, {:.2} CPU s per million{database}, {:.1} MiB",
        speed(rows, cost),
        cost.seconds,
        per_million(rows, cost.cpu),
        mib(cost.peak),
    )
}

fn speed(rows: u64, cost: &Cost) -> f64 {
    float(rows) / cost.seconds
}

fn per_million(rows: u64, seconds: f64) -> f64 {
    seconds * 1e6 / float(rows)
}

/// The most of all runs.
fn peak(costs: &[Cost]) -> f64 {
    mib(costs.iter().map(|cost| cost.peak).max().unwrap_or_default())
}

fn mib(kib: u64) -> f64 {
    float(kib) / 1_024.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// To three digits.
fn in_three(number: f64) -> String {
    match number {
        number if number >= 100.0 => format!("{number:.0}"),
        number if number >= 10.0 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}
