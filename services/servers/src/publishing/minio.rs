//! `MinIO` on one drive.

use std::process::Command;

use super::Setup;
use crate::installed;

pub(super) const HEALTH: &str = "/minio/health/ready";

pub(super) fn command(setup: &Setup) -> anyhow::Result<Command> {
    let mut command = Command::new(installed::store("minio")?);
    command
        .envs(setup.environment.iter().cloned())
        .arg("server")
        .arg(format!("--address=127.0.0.1:{}", setup.port.number()))
        // In the home folder by default.
        .arg("--certs-dir=certs")
        .arg("data")
        .env("MINIO_ROOT_USER", &setup.access_key)
        .env("MINIO_ROOT_PASSWORD", &setup.secret_key)
        // The web page would want a port of its own.
        .env("MINIO_BROWSER", "off")
        // It would look for a newer release.
        .env("MINIO_UPDATE", "off");
    Ok(command)
}
