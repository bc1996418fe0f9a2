//! Somebody who orders replays and retractions while everything goes wrong.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use proto::event::MoveOutcome;
use proto::{Data, FileId, User};

use super::plan::Order;
use super::run::PATIENCE;
use crate::events::Follower;
use crate::program;
use crate::wait::until;

/// How long a command about a file may take where nothing is away that it needs. It waits for
/// ingest for some seconds, and is started on a machine that has much else to do.
const COMMAND: Duration = Duration::from_secs(20);

/// What `landfall` says where it is right not to do what was ordered.
const RIGHT: [&str; 7] = [
    // The way before has not ended: it waits for its mail, or was ordered a moment ago.
    "it is on its way: ",
    // The way before was a retraction, of which no later step has anything to tell.
    "from which it cannot go on: ",
    // Each of its ten ways is gone.
    "there is room for no more",
    "its readings were taken out for good",
    // One that was taken and has not begun, since ingest has died or had no time.
    " came before it, and has to end",
    // An earlier order, whose command was cut off, was taken after all.
    "came first, so yours does not count",
    // It was ordered, and its end has not come within the time that was asked for.
    "waited for 2s: ",
];

/// Somebody with the command line.
pub(crate) struct Person<'a> {
    pub(crate) config: PathBuf,
    pub(crate) password: String,
    pub(crate) follower: &'a Follower,
}

/// The servers that a command needs, and the wires to them: how many of these are broken, and how
/// often one was.
#[derive(Default)]
pub(super) struct Needs {
    broken: Cell<usize>,
    breaks: Cell<usize>,
}

impl Needs {
    pub(super) fn breaks(&self) {
        self.broken.update(|broken| broken + 1);
        self.breaks.update(|breaks| breaks + 1);
    }

    pub(super) fn is_mended(&self) {
        self.broken.update(|broken| broken - 1);
    }

    /// How often something was broken; none while something is.
    fn whole(&self) -> Option<usize> {
        (self.broken.get() == 0).then(|| self.breaks.get())
    }
}

impl Person<'_> {
    /// Orders it of one file after another that was filed away, until it is done.
    pub(super) async fn insist(&self, order: impl Fn(usize) -> Order, needs: &Needs) -> Result<()> {
        let mut files = 0..;
        let done = until(PATIENCE, || {
            let order = order(files.next().unwrap_or_default());
            async move {
                self.order(order, needs)
                    .await
                    .map(|done| done.then_some(()))
                    .transpose()
            }
        });
        done.await
            .context("what is ordered last is done to no file")?
    }

    /// Orders something about a file that was filed away, if there is one; answers whether that is
    /// done. It may not be where that is right, and where something is away that it needs; then it
    /// is not ordered again.
    pub(super) async fn order(&self, order: Order, needs: &Needs) -> Result<bool> {
        let mut filed: Vec<FileId> = vec![];
        for seen in self.follower.all() {
            let archived = match &seen.event.data {
                Data::Moved(moved) => moved.outcome == MoveOutcome::Archived,
                _ => false,
            };
            if archived && !filed.contains(&seen.file().id) {
                filed.push(seen.file().id);
            }
        }
        let (Order::Replay { of, .. } | Order::Retract { of }) = order;
        let Some(file) = filed.get(of % filed.len().max(1)) else {
            return Ok(false);
        };
        let file = file.to_string();
        let arguments = match order {
            Order::Replay { from, .. } => vec!["replay", &file, "--from", from],
            // Its `retracted` may come later than we wait.
            Order::Retract { .. } => vec!["retract", &file, "--timeout", "2s"],
        };
        let whole = needs.whole();
        let Err(said) = self.command(&arguments).await? else {
            return Ok(true);
        };
        let right = RIGHT.iter().any(|right| said.contains(right));
        let excused = right || whole.is_none() || needs.whole() != whole;
        ensure!(excused, "`landfall {}`: {said}", arguments.join(" "));
        Ok(false)
    }

    /// Gives a command; the error is what it said where it did not do it.
    async fn command(&self, arguments: &[&str]) -> Result<Result<(), String>> {
        let mut command = tokio::process::Command::new(program::landfall());
        command
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .env("LANDFALL_NATS__USER", User::Operator.name())
            .env("LANDFALL_NATS__PASSWORD", &self.password)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let Ok(output) = tokio::time::timeout(COMMAND, command.output()).await else {
            return Ok(Err(format!("it has not ended within {COMMAND:?}")));
        };
        let output = output?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(if output.status.success() {
            Ok(())
        } else {
            Err(said)
        })
    }
}
