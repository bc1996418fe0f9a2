//! `landfall doctor --print-policy`: the rights that each user needs, and nothing beyond, from the
//! tables by which the code works and the checks are made.

use std::io::{self, Write};

use objects::rights;
use proto::{User, nats};
use runtime::Config;
use runtime::config::store::Kind;
use serde_json::json;
use store::cql::rights::grants;

use super::Scope;
use super::databases::role;
use crate::failure::Failure;
use crate::options::Policy;
use crate::output;

/// Prints one kind, or all.
pub(super) fn print(config: &Config, scope: &Scope, kind: Policy) -> Result<(), Failure> {
    output::print(|out| match kind {
        Policy::Iam => iam(out, config, scope),
        Policy::Nats => permissions(out, scope),
        Policy::Cql => cql(out, config, scope),
        Policy::All => {
            iam(out, config, scope)?;
            writeln!(out)?;
            permissions(out, scope)?;
            writeln!(out)?;
            cql(out, config, scope)
        }
    })
}

/// A policy of one user is JSON; of several, each has a line above that says whose it is.
fn iam(out: &mut impl Write, config: &Config, scope: &Scope) -> io::Result<()> {
    for user in scope.users() {
        let statements = rights::policy(config, user).into_iter();
        let statements: Vec<_> = statements
            .map(|statement| {
                json!({
                    "Effect": "Allow",
                    "Action": statement.actions,
                    "Resource": statement.resources,
                })
            })
            .collect();
        if statements.is_empty() && !scope.only {
            continue;
        }
        if !scope.only {
            writeln!(out, "# IAM policy of {user}")?;
        }
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        writeln!(out, "{policy:#}")?;
    }
    Ok(())
}

fn permissions(out: &mut impl Write, scope: &Scope) -> io::Result<()> {
    if !scope.only {
        return write!(out, "{}", nats::permissions_conf());
    }
    write!(out, "{}", nats::permissions_of(scope.user))
}

fn cql(out: &mut impl Write, config: &Config, scope: &Scope) -> io::Result<()> {
    let cql = &config.store.cql;
    if config.store.kind == Kind::Sqlite {
        writeln!(
            out,
            "-- `store.kind` is \"sqlite\": the services write to files in {}. With \"cql\":",
            config.store.folder.display()
        )?;
    }
    for user in scope.users() {
        let role = role(user);
        if user == User::Setup {
            writeln!(out, "GRANT CREATE ON ALL KEYSPACES TO {role};")?;
        }
        for grant in grants(&cql.plan(), user) {
            writeln!(out, "{}", grant.statement(&role))?;
        }
    }
    Ok(())
}
