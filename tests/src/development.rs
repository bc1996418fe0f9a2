//! `landfall dev`, as somebody starts it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::Signal;
use servers::Process;

use crate::program;
use crate::wait::until;

/// Seven processes start one after the other, beside other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A `landfall dev` with everything that it has started.
#[derive(Debug)]
pub struct Development {
    process: Process,
    folder: PathBuf,
}

impl Development {
    /// Starts it in `folder` and waits until it says that it runs. Mails wait for a second.
    pub async fn start(folder: &Path) -> Result<Self> {
        let log = folder.with_extension("log");
        // A log is written on; what an earlier one said is not this one's.
        let _ = std::fs::remove_file(&log);
        let mut command = landfall(folder, &["dev", "--delay", "1s"]);
        command.current_dir(folder.parent().context("a folder in a folder")?);
        let process = Process::start("landfall dev", command, &log)?;
        let runs = until(PATIENCE, || async {
            let said = std::fs::read_to_string(&log).ok()?;
            let ended = process.status().is_some();
            (ended || said.contains("Landfall runs until Ctrl-C")).then_some(!ended)
        });
        ensure!(
            runs.await == Some(true),
            "`landfall dev` does not come to run; its last lines:\n{}",
            process.last_lines(30)
        );
        Ok(Self {
            process,
            folder: folder.to_owned(),
        })
    }

    /// Runs the command `landfall` on it.
    pub async fn landfall(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = landfall(&self.folder, arguments);
        Ok(tokio::task::spawn_blocking(move || command.output()).await??)
    }

    /// Ends it by SIGKILL, and waits until nothing is left of what it had started.
    pub async fn kill(self) -> Result<()> {
        ensure!(!processes(&self.folder)?.is_empty(), "nothing runs");
        self.process.kill().await;
        self.nothing_is_left().await
    }

    /// Presses Ctrl-C, and waits until nothing is left; answers how it ended.
    pub async fn interrupt(self) -> Result<ExitStatus> {
        self.process.signal(Signal::SIGINT);
        let status = self.process.ended().await;
        self.nothing_is_left().await?;
        Ok(status)
    }

    async fn nothing_is_left(&self) -> Result<()> {
        let none = || async { processes(&self.folder).ok()?.is_empty().then_some(()) };
        let left = || processes(&self.folder).unwrap_or_default().join("\n");
        until(PATIENCE, none)
            .await
            .ok_or_else(|| anyhow!("still running:\n{}", left()))
    }
}

/// The command lines of what runs in `folder`.
fn processes(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.to_str().context("a path in UTF-8")?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        // A process that ends meanwhile is none.
        let line = std::fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(folder) {
            found.push(line);
        }
    }
    Ok(found)
}

/// The command `landfall` about the `landfall dev` of `folder`.
pub fn landfall(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program::landfall());
    command.args(arguments).arg("--dir").arg(folder);
    command
}
