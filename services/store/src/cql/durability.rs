//! Whether what the database acknowledges outlives a power failure.

use super::cluster::Cluster;
use crate::Result;

/// Where the setting can be read: `ScyllaDB`'s table, and Cassandra's.
const SETTINGS: [&str; 2] = ["system.config", "system_views.settings"];

/// Warns where a lone node acknowledges what it has not written to disk yet, or does not let us
/// see whether it does. Several nodes are left to judge for themselves.
pub(super) async fn warn(cluster: &Cluster) {
    if cluster.nodes() != 1 {
        return;
    }
    let mut unseen = None;
    for table in SETTINGS {
        match commitlog_sync(cluster, table).await {
            Ok(values) => {
                if values.iter().any(|(value,)| value.contains("periodic")) {
                    tracing::warn!(
                        store = cluster.name(),
                        "the database is one node that acknowledges before it has written to disk \
                         (`commitlog_sync: periodic`), so that a failure of power or of the \
                         process may lose readings: set `commitlog_sync: batch`, or have 3 replicas"
                    );
                }
                return;
            }
            Err(error) => unseen = Some(error),
        }
    }
    if let Some(error) = unseen {
        tracing::warn!(
            store = cluster.name(),
            %error,
            "whether this one node writes to disk before it acknowledges cannot be seen: let it \
             have `commitlog_sync: batch`, or have 3 replicas"
        );
    }
}

async fn commitlog_sync(cluster: &Cluster, table: &str) -> Result<Vec<(String,)>> {
    let query = format!("SELECT value FROM {table} WHERE name = 'commitlog_sync'");
    let select = cluster.prepare(&query).await?;
    cluster.rows(&select, ()).await
}
