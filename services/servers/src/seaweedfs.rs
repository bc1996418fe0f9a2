//! Object storage.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use crate::port::Port;
use crate::ready::{self, Failure};
use crate::{Process, http, installed, process, secret};

const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// Where `SeaweedFS` tells of uploads. It gives up at once when nobody listens there.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// `http://…/events`
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub token: String,
    /// What it tells of, as beginnings of `/buckets/<bucket>/<key>`; everything if there is none.
    pub paths: Vec<String>,
}

/// How the store is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Buckets that are there when it has started.
    pub buckets: Vec<String>,
    /// Where it tells of uploads.
    pub webhook: Option<Webhook>,
    /// The port of S3, if it is free; another otherwise.
    pub port: Option<u16>,
    /// Access key and secret key; random unless given.
    pub keys: Option<(String, String)>,
    /// Its folder has `s3.json`, in which the keys are, and `notification.toml` already.
    pub prepared: bool,
}

/// `SeaweedFS`: master, volumes, filer and S3 in one process.
#[derive(Debug)]
pub struct SeaweedFs {
    folder: PathBuf,
    access_key: String,
    secret_key: String,
    buckets: Vec<String>,
    ports: Ports,
    process: Process,
}

/// Every port that it opens; it keys its sockets in the temporary folder by them as well.
#[derive(Debug)]
struct Ports {
    master: Port,
    master_grpc: Port,
    volume: Port,
    volume_grpc: Port,
    filer: Port,
    filer_grpc: Port,
    s3: Port,
    s3_grpc: Port,
}

impl SeaweedFs {
    /// Starts a store whose files are in `folder`.
    pub async fn start(folder: &Path, options: Options) -> anyhow::Result<Self> {
        let folder = installed::prepare(folder)?;
        std::fs::create_dir_all(folder.join("data"))?;
        let (access_key, secret_key) = options
            .keys
            .clone()
            .unwrap_or_else(|| (secret::random(), secret::random()));
        if !options.prepared {
            let webhook = notification(options.webhook.as_ref());
            process::write(&folder.join("notification.toml"), &webhook)?;
            let identities = identities(&access_key, &secret_key);
            process::write(&folder.join("s3.json"), &identities)?;
        }
        ready::retry(async |attempt| {
            let ports = Ports::free(options.port.filter(|_| attempt == 1))?;
            let process = run(&folder, &ports, &options.buckets).await?;
            Ok(Self {
                folder: folder.clone(),
                access_key: access_key.clone(),
                secret_key: secret_key.clone(),
                buckets: options.buckets.clone(),
                ports,
                process,
            })
        })
        .await
    }

    /// `http://127.0.0.1:port` of the S3 API.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.s3.number())
    }

    /// Port of the S3 API.
    pub fn port(&self) -> u16 {
        self.ports.s3.number()
    }

    /// `http://127.0.0.1:port/buckets/` in a browser lists what is stored.
    pub fn filer(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.filer.number())
    }

    /// Access key of the one identity, which may do everything.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// Its secret key.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// Makes a bucket, if it is not there.
    pub async fn make_bucket(&mut self, name: &str) -> anyhow::Result<()> {
        make_bucket(&self.ports, name).await?;
        self.buckets.push(name.to_owned());
        Ok(())
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends it, by SIGKILL as well: asked to end, it takes up to minutes for the sake of clients
    /// that are elsewhere, and what it has answered for is with the kernel already.
    pub async fn stop(&self) {
        self.process.kill().await;
    }

    /// Kills it (SIGKILL).
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Starts it again on the same ports and files, after [`stop`](Self::stop) or
    /// [`kill`](Self::kill) (or without: then it is stopped).
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await;
        self.process = run(&self.folder, &self.ports, &self.buckets)
            .await
            .map_err(anyhow::Error::from)?;
        Ok(())
    }
}

impl Ports {
    fn free(s3: Option<u16>) -> anyhow::Result<Self> {
        Ok(Self {
            master: Port::free()?,
            master_grpc: Port::free()?,
            volume: Port::free()?,
            volume_grpc: Port::free()?,
            filer: Port::free()?,
            filer_grpc: Port::free()?,
            s3: Port::preferably(s3)?,
            s3_grpc: Port::free()?,
        })
    }

    fn options(&self) -> [(&'static str, u16); 8] {
        [
            ("-master.port", self.master.number()),
            ("-master.port.grpc", self.master_grpc.number()),
            ("-volume.port", self.volume.number()),
            ("-volume.port.grpc", self.volume_grpc.number()),
            ("-filer.port", self.filer.number()),
            ("-filer.port.grpc", self.filer_grpc.number()),
            ("-s3.port", self.s3.number()),
            ("-s3.port.grpc", self.s3_grpc.number()),
        ]
    }
}

async fn run(folder: &Path, ports: &Ports, buckets: &[String]) -> Result<Process, Failure> {
    let mut command = Command::new(installed::program("weed")?);
    command.current_dir(folder).args([
        "server",
        "-dir=data",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        "-s3.config=s3.json",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        // One node: no vote to wait for.
        "-master.peers=none",
        // Small volumes, so that a few buckets do not fill the disk with preallocation.
        "-master.volumeSizeLimitMB=128",
        "-volume.max=1000",
        // By default it takes nothing more while a hundredth of the disk is free.
        "-volume.minFreeSpace=128MiB",
        "-volume.preStopSeconds=0",
    ]);
    command.args(
        ports
            .options()
            .map(|(option, port)| format!("{option}={port}")),
    );
    let process = Process::start("seaweedfs", command, &folder.join("seaweedfs.log"))?;
    ready::wait(&process, STARTS_WITHIN, &|| {
        Box::pin(answers(ports, buckets))
    })
    .await?;
    Ok(process)
}

/// Ready means: files can be written to each bucket.
async fn answers(ports: &Ports, buckets: &[String]) -> anyhow::Result<()> {
    http::request("GET", ports.s3.number(), "/healthz").await?;
    for bucket in buckets {
        make_bucket(ports, bucket).await?;
    }
    Ok(())
}

/// A bucket is a folder of the filer. The first file of a bucket waits for volumes, so they are
/// asked for here.
async fn make_bucket(ports: &Ports, name: &str) -> anyhow::Result<()> {
    let path = format!("/buckets/{name}/");
    let (status, body) = http::request("POST", ports.filer.number(), &path).await?;
    // 409: it is there.
    ensure!(
        matches!(status, 201 | 409),
        "making the bucket {name} is answered with {status}: {body}"
    );
    let path = format!("/dir/assign?collection={name}");
    let (_, body) = http::request("GET", ports.master.number(), &path).await?;
    ensure!(
        body.contains("\"fid\""),
        "no volume for the bucket {name} (is the disk full?): {body}"
    );
    Ok(())
}

fn identities(access_key: &str, secret_key: &str) -> String {
    json!({
        "identities": [{
            "name": "landfall",
            "credentials": [{ "accessKey": access_key, "secretKey": secret_key }],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }]
    })
    .to_string()
}

fn notification(webhook: Option<&Webhook>) -> String {
    let Some(Webhook { url, token, paths }) = webhook else {
        return String::new();
    };
    // JSON's strings are TOML's basic strings, and its arrays are arrays.
    let (url, token, paths) = (json!(url), json!(token), json!(paths));
    format!(
        "[notification.webhook]\nenabled = true\nendpoint = {url}\nbearer_token = {token}\n\
         event_types = [\"create\", \"update\"]\npath_prefixes = {paths}\n\
         timeout_seconds = 10\nmax_retries = 5\nbackoff_seconds = 1\nmax_backoff_seconds = 5\n\
         workers = 8\nbuffer_size = 100000\n"
    )
}
