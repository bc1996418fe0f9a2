//! Object storage: buckets, rights, preconditions, clock.

use std::collections::BTreeSet;

use jiff::Timestamp;
use mover::buckets::Buckets;
use objects::rights::{self, Area, Need, Step};
use objects::trial::Obstacle;
use objects::{Objects, Trial};
use proto::User;
use runtime::{Config, Trouble};

use super::report::{Finding, Report, Verdict, ok, warn, wrong};
use super::{Scope, clock};
use crate::failure::Failure;

/// The name of the dependency.
pub(super) const STORAGE: &str = "storage";

/// Checks all of it; answers whether objects can be uploaded to where files arrive.
pub(super) async fn check(
    report: &mut Report,
    scope: &Scope,
    config: &Config,
    trial: &Trial,
) -> Result<bool, Failure> {
    let Some(first) = config.watcher.buckets.first() else {
        let why = "no bucket is watched: name one, as in `[[watcher.buckets]]` with \
                   `name = \"sensors\"`";
        report.say(STORAGE, "buckets", Verdict::Wrong, why)?;
        return Ok(false);
    };
    // First of all: a store refuses what seems to be signed at another time.
    if let Some(theirs) = trial.clock(&first.name).await {
        let judged = async { clock::judge("the object store", theirs, Timestamp::now()) };
        if !report.check(STORAGE, "clock", judged).await? {
            let why = "what is signed now would be refused";
            report.say(STORAGE, "all else about it", Verdict::Skipped, why)?;
            return Ok(false);
        }
    }
    let steps = rights::steps(config, &scope.users());
    let mut walk = Walk::default();
    if !walk.all(report, &steps, trial).await? {
        return Ok(false);
    }
    if scope.has(User::Mover) && !config.leaves_everything() {
        preconditions(report, config, &walk).await?;
    }
    let cannot_upload = |step: &Step| matches!(step.need, Need::Upload(_));
    Ok(!walk.failed.iter().any(cannot_upload))
}

/// What became of the steps.
#[derive(Default)]
struct Walk {
    /// Those that failed, and those that were not tried.
    failed: Vec<Step>,
    /// Buckets with which something is wrong as a whole.
    closed: BTreeSet<String>,
}

impl Walk {
    /// Takes every step, and says in one line which of a kind are allowed. Answers whether the
    /// store is there.
    async fn all(
        &mut self,
        report: &mut Report,
        steps: &[Step],
        trial: &Trial,
    ) -> Result<bool, Failure> {
        let name = |step: &Step| format!("{} in bucket `{}`", step.need.name(), step.at.bucket);
        for alike in steps.chunk_by(|one, other| name(one) == name(other)) {
            let check = name(&alike[0]);
            let mut allowed = BTreeSet::new();
            for step in alike {
                if self.closed.contains(&step.at.bucket) {
                    self.failed.push(step.clone());
                    continue;
                }
                let silent = || Err(Obstacle::Store("the store does not answer".to_owned()));
                let taken = report.within_limit(trial.take(step)).await?;
                match taken.unwrap_or_else(silent) {
                    Ok(true) => {
                        allowed.insert(format!("{:?}", step.at.prefix));
                    }
                    Ok(false) => {
                        let why = "there is nothing that could be copied";
                        report.say(STORAGE, &check, Verdict::Skipped, why)?;
                    }
                    Err(Obstacle::Store(why)) => {
                        let line =
                            format!("{why}; see `objects.endpoint`, and whether the store is up");
                        report.say(STORAGE, &check, Verdict::Wrong, &line)?;
                        let rest = "all else about it";
                        report.say(STORAGE, rest, Verdict::Skipped, "the store is away")?;
                        return Ok(false);
                    }
                    Err(Obstacle::Bucket(why)) => {
                        report.say(STORAGE, &check, Verdict::Wrong, &why)?;
                        self.closed.insert(step.at.bucket.clone());
                        self.failed.push(step.clone());
                    }
                    Err(Obstacle::Step(why)) => {
                        report.say(STORAGE, &check, Verdict::Wrong, &why)?;
                        self.failed.push(step.clone());
                    }
                }
            }
            if !allowed.is_empty() {
                let allowed = Vec::from_iter(allowed).join(", ");
                report.say(STORAGE, &check, Verdict::Ok, &allowed)?;
            }
        }
        for bucket in &self.closed {
            let rest = format!("all else in bucket `{bucket}`");
            report.say(STORAGE, &rest, Verdict::Skipped, "it cannot be used")?;
        }
        Ok(true)
    }

    /// Whether the mover's probe of a bucket would fail for want of a right.
    fn keeps_from_probing(&self, bucket: &str) -> bool {
        let mut failed = self.failed.iter();
        failed.any(|step| {
            let is_part = matches!(step.need, Need::List(_)) || step.at.area == Area::Probes;
            step.at.bucket == bucket && is_part
        })
    }
}

/// Whether the store honours the conditions under which the mover works, as it finds out itself.
async fn preconditions(report: &mut Report, config: &Config, walk: &Walk) -> Result<(), Failure> {
    let objects = Objects::new(&config.objects).await;
    let buckets = Buckets::new(objects.map_err(Failure::failed)?, &config.mover);
    for bucket in &config.watcher.buckets {
        let check = format!("preconditions in bucket `{}`", bucket.name);
        if walk.keeps_from_probing(&bucket.name) {
            let why = "a right that it takes to try them is missing";
            report.say(STORAGE, &check, Verdict::Skipped, why)?;
            continue;
        }
        let probed = probed(&buckets, &bucket.name);
        report.check(STORAGE, &check, probed).await?;
    }
    Ok(())
}

async fn probed(buckets: &Buckets, bucket: &str) -> Finding {
    match Box::pin(buckets.source(bucket)).await {
        Ok(found) if found.versioned => ok("the bucket keeps versions"),
        Ok(found) if found.delete_if_match => ok("conditional copies and deletes are honoured"),
        Ok(_) => warn(
            "conditional deletes are ignored, which `mover.accept_unconditional_delete` accepts",
        ),
        Err(Trouble::Outage { reason, .. }) => wrong(reason),
        Err(trouble) => wrong(trouble.to_string()),
    }
}
