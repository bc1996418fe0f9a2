//! Cassandra: a database that speaks CQL, as `ScyllaDB` does.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::port::Port;
use crate::ready::{self, Failure};
use crate::{Process, installed, process};

const CONFIGURATION: &str = include_str!("../../../deploy/servers/cassandra.yaml");
const LOG: &str = include_str!("../../../deploy/servers/cassandra-log.xml");
const STARTS_WITHIN: Duration = Duration::from_secs(120);
/// Where the first node of a cluster is, which the others ask for the way.
const FIRST: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// The file of key and certificates.
const TLS: &str = "tls.pem";

/// Enough for tests; it takes as much again beside its heap. A fifth of what a start costs is
/// verifying code that nobody has changed.
const SMALL: &[&str] = &[
    "-Xms512m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MetaspaceSize=128m",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
];

/// As one is run that has work to do. It gets fast after some minutes of that.
const FAST: &[&str] = &["-Xms1g", "-Xmx1g", "-XX:+UseG1GC"];

/// What Java 17 hides from it otherwise.
const MODULES: [&str; 7] = [
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
];

/// Who connects has to log in, and may do what its role was granted.
const GUARDED: &str = "\
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
";

/// Who connects has to speak TLS.
const ENCRYPTED: &str = "\
client_encryption_options:
  enabled: true
  optional: false
  keystore: @pem@
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
";

/// How the server is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether a kill may lose tables that were made since its start, and what was written in the
    /// last tenth of a second. Both is much faster then. In a cluster, such tables were seen to be
    /// missing for minutes, in which the node refuses what is asked of them: do not kill it there.
    pub careless: bool,
    /// Whether it is to be fast rather than small and started soon.
    pub fast: bool,
    /// Whether it asks who connects, and what each role may do. At first there is `cassandra`,
    /// with that as its password too, who may do everything.
    pub login: bool,
    /// PEM of a private key and the certificates for it: then it speaks TLS and nothing else.
    pub tls: Option<String>,
    /// Lines for the configuration file.
    pub more: String,
}

/// A node; mostly a cluster of its own.
#[derive(Debug)]
pub struct Cassandra {
    folder: PathBuf,
    options: Options,
    host: Ipv4Addr,
    ports: Arc<Ports>,
    process: Process,
}

/// Every port that it opens.
#[derive(Debug)]
struct Ports {
    cql: Port,
    storage: Port,
}

impl Cassandra {
    /// Starts a server whose files are in `folder`.
    pub async fn start(folder: &Path, options: Options) -> anyhow::Result<Self> {
        ready::retry(async |_| {
            let ports = Ports {
                cql: Port::free()?,
                storage: Port::free()?,
            };
            Self::start_at(FIRST, Arc::new(ports), folder, options.clone()).await
        })
        .await
    }

    /// Starts the next node of its cluster, whose files are in `folder`: on the next address of
    /// this machine, with the same ports. It has answered when this returns; the others may learn
    /// of it a moment later.
    pub async fn join(&self, folder: &Path, options: Options) -> anyhow::Result<Self> {
        let host = Ipv4Addr::from_bits(self.host.to_bits() + 1);
        let ports = Arc::clone(&self.ports);
        Ok(Self::start_at(host, ports, folder, options).await?)
    }

    async fn start_at(
        host: Ipv4Addr,
        ports: Arc<Ports>,
        folder: &Path,
        options: Options,
    ) -> Result<Self, Failure> {
        let folder = installed::prepare(folder)?;
        let write = |name, text: &str| process::write(&folder.join(name), text);
        std::fs::create_dir_all(folder.join("data")).context("its folder")?;
        write("logback.xml", LOG)?;
        if let Some(pem) = &options.tls {
            write(TLS, pem)?;
        }
        let configuration = configuration(&folder, &options, host, &ports);
        write("cassandra.yaml", &configuration)?;
        let at = SocketAddrV4::new(host, ports.cql.number());
        let process = run(&folder, &options, at).await?;
        Ok(Self {
            folder,
            options,
            host,
            ports,
            process,
        })
    }

    /// `host:port`, where it speaks CQL; `127.0.0.1:port` of the first node.
    pub fn address(&self) -> String {
        self.socket().to_string()
    }

    fn socket(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host, self.port())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.ports.cql.number()
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Asks it to end and waits for that, which takes seconds.
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
        self.process = run(&self.folder, &self.options, self.socket())
            .await
            .map_err(anyhow::Error::from)?;
        Ok(())
    }
}

fn configuration(folder: &Path, options: &Options, host: Ipv4Addr, ports: &Ports) -> String {
    let sync = if options.careless {
        "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms"
    } else {
        "commitlog_sync: batch"
    };
    let mut configuration = CONFIGURATION
        .replace("@sync@", sync)
        .replace("@host@", &host.to_string())
        .replace("@token@", &(host.to_bits() - FIRST.to_bits()).to_string())
        .replace("@port@", &ports.cql.number().to_string())
        .replace("@storage_port@", &ports.storage.number().to_string());
    if options.login {
        configuration += GUARDED;
    }
    if options.tls.is_some() {
        let pem = folder.join(TLS).display().to_string();
        configuration += &ENCRYPTED.replace("@pem@", &pem);
    }
    configuration + &options.more
}

async fn run(folder: &Path, options: &Options, at: SocketAddrV4) -> Result<Process, Failure> {
    let libraries = installed::cassandra()?;
    let libraries = libraries.display();
    let url = folder.display();
    let mut command = Command::new("java");
    command
        .current_dir(folder)
        .arg(format!("-javaagent:{libraries}/jamm-0.4.0.jar"))
        .args(if options.fast { FAST } else { SMALL })
        .args(MODULES)
        .args(["-cp", &format!("{libraries}/*")])
        .arg(format!(
            "-Dlogback.configurationFile=file://{url}/logback.xml"
        ))
        .arg(format!("-Dcassandra.config=file://{url}/cassandra.yaml"))
        .arg(format!("-Dcassandra.storagedir={url}/data"))
        // It prints to the log, waits neither for other nodes nor before it makes a role, and asks
        // for tables that it lacks without waiting for a minute.
        .args([
            "-Dcassandra-foreground=yes",
            "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            "-Dcassandra.ring_delay_ms=1",
            "-Dcassandra.superuser_setup_delay_ms=0",
            "-Dcassandra.schema_pull_interval_ms=500",
        ]);
    if options.careless {
        command.arg("-Dcassandra.test.flush_local_schema_changes=false");
    }
    if options.login {
        // Passwords are hashed as fast as may be.
        command.arg("-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4");
    }
    command.arg("org.apache.cassandra.service.CassandraDaemon");
    let process = Process::start("cassandra", command, &folder.join("cassandra.log"))?;
    let tls = options.tls.is_some();
    ready::wait(&process, STARTS_WITHIN, &|| Box::pin(answers(at, tls))).await?;
    Ok(process)
}

/// It opens its port last of all. Asked for its options, it says that it supports some; by TLS it
/// is not asked.
async fn answers(at: SocketAddrV4, tls: bool) -> anyhow::Result<()> {
    const OPTIONS: [u8; 9] = [4, 0, 0, 0, 5, 0, 0, 0, 0];
    const SUPPORTED: u8 = 6;
    let mut stream = TcpStream::connect(at).await?;
    if tls {
        return Ok(());
    }
    let asked = async {
        stream.write_all(&OPTIONS).await?;
        let mut header = [0; 9];
        stream.read_exact(&mut header).await?;
        Ok::<_, std::io::Error>(header)
    };
    let header = tokio::time::timeout(Duration::from_secs(5), asked)
        .await
        .context("it says nothing")??;
    ensure!(header[4] == SUPPORTED, "it answers with {header:?}");
    Ok(())
}
