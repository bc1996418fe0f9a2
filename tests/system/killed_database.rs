//! The database of readings and journals is killed while rows are written, and comes back.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use proto::{User, What};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::CqlTimestamp;
use servers::Cassandra;
use servers::cassandra::Options;
use tests::{Installation, Kind, run};

const ROWS: u32 = 200_000;
const SENSORS: u32 = 100;
const FIRST: i64 = 1_767_252_000;

/// MiB that ingest may take by its settings: the program, its slots, and `[ingest] memory`.
const BOUND: u64 = 64 + 4 + 32;

#[test]
fn rows_that_are_being_written_while_the_database_is_killed_are_all_there_in_the_end() {
    run(async {
        let folder = tempfile::tempdir()?;
        let mut cassandra = Cassandra::start(folder.path(), Options::default()).await?;
        let node = cassandra.address();
        let landfall = Installation::builder()
            .patience(Duration::from_secs(300))
            // Not that of all tests, which nobody may kill.
            .database(Kind::Sqlite)
            .config(format!(
                "[store]\nkind = \"cql\"\ncql.nodes = [\"{node}\"]\n\
                 [service]\nslots = 4\n\
                 [ingest]\nmemory = {}\nin_memory = 50_000\nrefused_rows = {}\n",
                32 << 20,
                1 << 20,
            ))
            .start()
            .await?;
        let session = SessionBuilder::new().known_node(&node).build().await?;
        let upload = landfall.put("incoming/killed.csv", table()).await?;
        let some = landfall.until("the first rows", || async {
            let rows = rows(&session, " LIMIT 1").await.ok()?;
            (!rows.is_empty()).then_some(())
        });
        some.await?;
        cassandra.kill().await;
        ensure!(
            !landfall.way(&upload).contains(&What::Ingested),
            "it was over too soon"
        );
        let outage = landfall.until("ingest to notice", || async {
            let outage = landfall.metric(User::Ingest, "landfall_outage", "").await;
            (outage.ok()? >= 1.0).then_some(())
        });
        outage.await?;
        cassandra.restart().await?;
        landfall.ended(&upload).await?;

        let report = landfall.moved(&upload).await?.report;
        let rows_of_all = u64::from(ROWS);
        ensure!(
            (report.read, report.stored) == (rows_of_all, rows_of_all),
            "{report:?}"
        );
        let session = SessionBuilder::new().known_node(&node).build().await?;
        let expected: BTreeMap<_, _> = readings().collect();
        ensure!(rows(&session, "").await? == expected, "rows are wrong");
        let peak = landfall.peak(User::Ingest)?;
        println!("ingest had {peak} MiB at most (VmHWM), and may have {BOUND}");
        ensure!(peak <= BOUND, "ingest had {peak} MiB");
        landfall.finish().await
    });
}

/// Sensor, milliseconds since 1970, and value: the sensors in turn.
fn readings() -> impl Iterator<Item = ((String, i64), f64)> {
    (0..ROWS).map(|row| {
        let time = (FIRST + i64::from(row / SENSORS)) * 1_000;
        let sensor = format!("killed-{}", row % SENSORS);
        ((sensor, time), f64::from(row))
    })
}

fn table() -> String {
    let mut text = String::from("sensor_id,timestamp,value\n");
    for ((sensor, time), value) in readings() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{sensor},{time},{value}");
    }
    text
}

async fn rows(session: &Session, limit: &str) -> Result<BTreeMap<(String, i64), f64>> {
    let query = format!("SELECT sensor_id, ts, value FROM landfall.readings{limit}");
    let rows = session.query_iter(query, ()).await.context("readings")?;
    let rows = rows.rows_stream::<(String, CqlTimestamp, f64)>()?;
    let rows = rows.map_ok(|(sensor, time, value)| ((sensor, time.0), value));
    Ok(rows.try_collect().await?)
}
