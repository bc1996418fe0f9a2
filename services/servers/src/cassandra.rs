//! Cassandra: a database that speaks CQL, as `ScyllaDB` does.

use std::path::{Path, PathBuf};
use std::process::Command;
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

/// Enough for tests; it takes as much again beside its heap.
const SMALL: &[&str] = &[
    "-Xms512m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
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

/// How the server is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether a kill may lose tables that were made since its start, and what was written in the
    /// last tenth of a second. Both is much faster then.
    pub careless: bool,
    /// Whether it is to be fast rather than small and started soon.
    pub fast: bool,
}

/// A cluster of one node.
#[derive(Debug)]
pub struct Cassandra {
    folder: PathBuf,
    options: Options,
    ports: Ports,
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
        let folder = installed::prepare(folder)?;
        std::fs::create_dir_all(folder.join("data"))?;
        process::write(&folder.join("logback.xml"), LOG)?;
        ready::retry(async |_| {
            let ports = Ports {
                cql: Port::free()?,
                storage: Port::free()?,
            };
            let configuration = configuration(&options, &ports);
            process::write(&folder.join("cassandra.yaml"), &configuration)?;
            let process = run(&folder, &options, &ports).await?;
            Ok(Self {
                folder: folder.clone(),
                options: options.clone(),
                ports,
                process,
            })
        })
        .await
    }

    /// `127.0.0.1:port`, where it speaks CQL.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
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
        self.process = run(&self.folder, &self.options, &self.ports)
            .await
            .map_err(anyhow::Error::from)?;
        Ok(())
    }
}

fn configuration(options: &Options, ports: &Ports) -> String {
    let sync = if options.careless {
        "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms"
    } else {
        "commitlog_sync: batch"
    };
    CONFIGURATION
        .replace("@sync@", sync)
        .replace("@port@", &ports.cql.number().to_string())
        .replace("@storage_port@", &ports.storage.number().to_string())
}

async fn run(folder: &Path, options: &Options, ports: &Ports) -> Result<Process, Failure> {
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
        // It prints to the log, and waits for no other node.
        .args([
            "-Dcassandra-foreground=yes",
            "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            "-Dcassandra.ring_delay_ms=1",
        ]);
    if options.careless {
        command.arg("-Dcassandra.test.flush_local_schema_changes=false");
    }
    command.arg("org.apache.cassandra.service.CassandraDaemon");
    let process = Process::start("cassandra", command, &folder.join("cassandra.log"))?;
    ready::wait(&process, STARTS_WITHIN, &|| {
        Box::pin(answers(ports.cql.number()))
    })
    .await?;
    Ok(process)
}

/// It opens its port last of all. Asked for its options, it says that it supports some.
async fn answers(port: u16) -> anyhow::Result<()> {
    const OPTIONS: [u8; 9] = [4, 0, 0, 0, 5, 0, 0, 0, 0];
    const SUPPORTED: u8 = 6;
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
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
