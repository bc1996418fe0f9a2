//! The permission table as NATS configuration.

use std::fmt::Write;

use crate::User;
use crate::user::permissions;

/// A file to `include` at the top of a server's configuration. It defines one variable a user,
/// `$<user>_may`, so that how users prove who they are (password, nkey, certificate) is left to
/// the installation. The server takes a variable that nothing uses for a misspelt setting: give
/// every user of the contract an entry.
///
/// ```text
/// include "permissions.conf"
/// authorization { users: [
///   { user: watcher, password: $WATCHER_PASSWORD, permissions: $watcher_may }
/// ] }
/// ```
pub fn permissions_conf() -> String {
    let mut conf = String::from(
        "# What each user of Landfall may publish and subscribe to; the server denies the rest.\n\
         # Generated from proto/src/user.rs by `make generate`.\n",
    );
    for user in User::ALL {
        conf.push('\n');
        conf.push_str(&permissions_of(user));
    }
    conf
}

/// The definition of one user's variable.
pub fn permissions_of(user: User) -> String {
    let may = permissions(user);
    let publish = list(&may.publish);
    let subscribe = list(&may.subscribe);
    format!(
        "{} {{\n  publish {{ allow: [{publish}] }}\n  subscribe {{ allow: [{subscribe}] }}\n}}\n",
        variable(user),
    )
}

/// The name of the variable that holds a user's permissions, without the `$` of its uses.
pub fn variable(user: User) -> String {
    format!("{}_may", user.name())
}

/// Subjects, one a line.
fn list(subjects: &[String]) -> String {
    if subjects.is_empty() {
        return String::new();
    }
    let mut lines = String::from("\n");
    for subject in subjects {
        let _ = writeln!(lines, "    \"{subject}\"");
    }
    lines + "  "
}
