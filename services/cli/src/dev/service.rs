//! One of Landfall's services as a child process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use proto::User;
use servers::port::Port;
use servers::{Process, http, process};

use super::talk::Talk;

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// How to start a service, as often as needed.
#[derive(Debug)]
pub(crate) struct Service {
    user: User,
    program: PathBuf,
    config: PathBuf,
    password: String,
    log: PathBuf,
    /// Where it serves its probes and metrics.
    port: Port,
    talk: Talk,
    process: Process,
}

impl Service {
    /// Starts a service, with the configuration `config` and its log in `logs`.
    pub(crate) fn start(
        user: User,
        config: &Path,
        password: &str,
        logs: &Path,
        talk: Talk,
    ) -> anyhow::Result<Self> {
        let program = program(user)?;
        let (log, port) = (logs.join(format!("{user}.log")), Port::free()?);
        let command = command(user, &program, config, password, port.number());
        let process = launch(user, command, &log, talk)?;
        Ok(Self {
            user,
            program,
            config: config.to_owned(),
            password: password.to_owned(),
            log,
            port,
            talk,
            process,
        })
    }

    /// Starts it again; it has ended.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        let port = self.port.number();
        let command = command(self.user, &self.program, &self.config, &self.password, port);
        self.process = launch(self.user, command, &self.log, self.talk)?;
        Ok(())
    }

    /// Whose probes and metrics are on which port, as long as it is started again here.
    pub(crate) fn probes(&self) -> (User, u16) {
        (self.user, self.port.number())
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let mut last = String::new();
        let asking = async {
            loop {
                match http::request("GET", self.port.number(), "/readyz").await {
                    Ok((200, _)) => return,
                    Ok((_, body)) => last = body,
                    Err(error) => last = error.to_string(),
                }
                tokio::time::sleep(LOOKS_EVERY).await;
            }
        };
        let user = self.user;
        tokio::select! {
            biased;
            status = self.process.ended() => bail!("the {user} ended with {status} instead of starting"),
            ready = tokio::time::timeout(READY_WITHIN, asking) => {
                ready.with_context(|| format!("the {user} is not ready: {}", last.trim()))
            }
        }
    }
}

fn launch(user: User, command: Command, log: &Path, talk: Talk) -> anyhow::Result<Process> {
    let (process, pipe) = Process::start_piped(user.name(), command, log)?;
    let file = process::open_log(log)?;
    std::thread::Builder::new()
        .name(format!("relay {user}"))
        .spawn(move || talk.relay(user.name(), pipe, file))?;
    Ok(process)
}

fn command(user: User, program: &Path, config: &Path, password: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    // The configuration says everything: a setting in somebody's environment is about another
    // installation. Where spans go is a matter of whoever looks on.
    let is_of_another =
        |name: &str| name.starts_with("LANDFALL_") && !name.starts_with("LANDFALL_TRACING__");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_another) {
            command.env_remove(name);
        }
    }
    command
        .arg("--config")
        .arg(config)
        .env("LANDFALL_NATS__USER", user.name())
        .env("LANDFALL_NATS__PASSWORD", password)
        .env("LANDFALL_SERVICE__LISTEN", format!("127.0.0.1:{port}"));
    command
}

/// The services' programs lie beside this one.
fn program(user: User) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name(format!("landfall-{user}"));
    ensure!(
        program.is_file(),
        "{} is not there: `cargo build` makes it",
        program.display()
    );
    Ok(program)
}
