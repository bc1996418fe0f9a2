//! What `[store.cql]` says comes into the database by `landfall setup`, and what differs is said.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use proto::User;
use scylla::value::CqlTimestamp;
use tests::{Installation, Keyspaces, Kind, run, sample};

/// 30 days, and six hours.
const TTL: i32 = 2_592_000;
const BUCKET: i64 = 21_600_000;
/// Within which a reading is looked at after it was written.
const LATE: i32 = 600;

#[test]
#[ignore = "wants CQL; `make test-cql` runs it"]
fn what_is_configured_is_in_the_database_and_what_differs_is_said_in_one_line() {
    run(async {
        let datacenter = tests::datacenter().await?;
        let landfall = Installation::builder()
            .database(Kind::Cql)
            .config(format!(
                "[store.cql]\nttl = \"30d\"\nwindow = \"2d\"\nbucket = \"6h\"\n\
                 replication = {{ \"{datacenter}\" = 1 }}\n"
            ))
            .start()
            .await?;
        let keyspaces = landfall.keyspaces()?;
        is_as_configured(keyspaces, &datacenter).await?;
        // Of sixteen hours and a half, from midnight on.
        let upload = landfall
            .put("incoming/hall.csv", sample::csv("hall", 1_000, 1.0))
            .await?;
        landfall.ended(&upload).await?;
        are_in_buckets_and_expire(keyspaces).await?;

        let setup = async || landfall.landfall(User::Setup, &["setup"]).await;
        for (setting, other, own, differs) in [
            ("window", "1d", "2d", "'compaction_window_size': '1440'"),
            ("ttl", "31d", "30d", "default_time_to_live = 2678400"),
            ("bucket", "1h", "6h", "bucket 3600 s"),
        ] {
            let path = format!("store.cql.{setting}");
            landfall.configure(User::Setup, &path, other)?;
            let refused = setup().await?;
            let said = String::from_utf8_lossy(&refused.stderr);
            ensure!(refused.status.code() == Some(1), "{setting}: {said}");
            ensure!(said.lines().count() == 1, "{setting}: {said}");
            ensure!(said.contains(differs), "{setting}: {said}");
            landfall.configure(User::Setup, &path, own)?;
        }
        let again = setup().await?;
        let said = String::from_utf8_lossy(&again.stderr);
        ensure!(said == "everything is set up already\n", "{said}");
        landfall.finish().await
    });
}

async fn is_as_configured(keyspaces: &Keyspaces, datacenter: &str) -> Result<()> {
    let session = &keyspaces.session;
    for keyspace in [keyspaces.readings(), keyspaces.journals()] {
        let query = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?";
        let found = session.query_unpaged(query, (&keyspace,)).await?;
        let found = found.into_rows_result()?;
        let (replication,) = found.single_row::<(BTreeMap<String, String>,)>()?;
        let replicas = replication.get(datacenter).map(String::as_str);
        ensure!(replicas == Some("1"), "{keyspace}: {replication:?}");
        let class = replication.get("class").context("it has a class")?;
        ensure!(
            class.ends_with("NetworkTopologyStrategy"),
            "{replication:?}"
        );
    }
    let query = "SELECT comment, default_time_to_live, compaction FROM system_schema.tables
                 WHERE keyspace_name = ? AND table_name = 'readings'";
    let found = session
        .query_unpaged(query, (keyspaces.readings(),))
        .await?;
    let found = found.into_rows_result()?;
    let (comment, ttl, compaction) =
        found.single_row::<(String, i32, BTreeMap<String, String>)>()?;
    ensure!(ttl == TTL, "{ttl}");
    ensure!(comment.ends_with("bucket 21600 s"), "{comment}");
    let option = |name: &str| compaction.get(name).map_or("", String::as_str);
    let by_window = option("class").ends_with("TimeWindowCompactionStrategy");
    ensure!(by_window, "{compaction:?}");
    let window = (
        option("compaction_window_size"),
        option("compaction_window_unit"),
    );
    ensure!(window == ("2880", "MINUTES"), "{compaction:?}");
    Ok(())
}

/// Each reading is in the bucket of its time, and has its time to live.
async fn are_in_buckets_and_expire(keyspaces: &Keyspaces) -> Result<()> {
    let query = format!(
        "SELECT bucket, ts, TTL(value), TTL(file) FROM {}.readings",
        keyspaces.readings()
    );
    let rows = keyspaces.session.query_iter(query, ()).await?;
    let rows = rows.rows_stream::<(CqlTimestamp, CqlTimestamp, Option<i32>, Option<i32>)>()?;
    let rows: Vec<_> = rows.try_collect().await?;
    let mut buckets = BTreeMap::<i64, usize>::new();
    for (bucket, time, of_value, of_file) in rows {
        ensure!(bucket.0 == time.0 - time.0.rem_euclid(BUCKET), "{time:?}");
        *buckets.entry(bucket.0).or_default() += 1;
        for ttl in [of_value, of_file] {
            let stays = ttl.with_context(|| format!("{time:?} stays for ever"))?;
            ensure!((TTL - LATE..=TTL).contains(&stays), "{time:?}: {stays} s");
        }
    }
    // A reading a minute.
    let counts: Vec<usize> = buckets.into_values().collect();
    ensure!(counts == [360, 360, 280], "{counts:?}");
    Ok(())
}
