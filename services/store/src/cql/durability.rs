//! Whether what the database acknowledges outlives a power failure.

use super::cluster::Cluster;

/// Where the setting can be read: `ScyllaDB`'s table, and Cassandra's.
const SETTINGS: [&str; 2] = ["system.config", "system_views.settings"];

/// Warns where a lone node acknowledges what it has not written to disk yet. Several nodes are left
/// to judge for themselves; so is one that does not say.
pub(super) async fn warn(cluster: &Cluster) {
    if cluster.nodes() != 1 {
        return;
    }
    for table in SETTINGS {
        let query = format!("SELECT value FROM {table} WHERE name = 'commitlog_sync'");
        let Ok(select) = cluster.prepare(&query).await else {
            continue;
        };
        let Ok(rows) = cluster.rows::<(String,)>(&select, ()).await else {
            continue;
        };
        if rows.iter().any(|(value,)| value.contains("periodic")) {
            tracing::warn!(
                store = cluster.name(),
                "the database is one node that acknowledges before it has written to disk \
                 (`commitlog_sync: periodic`), so that a failure of power or of the process may \
                 lose readings: set `commitlog_sync: batch`, or have 3 replicas"
            );
        }
        return;
    }
}
