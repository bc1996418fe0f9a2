//! Object storage that publishes its notifications to NATS by itself: `MinIO` and versitygw, one
//! process each.

mod minio;
mod versitygw;

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
    environment: Vec<(String, String)>,
}

impl Store {
    /// Starts a store whose files are in `folder`. It tells of uploads where its `environment` says,
    /// and nobody where that says nothing.
    pub async fn start(
        kind: Kind,
        folder: &Path,
        environment: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let folder = installed::prepare(folder)?;
        std::fs::create_dir_all(folder.join("data"))?;
        ready::retry(async |_| {
            let setup = Setup {
                folder: folder.clone(),
                port: Port::free()?,
                access_key: secret::random(),
                secret_key: secret::random(),
                environment: environment.clone(),
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

    /// Which server it is.
    pub fn kind(&self) -> Kind {
        self.kind
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
    /// Its name, and that of its page in `deploy/storage/`.
    pub fn name(self) -> &'static str {
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
