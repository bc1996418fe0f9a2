//! The database of readings and journals, or one of its two nodes, is killed while rows of many files
//! are written, and comes back.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::{User, What};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::CqlTimestamp;
use servers::Cassandra;
use servers::cassandra::Options;
use tests::{Installation, Kind, PATIENCE, Upload, run, until};

/// Rows of the large file, which is read in parts, and of each small one.
const LARGE: u32 = 160_000;
const SMALL: u32 = 1_000;
/// Small files, which all have room in the memory beside the large one.
const SMALL_ONES: usize = 40;
/// Sensors of each file.
const SENSORS: u32 = 100;
const FIRST: i64 = 1_767_252_000;

/// One for each file.
const SLOTS: usize = 1 + SMALL_ONES;
/// How many of them are in work at least when the database is killed.
const MANY: f64 = 30.0;
/// `[ingest] memory` in MiB.
const MEMORY: u64 = 44;
/// MiB that ingest may take by its settings: the program, its slots, and `[ingest] memory`.
const BOUND: u64 = 64 + SLOTS as u64 + MEMORY;

#[test]
fn rows_that_are_being_written_while_the_database_is_killed_are_all_there_in_the_end() {
    run(async {
        let folder = tempfile::tempdir()?;
        let node = Cassandra::start(folder.path(), Options::default()).await?;
        goes_on_after_the_death_of_the_last(vec![node]).await
    });
}

/// Of everything there are two replicas, and both have to acknowledge.
#[test]
#[ignore = "starts two nodes; `make soak` runs it"]
fn rows_that_are_being_written_while_one_of_two_nodes_is_killed_are_all_there_in_the_end() {
    run(async {
        let folder = tempfile::tempdir()?;
        let options = Options::default();
        let first = Cassandra::start(&folder.path().join("1"), options.clone()).await?;
        let second = first.join(&folder.path().join("2"), options).await?;
        let session = connect(&first).await?;
        let known = until(PATIENCE, || async {
            let peers = session
                .query_unpaged("SELECT peer FROM system.peers_v2", ())
                .await;
            let peers = peers.ok()?.into_rows_result().ok()?;
            (peers.rows_num() == 1).then_some(())
        });
        known.await.context("the nodes do not know each other")?;
        goes_on_after_the_death_of_the_last(vec![first, second]).await
    });
}

async fn connect(node: &Cassandra) -> Result<Session> {
    Ok(SessionBuilder::new()
        .known_node(node.address())
        .build()
        .await?)
}

async fn goes_on_after_the_death_of_the_last(mut nodes: Vec<Cassandra>) -> Result<()> {
    let node = nodes[0].address();
    let replicas = nodes.len();
    let landfall = Installation::builder()
        .patience(Duration::from_secs(300))
        // Not that of all tests, which nobody may kill.
        .database(Kind::Sqlite)
        .config(format!(
            "[store]\nkind = \"cql\"\ncql.nodes = [\"{node}\"]\n\
             cql.replication = {{ datacenter1 = {replicas} }}\n\
             [service]\nslots = {SLOTS}\n\
             [ingest]\nmemory = {}\nin_memory = 40_000\nrefused_rows = {}\n",
            MEMORY << 20,
            1 << 20,
        ))
        .start()
        .await?;
    let session = connect(&nodes[0]).await?;
    let files = files();
    let mut uploads = vec![files[0].put(&landfall).await?];
    let some = landfall.until("the first rows", || async {
        let rows = rows(&session, " LIMIT 1").await.ok()?;
        (!rows.is_empty()).then_some(())
    });
    some.await?;
    // It stands still until all the small ones have arrived.
    signal(&landfall, Signal::SIGSTOP)?;
    for file in &files[1..] {
        uploads.push(file.put(&landfall).await?);
    }
    for upload in &uploads {
        landfall.said(upload, What::Arrived).await?;
    }
    signal(&landfall, Signal::SIGCONT)?;
    let many = landfall.until("many files in work", || async {
        let name = "landfall_messages_in_progress";
        let count = landfall.metric(User::Ingest, name, "FILES").await.ok()?;
        (count >= MANY).then_some(count)
    });
    let count = many.await?;
    let last = nodes.len() - 1;
    nodes[last].kill().await;
    println!("ingest had {count} files in work");
    ensure!(
        !landfall.way(&uploads[0]).contains(&What::Ingested),
        "it was over too soon"
    );
    let outage = landfall.until("ingest to notice", || async {
        let outage = landfall.metric(User::Ingest, "landfall_outage", "").await;
        (outage.ok()? >= 1.0).then_some(())
    });
    outage.await?;
    nodes[last].restart().await?;
    for (file, upload) in files.iter().zip(&uploads) {
        landfall.ended(upload).await?;
        let report = landfall.moved(upload).await?.report;
        let rows = u64::from(file.rows);
        ensure!(
            (report.read, report.stored) == (rows, rows),
            "{}: {report:?}",
            file.name
        );
    }
    let session = connect(&nodes[0]).await?;
    let expected: BTreeMap<_, _> = files.iter().flat_map(File::readings).collect();
    ensure!(rows(&session, "").await? == expected, "rows are wrong");
    let peak = landfall.peak(User::Ingest)?;
    println!("ingest had {peak} MiB at most (VmHWM), and may have {BOUND}");
    ensure!(peak <= BOUND, "ingest had {peak} MiB");
    landfall.finish().await
}

/// Sends ingest a signal.
fn signal(landfall: &Installation, signal: Signal) -> Result<()> {
    let processes = landfall.processes();
    let mut ingest = processes
        .iter()
        .filter(|(name, _)| name.starts_with("ingest"));
    let (_, pid) = ingest.next().context("it runs")?;
    Ok(kill(Pid::from_raw(i32::try_from(*pid)?), signal)?)
}

/// A file of so many rows; its sensors have its name.
struct File {
    name: String,
    rows: u32,
}

/// The large one, and the small ones.
fn files() -> Vec<File> {
    let file = |name, rows| File { name, rows };
    let large = file("large".to_owned(), LARGE);
    let small = (0..SMALL_ONES).map(|number| file(format!("small-{number}"), SMALL));
    [large].into_iter().chain(small).collect()
}

impl File {
    /// Sensor, milliseconds since 1970, and value: the sensors in turn.
    fn readings(&self) -> impl Iterator<Item = ((String, i64), f64)> {
        (0..self.rows).map(|row| {
            let time = (FIRST + i64::from(row / SENSORS)) * 1_000;
            let sensor = format!("{}-{}", self.name, row % SENSORS);
            ((sensor, time), f64::from(row))
        })
    }

    async fn put(&self, landfall: &Installation) -> Result<Upload> {
        let key = format!("incoming/{}.csv", self.name);
        landfall.put(&key, self.text()).await
    }

    fn text(&self) -> String {
        let mut text = String::from("sensor_id,timestamp,value\n");
        for ((sensor, time), value) in self.readings() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{sensor},{time},{value}");
        }
        text
    }
}

async fn rows(session: &Session, limit: &str) -> Result<BTreeMap<(String, i64), f64>> {
    let query = format!("SELECT sensor_id, ts, value FROM landfall.readings{limit}");
    let rows = session.query_iter(query, ()).await.context("readings")?;
    let rows = rows.rows_stream::<(String, CqlTimestamp, f64)>()?;
    let rows = rows.map_ok(|(sensor, time, value)| ((sensor, time.0), value));
    Ok(rows.try_collect().await?)
}
