//! Much is read back: it is printed while it is read, over many pages and buckets, in little memory.

use std::fmt::Write;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use proto::User;
use tests::{Installation, Usage, run};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Readings of the sensor that has many, twenty seconds apart: of 29 days, which are as many buckets.
const MANY: usize = 120_000;
/// Of the one that has few.
const FEW: usize = 3_000;
/// Sensors: more names than are asked for at once.
const SENSORS: usize = 12_000;
/// Lines that are left when memory is looked at: more than there is room for between two
/// processes, so that the command has not ended.
const LAST: usize = 2_000;
/// KiB that many lines may take more than few.
const BOUND: u64 = 8 * 1_024;

#[test]
fn readings_and_sensors_are_printed_while_they_are_read_in_little_memory() {
    run(async {
        let landfall = Installation::start().await?;
        let noon: Timestamp = "2026-10-01T12:00:00Z".parse()?;
        let mut text = String::from("sensor_id,timestamp,value\n");
        let mut put = |sensor: &str, time: Timestamp| writeln!(text, "{sensor},{time},1");
        for number in 0..i64::try_from(MANY)? {
            put("many", noon + SignedDuration::from_secs(20 * number))?;
        }
        for number in 0..i64::try_from(FEW)? {
            put("few", noon + SignedDuration::from_secs(20 * number))?;
        }
        for number in 0..SENSORS {
            put(&format!("sensor-{number:05}"), noon)?;
        }
        stored(&landfall, "all", text).await?;

        let few = ["readings", "few", "--format", "json"];
        let few = print(&landfall, &few, FEW, async || Ok(())).await?;
        let many = ["readings", "many", "--format", "json"];
        // Between the last two lines, where nobody finds it who has read them already.
        let between = noon + SignedDuration::from_secs(10);
        let late = async || stored(&landfall, "late", line("many", between)).await;
        let peak = print(&landfall, &many, MANY + 1, late).await?;
        within_bound("readings", peak, few)?;

        let sensors = ["sensors", "--prefix", "sensor-", "--format", "json"];
        let late = async || stored(&landfall, "z", line("sensor-z", noon)).await;
        let peak = print(&landfall, &sensors, SENSORS + 1, late).await?;
        within_bound("sensors", peak, few)?;
        landfall.finish().await
    });
}

fn line(sensor: &str, time: Timestamp) -> String {
    format!("sensor_id,timestamp,value\n{sensor},{time},1\n")
}

async fn stored(landfall: &Installation, name: &str, text: String) -> Result<()> {
    let key = format!("incoming/{name}.csv");
    let upload = landfall.put(&key, text).await?;
    landfall.ended(&upload).await?;
    Ok(())
}

fn within_bound(what: &str, peak: u64, few: u64) -> Result<()> {
    println!("{what}: {peak} KiB at most (VmHWM), and {few} for few lines");
    ensure!(peak <= few + BOUND, "{what}: {peak} KiB, and {few} for few");
    Ok(())
}

/// Reads a line that the command prints, does what comes in between, which is the command's to find
/// where it has not read on, and reads the rest: so many lines in all. Answers the KiB of memory that
/// it took.
async fn print(
    landfall: &Installation,
    arguments: &[&str],
    count: usize,
    between: impl AsyncFnOnce() -> Result<()>,
) -> Result<u64> {
    let command = landfall.command(User::Operator, arguments);
    let mut command = tokio::process::Command::from(command);
    command.stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().context("it has one")?;
    let mut lines = BufReader::new(stdout).lines();
    lines.next_line().await?.context("it prints nothing")?;
    between().await?;
    let (mut read, mut peak) = (1, 0);
    while lines.next_line().await?.is_some() {
        read += 1;
        if read == count - LAST {
            peak = Usage::of(child.id().context("it runs")?)?.most;
        }
    }
    let status = child.wait().await?;
    ensure!(status.success(), "{arguments:?}: {status}");
    ensure!(read == count, "{arguments:?}: {read} lines, not {count}");
    Ok(peak)
}
