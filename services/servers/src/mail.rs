//! A mail server that keeps what it is sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::port::Port;
use crate::ready::{self, Failure};
use crate::{Process, installed, process};

const PROGRAM: &str = include_str!("../../../deploy/servers/mailcatcher.py");
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// An SMTP server that takes every mail and delivers none.
#[derive(Debug)]
pub struct MailCatcher {
    folder: PathBuf,
    port: Port,
    security: Option<Security>,
    process: Process,
}

/// What it wants before it takes a mail: STARTTLS and a login.
#[derive(Clone, Debug)]
pub struct Security {
    /// PEM file.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
    /// Login.
    pub user: String,
    /// Password.
    pub password: String,
}

/// A mail as it came.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mail {
    /// Which one it was, from 1.
    pub number: u32,
    /// Envelope: `MAIL FROM`.
    pub sender: String,
    /// Envelope: `RCPT TO`.
    pub receivers: Vec<String>,
    /// The headers that people look at, decoded.
    pub headers: BTreeMap<String, String>,
    /// The text part, decoded.
    pub text: Option<String>,
    /// The HTML part, decoded.
    pub html: Option<String>,
}

impl MailCatcher {
    /// Starts a server without TLS or login whose files are in `folder`. `port`: if it is free;
    /// another otherwise.
    pub async fn start(folder: &Path, port: Option<u16>) -> anyhow::Result<Self> {
        Self::start_as(folder, port, None).await
    }

    /// Starts a server that wants STARTTLS and a login.
    pub async fn start_secured(folder: &Path, security: Security) -> anyhow::Result<Self> {
        Self::start_as(folder, None, Some(security)).await
    }

    async fn start_as(
        folder: &Path,
        port: Option<u16>,
        security: Option<Security>,
    ) -> anyhow::Result<Self> {
        let folder = installed::prepare(folder)?;
        std::fs::create_dir_all(folder.join("mails"))?;
        process::write(&folder.join("mailcatcher.py"), PROGRAM)?;
        ready::retry(async |attempt| {
            let port = Port::preferably(port.filter(|_| attempt == 1))?;
            let process = run(&folder, &port, security.as_ref()).await?;
            Ok(Self {
                folder: folder.clone(),
                port,
                security: security.clone(),
                process,
            })
        })
        .await
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where the mails are: `0001.eml` as it came, `0001.txt` to be read, and so on.
    pub fn mails_folder(&self) -> PathBuf {
        self.folder.join("mails")
    }

    /// How many DATA commands it has answered with 250, ever.
    pub fn accepted(&self) -> anyhow::Result<usize> {
        Ok(files(&self.mails_folder(), "eml")?.len())
    }

    /// Every mail it has accepted, in their order.
    pub fn mails(&self) -> anyhow::Result<Vec<Mail>> {
        read(&self.mails_folder())
    }

    /// The bytes of the mail with `number`, as they came.
    pub fn raw(&self, number: u32) -> anyhow::Result<Vec<u8>> {
        let file = self.mails_folder().join(format!("{number:04}.eml"));
        std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Asks it to end and waits for that.
    pub async fn stop(&self) {
        self.process.stop().await;
    }

    /// Kills it (SIGKILL).
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Starts it again on the same port and files, after [`stop`](Self::stop) or
    /// [`kill`](Self::kill) (or without: then it is stopped).
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.process.stop().await;
        self.process = run(&self.folder, &self.port, self.security.as_ref())
            .await
            .map_err(anyhow::Error::from)?;
        Ok(())
    }
}

async fn run(folder: &Path, port: &Port, security: Option<&Security>) -> Result<Process, Failure> {
    let (python, packages) = installed::python()?;
    let mut command = Command::new(python);
    command
        .args([
            "mailcatcher.py",
            "127.0.0.1",
            &port.number().to_string(),
            "mails",
        ])
        .current_dir(folder)
        .env("PYTHONUNBUFFERED", "1");
    if let Some(packages) = packages {
        command.env("PYTHONPATH", packages);
    }
    if let Some(security) = security {
        command.args([&security.certificate, &security.key]);
        command.args([&security.user, &security.password]);
    }
    let process = Process::start("mail", command, &folder.join("mail.log"))?;
    let ready = ready::wait(&process, STARTS_WITHIN, &|| Box::pin(greets(port.number()))).await;
    if ready.is_err() && process.last_lines(12).contains("ModuleNotFoundError") {
        let error = anyhow::anyhow!("aiosmtpd is not installed; run `make servers`");
        return Err(Failure::Other(error));
    }
    ready.map(|()| process)
}

async fn greets(port: u16) -> anyhow::Result<()> {
    let line = ready::greeting(port).await?;
    ensure!(line.starts_with("220 "), "it greets with {line:?}");
    Ok(())
}

/// The files of `folder` with `ending`, by name.
fn files(folder: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Every mail in a [`MailCatcher::mails_folder`], in the order of their coming.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Mail>> {
    let mails = files(folder, "eml")?;
    mails
        .iter()
        .map(|file| record(&file.with_extension("json")))
        .collect()
}

fn record(file: &Path) -> anyhow::Result<Mail> {
    let text = std::fs::read_to_string(file)?;
    serde_json::from_str(&text).with_context(|| format!("cannot read {}", file.display()))
}
