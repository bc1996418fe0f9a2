//! What may be lost is said.

use std::io::Write;

use anyhow::ensure;
use proto::User;
use tests::{Installation, Kind, run};

const SERVICES: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// The tests' own Cassandra is such a node; `SQLite` waits for the disk. Another database may be
/// careful, or have several nodes.
#[test]
fn a_lone_node_that_acknowledges_before_it_writes_is_warned_of() {
    run(async {
        let careless = Kind::chosen()? == Kind::Cql;
        if careless && std::env::var_os("LANDFALL_TEST_CQL").is_some() {
            // Past the capture of what a test prints.
            writeln!(
                std::io::stderr(),
                "NOT TESTED: the warning of a lone node that may lose what it acknowledged. \
                 LANDFALL_TEST_CQL names another than the tests' own"
            )?;
            return Ok(());
        }
        let landfall = Installation::start().await?;
        for user in SERVICES {
            let warned = landfall.logged(user, &["WARN", "`commitlog_sync: batch`"])?;
            ensure!(warned == careless, "{user}: {warned}");
        }
        landfall.finish().await
    });
}
