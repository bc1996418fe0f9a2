//! Whether the store tells of uploads: one of ours, and how long that takes.

use std::time::{Duration, Instant};

use objects::Trial;
use objects::rights::{self, Need, Place};
use proto::{User, consumer, nats, stream};
use runtime::inspection::Heard;
use runtime::{Config, Inspection};

use super::Scope;
use super::report::{Finding, Report, Verdict, ok, wrong};
use crate::failure::Failure;

const NOTIFICATION: &str = "notifications";

/// Where they come, whoever sends them: what the stream `STORAGE` takes.
const NOTIFICATIONS: &str = stream::STORAGE.subjects[0];

/// Uploads an object to each place where files arrive, and waits until somebody says so in the
/// stream of notifications. The watcher passes it over by its name.
pub(super) async fn check(
    report: &mut Report,
    scope: &Scope,
    config: &Config,
    (connected, trial): (Option<&Inspection>, Option<&Trial>),
    patience: Duration,
) -> Result<(), Failure> {
    if scope.only && scope.user != User::Operator {
        return Ok(());
    }
    let why = match (scope.user, connected, trial) {
        (User::Operator, Some(inspection), Some(trial)) => {
            return each(report, config, inspection, trial, patience).await;
        }
        (User::Operator, None, _) => "NATS cannot be used",
        (User::Operator, _, None) => "nothing can be uploaded",
        _ => "only the NATS user `operator` may hear them",
    };
    report.say(NOTIFICATION, "of an upload", Verdict::Skipped, why)
}

async fn each(
    report: &mut Report,
    config: &Config,
    inspection: &Inspection,
    trial: &Trial,
    patience: Duration,
) -> Result<(), Failure> {
    let steps = rights::steps(config, &[User::Operator]).into_iter();
    let uploads = steps.filter(|step| matches!(step.need, Need::Upload(_)));
    for (number, step) in uploads.enumerate() {
        let Place { bucket, prefix, .. } = &step.at;
        let check = format!("of an upload to {prefix:?} in bucket `{bucket}`");
        let finding = match begin(inspection, trial, (&step.at, number)).await {
            Ok((heard, mark)) => tokio::select! {
                finding = hear(heard, &mark, patience) => finding,
                // What was uploaded is known by now.
                () = report.interruption() => return Err(Failure::failed("interrupted")),
            },
            Err(why) => Some(wrong(why)),
        };
        let (verdict, detail) = match finding {
            Some(finding) => finding,
            None => missing(config, inspection, patience).await,
        };
        report.say(NOTIFICATION, &check, verdict, &detail)?;
    }
    Ok(())
}

/// Listens and uploads; answers what is heard from then on, and what stands in the upload's name.
async fn begin(
    inspection: &Inspection,
    trial: &Trial,
    (place, number): (&Place, usize),
) -> Result<(Heard, String), String> {
    let heard = inspection.listen(NOTIFICATIONS).await?;
    let mark = trial.upload(place, number).await?;
    Ok((heard, mark))
}

/// What is heard of an upload; none if it is nothing.
async fn hear(mut heard: Heard, mark: &str, patience: Duration) -> Option<Finding> {
    let start = Instant::now();
    match heard.mention(mark, patience).await {
        Ok(subject) => {
            let took = start.elapsed().as_millis();
            subject.map(|subject| ok(format!("came on `{subject}` after {took} ms")))
        }
        Err(denied) => Some(wrong(format!(
            "{denied}: let `{}` subscribe to `{NOTIFICATIONS}` (proto/nats/permissions.conf)",
            nats::variable(User::Operator)
        ))),
    }
}

/// Why nothing may have come, by whether there is anybody to take what the store posts.
async fn missing(config: &Config, inspection: &Inspection, patience: Duration) -> Finding {
    let posts = !config.watcher.tokens.is_empty() || !config.watcher.sns.topics.is_empty();
    let watcher = inspection.consumer(&consumer::watcher()).await;
    let mending = match watcher {
        Ok(false) if posts => {
            "the watcher, which takes what the store posts, does not run: start landfall-watcher \
             and try again"
                .to_owned()
        }
        _ if posts => format!(
            "let the store post to http://HOST:{}/events with `Authorization: Bearer` and one of \
             `watcher.tokens`, or publish to NATS as user `storage`",
            config.watcher.listen.port()
        ),
        _ => {
            "set `watcher.tokens` and let the store post to /events, or let it publish to NATS as \
              user `storage`"
                .to_owned()
        }
    };
    let sweep = config.watcher.sweep_every;
    wrong(format!(
        "none within {patience:?}, so that files are found by listing alone, every {sweep:?}: \
         {mending}"
    ))
}
