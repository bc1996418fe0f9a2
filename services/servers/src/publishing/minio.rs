//! `MinIO` on one drive.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use proto::{User, subject};

use super::Setup;
use crate::installed;

pub(super) const HEALTH: &str = "/minio/health/ready";

pub(super) const QUEUE: &str = "arn:minio:sqs::LANDFALL:nats";

pub(super) fn command(setup: &Setup) -> anyhow::Result<Command> {
    let mut command = Command::new(installed::store("minio")?);
    command
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
    let target = [
        ("ENABLE", "on".to_owned()),
        ("ADDRESS", setup.nats.address.to_string()),
        ("USERNAME", User::Storage.name().to_owned()),
        ("PASSWORD", setup.nats.password.clone()),
        ("SUBJECT", subject::storage("minio")),
        ("JETSTREAM", "on".to_owned()),
        // Without it, what happens while NATS is away is lost.
        ("QUEUE_DIR", queue(setup).to_string_lossy().into_owned()),
    ];
    for (name, value) in target {
        command.env(format!("MINIO_NOTIFY_NATS_{name}_LANDFALL"), value);
    }
    Ok(command)
}

pub(super) fn kept(setup: &Setup) -> anyhow::Result<usize> {
    let folder = queue(setup).join("minio-nats-LANDFALL");
    let files = std::fs::read_dir(&folder)
        .with_context(|| format!("there is no queue in {}", folder.display()))?;
    Ok(files.count())
}

fn queue(setup: &Setup) -> PathBuf {
    setup.folder.join("queue")
}
