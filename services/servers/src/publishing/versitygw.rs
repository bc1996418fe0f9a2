//! versitygw over a folder, whose file system has to have extended attributes.

use std::process::Command;

use super::Setup;
use crate::installed;

pub(super) const HEALTH: &str = "/health";

pub(super) fn command(setup: &Setup) -> anyhow::Result<Command> {
    let mut command = Command::new(installed::store("versitygw")?);
    command
        .envs(setup.environment.iter().cloned())
        .arg(format!("--port=127.0.0.1:{}", setup.port.number()))
        .arg(format!("--health={HEALTH}"))
        .args(["--quiet", "posix", "data"])
        // Not as arguments, which everybody on the machine may read.
        .env("ROOT_ACCESS_KEY", &setup.access_key)
        .env("ROOT_SECRET_KEY", &setup.secret_key);
    Ok(command)
}
