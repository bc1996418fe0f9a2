//! What a load costs.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tests::Usage;

/// Between two looks at the processes of a loader.
const LOOK: Duration = Duration::from_millis(20);

/// What a load took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// From its begin to its end, in seconds.
    pub(crate) seconds: f64,
    /// The loader's CPU seconds.
    pub(crate) cpu: f64,
    /// The most memory that the loader had, in KiB (`VmHWM`).
    pub(crate) peak: u64,
    /// The database's CPU seconds, where it is a process of its own.
    pub(crate) database: Option<f64>,
}

impl Cost {
    /// Of this process, all of it, but that it took so many seconds.
    pub(crate) fn of_this_process(seconds: f64) -> Result<Self> {
        let usage = Usage::of(std::process::id())?;
        Ok(Self {
            seconds,
            cpu: usage.seconds,
            peak: usage.most,
            database: None,
        })
    }

    /// Of a command that reports its cost itself, as JSON.
    pub(crate) async fn reported(command: Command) -> Result<Self> {
        let output = tokio::task::spawn_blocking(move || {
            let mut command = command;
            command.stderr(Stdio::inherit()).output()
        });
        let output = output.await??;
        ensure!(
            output.status.success(),
            "a loader ends with {}",
            output.status
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Of a command and its children, as the kernel counts them, a look at a time.
    pub(crate) async fn watched(mut command: Command) -> Result<Self> {
        let watch = move || {
            let began = Instant::now();
            let mut child = command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            let said = child.stdout.take().context("it is piped")?;
            let wrong = child.stderr.take().context("it is piped")?;
            let [said, wrong] = [
                std::thread::spawn(move || std::io::read_to_string(said)),
                std::thread::spawn(move || std::io::read_to_string(wrong)),
            ];
            let mut seen = HashMap::new();
            let status = loop {
                for pid in family(child.id()) {
                    // It may be gone by now.
                    if let Ok(usage) = Usage::of(pid) {
                        seen.insert(pid, usage);
                    }
                }
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                std::thread::sleep(LOOK);
            };
            let seconds = began.elapsed().as_secs_f64();
            let said = [said, wrong].map(|text| text.join().map(Result::unwrap_or_default));
            ensure!(status.success(), "a loader ends with {status}: {said:?}");
            Ok(Self {
                seconds,
                cpu: seen.values().map(|usage| usage.seconds).sum(),
                peak: seen.values().map(|usage| usage.most).sum(),
                database: None,
            })
        };
        tokio::task::spawn_blocking(watch).await?
    }

    /// Without what it takes to start and to load next to nothing.
    pub(crate) fn without(self, start: Self) -> Self {
        Self {
            seconds: (self.seconds - start.seconds).max(0.001),
            cpu: (self.cpu - start.cpu).max(0.0),
            ..self
        }
    }
}

/// A process and all that it has started.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        let children = format!("/proc/{pid}/task/{pid}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        all.extend(
            children
                .split(' ')
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
        at += 1;
    }
    all
}
