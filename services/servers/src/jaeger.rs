//! Jaeger, which keeps traces in memory.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::port::Port;
use crate::ready::{self, Failure};
use crate::{Process, http, installed};

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A running Jaeger.
#[derive(Debug)]
pub struct Jaeger {
    /// Of OTLP over HTTP.
    otlp: Port,
    /// Of the API that its pages ask.
    query: Port,
    process: Process,
}

impl Jaeger {
    /// Starts one; its configuration and its log are in `folder`.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let folder = installed::prepare(folder)?;
        ready::retry(async |_| {
            let (otlp, query, grpc) = (Port::free()?, Port::free()?, Port::free()?);
            let file = folder.join("jaeger.json");
            let config = config([&otlp, &query, &grpc].map(|port| at(port.number())));
            std::fs::write(&file, config.to_string()).map_err(anyhow::Error::from)?;
            let mut command = Command::new(installed::jaeger()?);
            command.arg("--config").arg(file).current_dir(&folder);
            let process = Process::start("jaeger", command, &folder.join("jaeger.log"))?;
            let jaeger = Self {
                otlp,
                query,
                process,
            };
            jaeger.answers().await?;
            Ok(jaeger)
        })
        .await
    }

    /// What `[tracing] endpoint` is set to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", at(self.otlp.number()))
    }

    /// A trace as Jaeger's own page gets it; none as long as it knows no span of it.
    pub async fn trace(&self, id: &str) -> anyhow::Result<Option<Value>> {
        let path = format!("/api/traces/{id}");
        let (status, body) = http::request("GET", self.query.number(), &path).await?;
        if status == 404 {
            return Ok(None);
        }
        ensure!(status == 200, "it answers {status}: {body}");
        let answer: Value = serde_json::from_str(&body)?;
        let trace = answer["data"].get(0).context("it answers no trace")?;
        Ok(Some(trace.clone()))
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    async fn answers(&self) -> Result<(), Failure> {
        let ports = [self.otlp.number(), self.query.number()];
        let listens = || {
            Box::pin(async move {
                http::request("GET", ports[0], "/").await?;
                let (status, body) = http::request("GET", ports[1], "/api/services").await?;
                ensure!(status == 200, "it answers {status}: {body}");
                Ok(())
            }) as _
        };
        ready::wait(&self.process, STARTS_WITHIN, &listens).await
    }
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// As Jaeger's documentation has it for all in one process, with nothing but what is needed.
fn config([otlp, query, grpc]: [String; 3]) -> Value {
    json!({
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "exporters": ["jaeger_storage_exporter"],
                },
            },
            "telemetry": {"logs": {"level": "warn"}, "metrics": {"level": "none"}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 10_000}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": query},
                "grpc": {"endpoint": grpc},
            },
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": otlp}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
    })
}
