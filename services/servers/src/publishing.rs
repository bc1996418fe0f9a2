//! Object storage that publishes its notifications to NATS by itself, as the user `storage`:
//! `MinIO` and versitygw, one process each.

mod minio;
mod versitygw;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;

use crate::port::Port;
use crate::ready::{self, Failure};
use crate::{Process, http, installed, secret};

const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Waits for the acknowledgement of each notification, and keeps on disk what NATS has not
    /// taken yet.
    Minio,
    /// Waits for nothing: what is on its way when NATS goes is lost.
    Versitygw,
}

/// Where notifications go.
#[derive(Clone, Debug)]
pub struct Nats {
    /// The server, or what stands before it.
    pub address: SocketAddr,
    /// The password of the user `storage`.
    pub password: String,
}

/// A running store.
#[derive(Debug)]
pub struct Store {
    kind: Kind,
    setup: Setup,
    process: Process,
}

/// What it is started with, each time.
#[derive(Debug)]
struct Setup {
    folder: PathBuf,
    port: Port,
    access_key: String,
    secret_key: String,
    nats: Nats,
}

impl Store {
    /// Starts a store whose files are in `folder`.
    pub async fn start(kind: Kind, folder: &Path, nats: Nats) -> anyhow::Result<Self> {
        let folder = installed::prepare(folder)?;
        std::fs::create_dir_all(folder.join("data"))?;
        ready::retry(async |_| {
            let setup = Setup {
                folder: folder.clone(),
                port: Port::free()?,
                access_key: secret::random(),
                secret_key: secret::random(),
                nats: nats.clone(),
            };
            let process = run(kind, &setup).await?;
            Ok(Self {
                kind,
                setup,
                process,
            })
        })
        .await
    }

    /// `http://127.0.0.1:port` of the S3 API.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Port of the S3 API.
    pub fn port(&self) -> u16 {
        self.setup.port.number()
    }

    /// Access key of the root user, who may do everything.
    pub fn access_key(&self) -> &str {
        &self.setup.access_key
    }

    /// Its secret key.
    pub fn secret_key(&self) -> &str {
        &self.setup.secret_key
    }

    /// What a bucket's notification configuration has to name as its queue, for NATS to hear of the
    /// bucket; none where NATS hears of all buckets.
    pub fn queue(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Minio => Some(minio::QUEUE),
            Kind::Versitygw => None,
        }
    }

    /// How many notifications lie on its disk because NATS has not taken them yet.
    pub fn kept(&self) -> anyhow::Result<usize> {
        match self.kind {
            Kind::Minio => minio::kept(&self.setup),
            Kind::Versitygw => Ok(0),
        }
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills it (SIGKILL).
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Starts it again on the same port and files, after [`kill`](Self::kill) (or without: then it
    /// is killed). versitygw does not start while NATS is away.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await;
        self.process = run(self.kind, &self.setup)
            .await
            .map_err(anyhow::Error::from)?;
        Ok(())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Minio => "minio",
            Self::Versitygw => "versitygw",
        }
    }

    fn command(self, setup: &Setup) -> anyhow::Result<Command> {
        match self {
            Self::Minio => minio::command(setup),
            Self::Versitygw => versitygw::command(setup),
        }
    }

    /// A path that says 200 when the store is ready.
    fn health(self) -> &'static str {
        match self {
            Self::Minio => minio::HEALTH,
            Self::Versitygw => versitygw::HEALTH,
        }
    }
}

async fn run(kind: Kind, setup: &Setup) -> Result<Process, Failure> {
    let mut command = kind.command(setup)?;
    command.current_dir(&setup.folder);
    let log = setup.folder.join(format!("{}.log", kind.name()));
    let process = Process::start(kind.name(), command, &log)?;
    let (port, health) = (setup.port.number(), kind.health());
    ready::wait(&process, STARTS_WITHIN, &|| Box::pin(answers(port, health))).await?;
    Ok(process)
}

async fn answers(port: u16, health: &str) -> anyhow::Result<()> {
    let (status, body) = http::request("GET", port, health).await?;
    ensure!(status == 200, "it answers {status}: {body}");
    Ok(())
}
