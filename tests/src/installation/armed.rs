//! Services with failpoints: what a test sends to its end at a place of its choice.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, ensure};
use proto::User;

use super::Installation;
use crate::service::Service;
use crate::wait::{PATIENCE, until};

/// A replica of a service that has its failpoints recorded, and may have one armed. It is no part
/// of what the installation stops and counts. Dropped, it is killed.
#[derive(Debug)]
pub struct Armed {
    service: Service,
    hits: PathBuf,
}

impl Installation {
    /// Starts a replica with `failpoint` (`publish.before=kill`; nothing if empty), without
    /// waiting for it.
    pub fn arm(&mut self, user: User, failpoint: &str) -> Result<Armed> {
        self.started += 1;
        let name = format!("{user}-{}", self.started);
        let hits = self.folder().join(format!("{name}.hits"));
        let mut replica = self.replica(user, 0);
        let environment = &mut replica.environment;
        environment.push(("LANDFALL_TEST_FAILPOINT_LOG", hits.clone().into_os_string()));
        if !failpoint.is_empty() {
            environment.push(("LANDFALL_TEST_FAILPOINT", failpoint.into()));
        }
        let service = replica.start(&name)?;
        Ok(Armed { service, hits })
    }
}

impl Armed {
    /// Waits until it is ready, or has ended before that: then how.
    pub async fn ready_or_ended(&self) -> Result<Option<ExitStatus>> {
        match (self.service.ready().await, self.service.process.status()) {
            (_, Some(status)) => Ok(Some(status)),
            (ready, None) => ready.map(|()| None),
        }
    }

    /// How it ended; none if it has not within `patience`.
    pub async fn ended_within(&self, patience: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(patience, self.service.process.ended())
            .await
            .ok()
    }

    /// The points that it has hit so far, as a failpoint names them.
    pub fn hits(&self) -> Result<BTreeSet<String>> {
        Ok(self.hits_in_order()?.into_iter().collect())
    }

    /// [`hits`](Self::hits), in the order in which they were hit first.
    pub fn hits_in_order(&self) -> Result<Vec<String>> {
        let text = match std::fs::read_to_string(&self.hits) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Waits until it has hit a point.
    pub async fn has_hit(&self, point: &str) -> Result<()> {
        let hit = until(PATIENCE, async || {
            self.hits().ok()?.contains(point).then_some(())
        });
        ensure!(
            hit.await.is_some(),
            "{} does not come to {point}; its last lines:\n{}",
            self.service.process.name(),
            self.last_lines()
        );
        Ok(())
    }

    /// Asks it to end in good order (SIGTERM); answers how it did.
    pub async fn stop(&self) -> ExitStatus {
        self.service.process.stop().await
    }

    /// What it said last.
    pub fn last_lines(&self) -> String {
        self.service.process.last_lines(20)
    }
}

/// Whether a process ended as `kill -9` ends it.
pub fn is_killed(status: ExitStatus) -> bool {
    const SIGKILL: i32 = 9;
    status.signal() == Some(SIGKILL)
}
