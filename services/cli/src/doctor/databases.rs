//! The databases: whether they are there, as they should be, and may be used.

use proto::{FileId, User};
use runtime::config::store::Kind;
use runtime::{Config, Trouble};
use store::cql::rights;
use store::journal::Register;
use store::readings::Query;

use super::Scope;
use super::report::{Finding, Report, Verdict, ok, wrong};
use crate::failure::Failure;

const STORE: &str = "store";

/// Who keeps a journal.
const JOURNALS: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// A name that no file and no sensor has.
const NOBODY: &str = ".landfall-probe";

/// Checks those that somebody here needs.
pub(super) async fn check(
    report: &mut Report,
    scope: &Scope,
    config: &Config,
) -> Result<(), Failure> {
    let looks_at_all = scope.has(User::Operator);
    let mut there = true;
    for user in JOURNALS {
        if there && (scope.has(user) || looks_at_all) {
            let check = format!("journal of {user}");
            let looked = look_at_journal(config, user);
            there = report.check(STORE, &check, looked).await? || config.store.kind == Kind::Sqlite;
        }
    }
    if there && (scope.has(User::Ingest) || looks_at_all) {
        there = report
            .check(STORE, "readings", look_at_readings(config))
            .await?;
    }
    match config.store.kind {
        Kind::Sqlite => Ok(()),
        Kind::Cql if there => grants(report, scope, config).await,
        Kind::Cql => {
            let why = "the database cannot be used";
            report.say(STORE, "all else about it", Verdict::Skipped, why)
        }
    }
}

/// Opens a journal. In `SQLite`, what is not there is changed, which is for whoever may write; what a
/// role may do with the tables of a CQL database, [`grants`] tries.
async fn look_at_journal(config: &Config, user: User) -> Finding {
    if let Some(wrong) = no_file(config, user.name()) {
        return wrong;
    }
    let looked = async {
        let journal = runtime::journal(&config.store, user).await?;
        if config.store.kind == Kind::Sqlite {
            let nobodys = Register::new("doctor", NOBODY);
            journal.replace(&nobodys, 1, b"").await?;
        }
        Ok::<_, Trouble>(())
    };
    finding(looked.await)
}

async fn look_at_readings(config: &Config) -> Finding {
    if let Some(wrong) = no_file(config, "readings") {
        return wrong;
    }
    let looked = async {
        let readings = runtime::readings(&config.store).await?;
        if config.store.kind == Kind::Sqlite {
            let query = Query {
                sensor: NOBODY.to_owned(),
                ..Query::default()
            };
            readings.page(&query, None, 1).await?;
            readings.retract(FileId::from_bytes([0; 16]), 0).await?;
        }
        Ok::<_, Trouble>(())
    };
    finding(looked.await)
}

fn finding(looked: Result<(), Trouble>) -> Finding {
    match looked {
        Ok(()) => ok(""),
        Err(Trouble::Outage { reason, .. }) => wrong(reason),
        Err(trouble) => wrong(trouble.to_string()),
    }
}

/// Whoever opens a file makes it, and that is for `setup` to do.
fn no_file(config: &Config, name: &str) -> Option<Finding> {
    let path = config.store.folder.join(format!("{name}.db"));
    let missing = config.store.kind == Kind::Sqlite && !path.is_file();
    missing.then(|| {
        wrong(format!(
            "{} is not there: run `landfall setup`, or mend `store.folder`",
            path.display()
        ))
    })
}

/// Whether the role that logs in may do what it needs.
async fn grants(report: &mut Report, scope: &Scope, config: &Config) -> Result<(), Failure> {
    let cql = &config.store.cql;
    let user = user(scope, cql.user.as_deref());
    let role = cql.user.clone().unwrap_or_else(|| role(user));
    let looked = async {
        let access = runtime::access(cql).map_err(|trouble| trouble.to_string())?;
        let tried = rights::missing(&access, &cql.plan(), user).await;
        tried.map_err(|error| error.to_string())
    };
    let check = format!("rights of role `{role}` as {user}");
    match report.within_limit(looked).await? {
        Some(Ok(missing)) if missing.is_empty() => report.say(STORE, &check, Verdict::Ok, ""),
        Some(Ok(missing)) => {
            for (grant, said) in missing {
                let line = format!("{said}: `{}`", grant.statement(&role));
                report.say(STORE, &check, Verdict::Wrong, &line)?;
            }
            Ok(())
        }
        Some(Err(why)) => report.say(STORE, &check, Verdict::Wrong, &why),
        None => report.say(STORE, &check, Verdict::Wrong, "no answer in time"),
    }
}

/// Whose rights a role should have: who was asked for, else after whom it is named.
fn user(scope: &Scope, login: Option<&str>) -> User {
    let named = || {
        let all = User::ALL.into_iter();
        all.into_iter().find(|user| login == Some(&role(*user)))
    };
    if scope.only {
        scope.user
    } else {
        named().unwrap_or(User::Operator)
    }
}

/// The role of a user, as `deploy/scylla/roles.cql` names it.
pub(super) fn role(user: User) -> String {
    format!("landfall_{user}")
}
