//! A table: how it is made, and how what is there differs from it.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::cluster::Cluster;
use crate::Result;

/// How replicas are placed: so many in each data center.
pub(super) const BY_DATA_CENTER: &str = "NetworkTopologyStrategy";

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Partition,
    Ascending,
    Descending,
    Value,
}

/// Name, type and role.
pub(super) type Column = (&'static str, &'static str, Role);

/// A table as it should be.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) keyspace: String,
    /// What was stated of the keyspace: replicas in each data center. Nothing: it has what it has.
    pub(super) replication: BTreeMap<String, u32>,
    pub(super) name: String,
    pub(super) columns: &'static [Column],
    /// Says what must agree beside the columns: version and settings. So one statement decides
    /// it, whoever else makes the table at the same time.
    pub(super) comment: String,
    /// Seconds; 0 for ever.
    pub(super) ttl: u32,
    /// Seconds after which deletions may be forgotten; the server's default where it is none.
    pub(super) grace: Option<u32>,
    pub(super) compaction: Vec<(&'static str, String)>,
}

impl Table {
    /// Makes it unless a table of that name is there.
    pub(super) fn create(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, kind, _)| format!("{name} {kind}"))
            .collect();
        let partition = self.names(|role| role == Role::Partition);
        let clustering = self.names(|role| matches!(role, Role::Ascending | Role::Descending));
        let mut options = vec![format!("comment = '{}'", self.comment)];
        if !clustering.is_empty() {
            let order: Vec<String> = self.columns.iter().filter_map(order_by).collect();
            options.push(format!("CLUSTERING ORDER BY ({})", order.join(", ")));
        }
        options.extend([
            format!("default_time_to_live = {}", self.ttl),
            format!("compaction = {}", self.compaction_map()),
        ]);
        options.extend(
            self.grace
                .map(|seconds| format!("gc_grace_seconds = {seconds}")),
        );
        let key: Vec<String> = [format!("({})", partition.join(", "))]
            .into_iter()
            .chain(clustering.into_iter().map(str::to_owned))
            .collect();
        format!(
            "CREATE TABLE IF NOT EXISTS {}.{} ({}, PRIMARY KEY ({})) WITH {}",
            self.keyspace,
            self.name,
            columns.join(", "),
            key.join(", "),
            options.join(" AND ")
        )
    }

    /// What differs from it, in words; none if nothing does.
    pub(super) async fn difference(&self, cluster: &Cluster) -> Result<Option<String>> {
        let table = format!("table {}.{}", self.keyspace, self.name);
        let found = self.found(cluster).await?;
        let Some(found) = found else {
            return Ok(Some(format!("{table} is not there; run `landfall setup`")));
        };
        if found.comment != self.comment {
            return Ok(Some(format!(
                "{table} is described as `{}`, and `{}` is wanted; run the Landfall and the \
                 settings that it was made with, or set [store] to another keyspace",
                found.comment, self.comment
            )));
        }
        if let Some(difference) = self.columns_differ(&found.columns) {
            return Ok(Some(format!(
                "{table} {difference}; set [store] to another keyspace, or drop this one, with all \
                 that is in it"
            )));
        }
        if found.ttl != self.ttl {
            return Ok(Some(format!(
                "{table} has default_time_to_live = {}, and [store] wants {}; set it, or `ALTER \
                 TABLE {}.{} WITH default_time_to_live = {}`",
                found.ttl, self.ttl, self.keyspace, self.name, self.ttl
            )));
        }
        let same = |(key, wanted): &(&str, String)| {
            let found = found.compaction.get(*key).map_or("", String::as_str);
            // Cassandra says a class with its package.
            found.rsplit('.').next() == Some(wanted)
        };
        if !self.compaction.iter().all(same) {
            return Ok(Some(format!(
                "{table} has compaction = {:?}, and [store] wants {}; set it, or `ALTER TABLE \
                 {}.{} WITH compaction = {}`",
                found.compaction,
                self.compaction_map(),
                self.keyspace,
                self.name,
                self.compaction_map()
            )));
        }
        Ok(None)
    }

    fn columns_differ(&self, found: &BTreeMap<String, (String, Role)>) -> Option<String> {
        for (name, kind, role) in self.columns {
            let Some((found_kind, found_role)) = found.get(*name) else {
                return Some(format!("has no column `{name}`"));
            };
            if (found_kind.as_str(), *found_role) != (*kind, *role) {
                return Some(format!(
                    "has `{name} {found_kind}` ({found_role:?}), and `{name} {kind}` ({role:?}) \
                     is wanted"
                ));
            }
        }
        None
    }

    /// How the replication of its keyspace differs from what was stated, in words; none if it does
    /// not.
    pub(super) async fn replication_differs(&self, cluster: &Cluster) -> Result<Option<String>> {
        let select = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?";
        let select = cluster.prepare(select).await?;
        let found = cluster
            .rows::<(BTreeMap<String, String>,)>(&select, (&self.keyspace,))
            .await?;
        let found = found.into_iter().next();
        Ok(found.and_then(|(found,)| self.differs_from_replication(found)))
    }

    /// Data centers that nobody stated may have what they have.
    fn differs_from_replication(&self, mut found: BTreeMap<String, String>) -> Option<String> {
        if self.replication.is_empty() {
            return None;
        }
        if let Some(class) = found.get_mut("class") {
            // Cassandra says it with its package.
            *class = class.rsplit('.').next().unwrap_or_default().to_owned();
        }
        let class = ("class".to_owned(), BY_DATA_CENTER.to_owned());
        let mut wanted = BTreeMap::from([class]);
        if found.get("class") == wanted.get("class") {
            wanted.clone_from(&found);
        }
        let stated = self.replication.iter();
        wanted.extend(stated.map(|(name, replicas)| (name.clone(), replicas.to_string())));
        if found == wanted {
            return None;
        }
        let keyspace = &self.keyspace;
        let (found, wanted) = (map(&found), map(&wanted));
        Some(format!(
            "keyspace {keyspace} has replication = {found}, and [store] wants {wanted}; set it, or \
             `ALTER KEYSPACE {keyspace} WITH replication = {wanted}` and then repair the keyspace \
             on every node"
        ))
    }

    async fn found(&self, cluster: &Cluster) -> Result<Option<Found>> {
        let table = (&self.keyspace, &self.name);
        let select = cluster
            .prepare(
                "SELECT comment, default_time_to_live, compaction FROM system_schema.tables
                 WHERE keyspace_name = ? AND table_name = ?",
            )
            .await?;
        let tables = cluster
            .rows::<(String, i32, BTreeMap<String, String>)>(&select, table)
            .await?;
        let Some((comment, ttl, compaction)) = tables.into_iter().next() else {
            return Ok(None);
        };
        let select = cluster
            .prepare(
                "SELECT column_name, type, kind, clustering_order FROM system_schema.columns
                 WHERE keyspace_name = ? AND table_name = ?",
            )
            .await?;
        let columns = cluster
            .rows::<(String, String, String, String)>(&select, table)
            .await?;
        let column = |(name, kind, role, order): (String, String, String, String)| {
            let role = match (role.as_str(), order.as_str()) {
                ("partition_key", _) => Role::Partition,
                ("clustering", "desc") => Role::Descending,
                ("clustering", _) => Role::Ascending,
                _ => Role::Value,
            };
            (name, (kind, role))
        };
        Ok(Some(Found {
            comment,
            ttl: u32::try_from(ttl).unwrap_or_default(),
            compaction,
            columns: columns.into_iter().map(column).collect(),
        }))
    }

    fn names(&self, wanted: impl Fn(Role) -> bool) -> Vec<&'static str> {
        let columns = self.columns.iter();
        columns
            .filter(|(.., role)| wanted(*role))
            .map(|(name, ..)| *name)
            .collect()
    }

    fn compaction_map(&self) -> String {
        map(self.compaction.iter().map(|(key, value)| (*key, value)))
    }
}

/// A map as CQL has it.
fn map<K: Display, V: Display>(entries: impl IntoIterator<Item = (K, V)>) -> String {
    let entries = entries.into_iter();
    let entries = entries.map(|(key, value)| format!("'{key}': '{value}'"));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
}

fn order_by((name, _, role): &Column) -> Option<String> {
    match role {
        Role::Ascending => Some(format!("{name} ASC")),
        Role::Descending => Some(format!("{name} DESC")),
        Role::Partition | Role::Value => None,
    }
}

/// A table as it is.
struct Found {
    comment: String,
    ttl: u32,
    compaction: BTreeMap<String, String>,
    columns: BTreeMap<String, (String, Role)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    type Map<'a> = [(&'a str, &'a str)];

    /// What is said of a keyspace where so many replicas were stated.
    fn said(stated: &[(&str, u32)], found: &Map) -> Option<String> {
        let stated = stated.iter();
        let stated = stated.map(|(name, replicas)| ((*name).to_owned(), *replicas));
        let table = Table {
            keyspace: "k".to_owned(),
            replication: stated.collect(),
            name: String::new(),
            columns: &[],
            comment: String::new(),
            ttl: 0,
            grace: None,
            compaction: vec![],
        };
        let found = found.iter();
        let found = found.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        table.differs_from_replication(found.collect())
    }

    #[test]
    fn replication_differs_from_what_was_stated_alone_and_what_mends_it_leaves_the_rest() {
        let package = "org.apache.cassandra.locator.NetworkTopologyStrategy";
        let one = [("class", package), ("east", "3")];
        let two = [("class", package), ("east", "3"), ("west", "2")];
        let simple = [("class", "SimpleStrategy"), ("replication_factor", "3")];
        for found in [&one[..], &two, &simple] {
            assert_eq!(said(&[], found), None);
        }
        assert_eq!(said(&[("east", 3)], &one), None);
        assert_eq!(said(&[("east", 3)], &two), None);

        let mends = |stated: &[(&str, u32)], found: &Map, expected: &str| {
            let said = said(stated, found).unwrap();
            let statement = format!(
                "`ALTER KEYSPACE k WITH replication = {{'class': 'NetworkTopologyStrategy', \
                 {expected}}}`"
            );
            assert!(said.contains(&statement), "{said}");
        };
        mends(&[("east", 1)], &two, "'east': '1', 'west': '2'");
        mends(
            &[("east", 3), ("west", 3)],
            &one,
            "'east': '3', 'west': '3'",
        );
        mends(&[("east", 3)], &simple, "'east': '3'");
    }
}
