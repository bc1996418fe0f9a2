//! NATS with `JetStream`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use proto::User;

use crate::port::Port;
use crate::ready::{self, Failure};
use crate::{Process, installed, process, secret};

const CONFIGURATION: &str = include_str!("../../../deploy/nats/nats.conf");
const USERS: &str = include_str!("../../../deploy/nats/users.conf");
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may connect.
    pub access: Access,
    /// Whether it serves `/varz`, `/jsz` and so on over HTTP.
    pub monitoring: bool,
    /// The port, if it is free; another otherwise.
    pub port: Option<u16>,
    /// Further lines for the configuration file.
    pub more: String,
}

/// Who may connect.
#[derive(Clone, Debug)]
pub enum Access {
    /// The users of the contract with their permissions, and `system` in the system account.
    /// Passwords that are not given here are random.
    Users(HashMap<User, String>),
    /// Everybody may do everything.
    Open,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: Access::Users(HashMap::new()),
            monitoring: false,
            port: None,
            more: String::new(),
        }
    }
}

/// A server of one node.
#[derive(Debug)]
pub struct Nats {
    folder: PathBuf,
    environment: Vec<(String, String)>,
    passwords: BTreeMap<&'static str, String>,
    port: Port,
    monitoring: Option<Port>,
    process: Process,
}

/// The user of the system account.
const SYSTEM: &str = "system";

impl Nats {
    /// Starts a server whose files are in `folder`.
    pub async fn start(folder: &Path, options: Options) -> anyhow::Result<Self> {
        let folder = installed::prepare(folder)?;
        ready::retry(async |attempt| {
            let wanted = options.port.filter(|_| attempt == 1);
            let port = Port::preferably(wanted)?;
            let monitoring = options.monitoring.then(Port::free).transpose()?;
            let passwords = passwords(&options.access);
            write(&folder, &options, monitoring.as_ref())?;
            let environment = environment(&folder, &port, &passwords);
            let process = run(&folder, &port, &environment).await?;
            Ok(Self {
                folder: folder.clone(),
                environment,
                passwords,
                port,
                monitoring,
                process,
            })
        })
        .await
    }

    /// `nats://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port.number())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The password of `user`; none where everybody may do everything.
    pub fn password(&self, user: User) -> Option<&str> {
        self.passwords.get(user.name()).map(String::as_str)
    }

    /// Name and password of the user in the system account.
    pub fn system(&self) -> Option<(&'static str, &str)> {
        let password = self.passwords.get(SYSTEM)?;
        Some((SYSTEM, password))
    }

    /// `http://127.0.0.1:port`, where monitoring is served.
    pub fn monitoring_url(&self) -> Option<String> {
        let port = self.monitoring.as_ref()?;
        Some(format!("http://127.0.0.1:{}", port.number()))
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

    /// Starts it again on the same ports and files, after [`stop`](Self::stop) or
    /// [`kill`](Self::kill) (or without: then it is stopped).
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.process.stop().await;
        self.process = run(&self.folder, &self.port, &self.environment)
            .await
            .map_err(anyhow::Error::from)?;
        Ok(())
    }
}

/// Writes the configuration of production; users and permissions are left out where everybody
/// may do everything.
fn write(folder: &Path, options: &Options, monitoring: Option<&Port>) -> anyhow::Result<()> {
    let mut server = format!("{CONFIGURATION}{}", options.more);
    if let Some(port) = monitoring {
        server += &format!("\nhttp: \"127.0.0.1:{}\"\n", port.number());
    }
    let (users, permissions) = match options.access {
        Access::Users(_) => (USERS, proto::nats::permissions_conf()),
        Access::Open => ("", String::new()),
    };
    process::write(&folder.join("nats.conf"), &server)?;
    process::write(&folder.join("users.conf"), users)?;
    process::write(&folder.join("permissions.conf"), &permissions)
}

async fn run(
    folder: &Path,
    port: &Port,
    environment: &[(String, String)],
) -> Result<Process, Failure> {
    let mut command = Command::new(installed::program("nats-server")?);
    command
        .args(["-c", "nats.conf"])
        .current_dir(folder)
        .envs(environment.iter().cloned());
    let process = Process::start("nats", command, &folder.join("nats.log"))?;
    ready::wait(&process, STARTS_WITHIN, &|| Box::pin(greets(port.number()))).await?;
    Ok(process)
}

/// The server speaks first, and only once `JetStream` has read its files.
async fn greets(port: u16) -> anyhow::Result<()> {
    let line = ready::greeting(port).await?;
    ensure!(
        line.starts_with("INFO ") && line.contains("\"jetstream\":true"),
        "it greets with {line:?}"
    );
    Ok(())
}

fn passwords(access: &Access) -> BTreeMap<&'static str, String> {
    let Access::Users(given) = access else {
        return BTreeMap::new();
    };
    let of = |user: User| given.get(&user).cloned().unwrap_or_else(secret::random);
    User::ALL
        .into_iter()
        .map(|user| (user.name(), of(user)))
        .chain([(SYSTEM, secret::random())])
        .collect()
}

/// The environment that the configuration reads.
fn environment(
    folder: &Path,
    port: &Port,
    passwords: &BTreeMap<&'static str, String>,
) -> Vec<(String, String)> {
    let store = folder.join("jetstream");
    let mut variables = vec![
        (
            "NATS_LISTEN".to_owned(),
            format!("127.0.0.1:{}", port.number()),
        ),
        ("NATS_STORE".to_owned(), quoted(&store.to_string_lossy())),
    ];
    for (user, password) in passwords {
        variables.push((
            format!("{}_PASSWORD", user.to_uppercase()),
            quoted(password),
        ));
    }
    variables
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
