//! A service as a process of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use proto::User;
use servers::{Port, Process};

use crate::wait::{PATIENCE, until};
use crate::{http, program};

/// How a replica of a service is started.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) user: User,
    pub(crate) config: PathBuf,
    /// Its password, and what it alone is told beside its configuration.
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

/// A running service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) user: User,
    pub(crate) process: Process,
    probes: Port,
}

impl Replica {
    /// Starts it without waiting for it. `name` tells replicas, and their logs, apart.
    pub(crate) fn start(&self, name: &str) -> Result<Service> {
        let probes = Port::free()?;
        let folder = self
            .config
            .parent()
            .context("the configuration is in a folder")?;
        let mut command = Command::new(program::of(self.user));
        command
            .current_dir(folder)
            .arg("--config")
            .arg(&self.config)
            .envs(self.environment.iter().cloned())
            .env("LANDFALL_SERVICE__LISTEN", address(&probes).to_string());
        let process = Process::start(name, command, &folder.join(format!("{name}.log")))?;
        Ok(Service {
            user: self.user,
            process,
            probes,
        })
    }
}

impl Service {
    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self) -> Result<()> {
        let asked = until(PATIENCE, || async {
            if self.process.status().is_some() {
                return Some(false);
            }
            let answer = http::get(address(&self.probes), "/readyz").await.ok()?;
            (answer.status == 200).then_some(true)
        });
        if asked.await == Some(true) {
            return Ok(());
        }
        let said = self.readyz().await.map(|(_, body)| body);
        bail!(
            "{} does not get ready: {}\nits last lines:\n{}",
            self.process.name(),
            said.unwrap_or_else(|error| format!("{error:#}")),
            self.process.last_lines(20)
        )
    }

    /// What `/readyz` says, with its status.
    pub(crate) async fn readyz(&self) -> Result<(u16, String)> {
        let answer = http::get(address(&self.probes), "/readyz").await?;
        Ok((answer.status, answer.body))
    }

    /// The sum of a metric over its series that have `label` (`outcome="ignored"`; all if empty);
    /// 0 if there is none yet.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let answer = http::get(address(&self.probes), "/metrics").await?;
        Ok(answer
            .body
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with([' ', '{']) && rest.contains(label))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }
}

/// The address of a port of this machine.
pub(crate) fn address(port: &Port) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port.number()))
}
