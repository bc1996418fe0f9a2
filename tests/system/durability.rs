//! What may be lost is said.

use anyhow::ensure;
use proto::User;
use tests::{Installation, Kind, run};

const SERVICES: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// The tests' own Cassandra is such a node; `SQLite` waits for the disk.
#[test]
fn a_lone_node_that_acknowledges_before_it_writes_is_warned_of() {
    run(async {
        let landfall = Installation::start().await?;
        let careless = Kind::chosen()? == Kind::Cql;
        for user in SERVICES {
            let warned = landfall.logged(user, &["WARN", "`commitlog_sync: batch`"])?;
            ensure!(warned == careless, "{user}: {warned}");
        }
        landfall.finish().await
    });
}
