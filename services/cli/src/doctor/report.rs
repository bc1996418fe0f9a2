//! What was found, a line a check.

use std::time::Duration;

use anstyle::Style;
use serde::Serialize;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::output::{self, BAD, BOLD, FAINT, GOOD, ODD, plain, styled};

/// How long one check may take: longer than whatever is asked in it.
const LIMIT: Duration = Duration::from_secs(30);

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// The services work with it.
    Warn,
    /// Something has to be mended.
    Wrong,
    /// It could not be looked at, or need not be.
    Skipped,
}

/// A verdict, and what there is to say of it.
pub(super) type Finding = (Verdict, String);

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    dependency: &'a str,
    check: &'a str,
    verdict: Verdict,
    detail: &'a str,
}

/// Prints and counts.
pub(super) struct Report {
    json: bool,
    coloured: bool,
    found: Vec<Verdict>,
    interrupted: watch::Receiver<bool>,
}

impl Report {
    /// Nothing was found yet. From now on Ctrl-C ends the command only after the check at hand, and
    /// the second time at once.
    pub(super) fn new(json: bool) -> Result<Self, Failure> {
        Ok(Self {
            json,
            coloured: output::stdout_is_coloured(),
            found: vec![],
            interrupted: interruptions()?,
        })
    }

    /// Prints what a check of a dependency found.
    pub(super) fn say(
        &mut self,
        dependency: &'static str,
        check: &str,
        verdict: Verdict,
        detail: &str,
    ) -> Result<(), Failure> {
        self.found.push(verdict);
        let line = if self.json {
            let line = Line {
                dependency,
                check,
                verdict,
                detail,
            };
            let line = serde_json::to_string(&line).map_err(anyhow::Error::from)?;
            output::json(&line).into_owned()
        } else {
            self.line(dependency, check, verdict, detail)
        };
        output::report(&line)
    }

    fn line(&self, dependency: &str, check: &str, verdict: Verdict, detail: &str) -> String {
        let (word, style) = verdict.shown();
        let word = styled(&format!("{word:<7}"), style, self.coloured).into_owned();
        let what = plain(&format!("{dependency}: {check}")).into_owned();
        let what = styled(&what, BOLD, self.coloured).into_owned();
        let detail = plain(detail);
        let between = if detail.is_empty() { "" } else { ": " };
        format!("{word}  {what}{between}{detail}")
    }

    /// Makes a check and prints what it found; answers whether that can be built on.
    pub(super) async fn check(
        &mut self,
        dependency: &'static str,
        check: &str,
        work: impl Future<Output = Finding>,
    ) -> Result<bool, Failure> {
        let silent = || (Verdict::Wrong, format!("no answer within {LIMIT:?}"));
        let (verdict, detail) = self.within_limit(work).await?.unwrap_or_else(silent);
        self.say(dependency, check, verdict, &detail)?;
        Ok(matches!(verdict, Verdict::Ok | Verdict::Warn))
    }

    /// What comes of a part of a check; none if it takes too long.
    pub(super) async fn within_limit<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<Option<T>, Failure> {
        if *self.interrupted.borrow() {
            return Err(Failure::failed("interrupted"));
        }
        // What was begun is ended, so that what it wrote is known.
        Ok(tokio::time::timeout(LIMIT, work).await.ok())
    }

    /// Ends when the command is interrupted.
    pub(super) async fn interruption(&self) {
        let mut interrupted = self.interrupted.clone();
        if interrupted.wait_for(|yes| *yes).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sums it up.
    pub(super) fn end(self) -> Result<(), Failure> {
        let count = |verdict| self.found.iter().filter(|found| **found == verdict).count();
        let wrong = count(Verdict::Wrong);
        if !self.json {
            let first = match wrong {
                0 => "all is well".to_owned(),
                wrong => format!("{wrong} wrong"),
            };
            let (warned, skipped) = (count(Verdict::Warn), count(Verdict::Skipped));
            let ok = count(Verdict::Ok);
            output::report(&format!(
                "{first}: {ok} ok, {warned} to look at, {skipped} skipped"
            ))?;
        }
        match wrong {
            0 => Ok(()),
            _ => Err(Failure::Told),
        }
    }
}

impl Verdict {
    fn shown(self) -> (&'static str, Style) {
        match self {
            Self::Ok => ("ok", GOOD),
            Self::Warn => ("warn", ODD),
            Self::Wrong => ("wrong", BAD),
            Self::Skipped => ("skipped", FAINT),
        }
    }
}

/// As it should be.
pub(super) fn ok(detail: impl Into<String>) -> Finding {
    (Verdict::Ok, detail.into())
}

/// Services work with it.
pub(super) fn warn(detail: impl Into<String>) -> Finding {
    (Verdict::Warn, detail.into())
}

/// Something has to be mended.
pub(super) fn wrong(detail: impl Into<String>) -> Finding {
    (Verdict::Wrong, detail.into())
}

/// Whether the command was interrupted: by Ctrl-C, or asked to end.
fn interruptions() -> Result<watch::Receiver<bool>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if first {
                eprintln!("stopping after this check; once more to stop at once");
                sender.send_replace(true);
            } else {
                std::process::exit(1);
            }
        }
    });
    Ok(receiver)
}
