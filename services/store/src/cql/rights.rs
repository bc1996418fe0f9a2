//! Who may do what with the tables: what `deploy/scylla/rights.cql` grants and `landfall doctor`
//! tries.

use std::fmt;

use proto::User;

use super::cluster::{Access, Cluster};
use super::schema::Plan;
use super::tables::{Column, Role, Table};
use crate::Result;

/// The services that keep a journal.
const JOURNALS: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// What may be done with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Read it.
    Select,
    /// Write to it, and delete from it.
    Modify,
}

/// A right to a table, or to every table of a keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which right.
    pub right: Right,
    /// `KEYSPACE landfall`, or `landfall_journal.mover_outcomes`.
    pub on: String,
}

impl Grant {
    /// The statement that gives it to a role.
    pub fn statement(&self, role: &str) -> String {
        format!("GRANT {self} TO {role};")
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let right = match self.right {
            Right::Select => "SELECT",
            Right::Modify => "MODIFY",
        };
        write!(f, "{right} ON {}", self.on)
    }
}

/// Everything that a user needs to be granted.
pub fn grants(plan: &Plan, user: User) -> Vec<Grant> {
    let tables = wanted(plan, user).into_iter();
    tables.map(|(grant, _)| grant).collect()
}

/// Tries each right of a user, and answers which are missing, each with what the database says.
/// Nothing that is there is touched: what is read, and deleted as of 1970, is of a key that nobody
/// has.
pub async fn missing(access: &Access, plan: &Plan, user: User) -> Result<Vec<(Grant, String)>> {
    let cluster = Cluster::connect(access, &plan.journals).await?;
    let mut missing = vec![];
    for (grant, tables) in wanted(plan, user) {
        for table in tables {
            let tried = async {
                let statement = cluster.prepare(&harmless(grant.right, &table)).await?;
                cluster.execute(&statement, ()).await
            };
            if let Err(error) = tried.await {
                missing.push((grant.clone(), error.to_string()));
                break;
            }
        }
    }
    Ok(missing)
}

/// What a user needs, and the tables that it is about.
fn wanted(plan: &Plan, user: User) -> Vec<(Grant, Vec<Table>)> {
    let readings = |right| {
        let tables = plan.tables_of_readings().into_iter().collect();
        (on_keyspace(right, &plan.readings), tables)
    };
    let journal = |user: User| plan.tables_of_journal(user.name());
    let own = || -> Vec<(Grant, Vec<Table>)> {
        let both = [Right::Select, Right::Modify];
        let rights = both.into_iter().flat_map(|right| {
            let tables = journal(user).into_iter();
            tables.map(move |table| (on_table(right, &table), vec![table]))
        });
        rights.collect()
    };
    match user {
        User::Watcher | User::Mover | User::Notifier => own(),
        // It alone writes readings, and takes them out.
        User::Ingest => {
            let mut wanted = own();
            wanted.extend([Right::Select, Right::Modify].map(readings));
            wanted
        }
        // People look into everything, and change nothing.
        User::Operator => {
            let journals = JOURNALS.into_iter().flat_map(journal).collect();
            let select = on_keyspace(Right::Select, &plan.journals);
            vec![readings(Right::Select), (select, journals)]
        }
        // It makes them, and may do everything with what it has made.
        User::Setup | User::Storage => vec![],
    }
}

fn on_keyspace(right: Right, name: &str) -> Grant {
    let on = format!("KEYSPACE {name}");
    Grant { right, on }
}

fn on_table(right: Right, table: &Table) -> Grant {
    let on = format!("{}.{}", table.keyspace, table.name);
    Grant { right, on }
}

/// A statement for which the right is needed, about a key that nobody has.
fn harmless(right: Right, table: &Table) -> String {
    let name = format!("{}.{}", table.keyspace, table.name);
    match right {
        Right::Select => {
            let of = keyed(table.columns, |role| role == Role::Partition);
            format!("SELECT * FROM {name} WHERE {of}")
        }
        // Its write timestamp is before any that there can be.
        Right::Modify => {
            let of = keyed(table.columns, |role| role != Role::Value);
            format!("DELETE FROM {name} USING TIMESTAMP 1 WHERE {of}")
        }
    }
}

fn keyed(columns: &[Column], wanted: impl Fn(Role) -> bool) -> String {
    let columns = columns.iter().filter(|(.., role)| wanted(*role));
    let equal = columns.map(|(name, kind, _)| format!("{name} = {}", nobodys(kind)));
    equal.collect::<Vec<_>>().join(" AND ")
}

/// A value that no key of ours has.
fn nobodys(kind: &str) -> &'static str {
    match kind {
        "text" => "'.landfall-probe'",
        "uuid" => "00000000-0000-0000-0000-000000000000",
        _ => "-1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHTS: &str = include_str!("../../../../deploy/scylla/rights.cql");

    #[test]
    fn what_is_deployed_grants_what_is_needed_and_nothing_beyond() {
        let plan = Plan::default();
        let mut needed: Vec<String> = User::ALL
            .into_iter()
            .flat_map(|user| {
                let grants = grants(&plan, user).into_iter();
                grants.map(move |grant| grant.statement(&format!("landfall_{user}")))
            })
            .collect();
        let lines = RIGHTS.lines().filter(|line| line.starts_with("GRANT"));
        let mut granted: Vec<String> = lines.map(str::to_owned).collect();
        needed.sort();
        granted.sort();
        assert_eq!(granted, needed);
    }

    #[test]
    fn what_is_tried_names_the_whole_key() {
        let [readings, ..] = Plan::default().tables_of_readings();
        assert_eq!(
            harmless(Right::Select, &readings),
            "SELECT * FROM landfall.readings WHERE sensor_id = '.landfall-probe' AND metric = \
             '.landfall-probe' AND bucket = -1"
        );
        assert_eq!(
            harmless(Right::Modify, &readings),
            "DELETE FROM landfall.readings USING TIMESTAMP 1 WHERE sensor_id = '.landfall-probe' \
             AND metric = '.landfall-probe' AND bucket = -1 AND ts = -1"
        );
    }
}
