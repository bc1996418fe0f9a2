//! NATS: connection, version, rights, streams, consumers, clock.

use jiff::Timestamp;
use proto::consumer::{self, Consumer};
use proto::stream::{self, Stream};
use proto::{User, nats, user};
use runtime::inspection::Withheld;
use runtime::{Config, Inspection};

use super::report::{Finding, Report, Verdict, ok, warn, wrong};
use super::{Scope, clock};
use crate::failure::Failure;

const NATS: &str = "nats";

/// Checks all of it; answers the connection, if there is one that can be used.
pub(super) async fn check(
    report: &mut Report,
    scope: &Scope,
    config: &Config,
) -> Result<Option<Inspection>, Failure> {
    let mut connection = None;
    let connected = async {
        match Inspection::connect(scope.user, &config.nats).await {
            Ok(inspection) => {
                connection = Some(inspection);
                let name = config.nats.user.as_deref().unwrap_or(scope.user.name());
                ok(format!("{} as user `{name}`", config.nats.url))
            }
            Err(why) => wrong(mended(why)),
        }
    };
    report.check(NATS, "connection", connected).await?;
    let rest = "rights, streams, consumers, clock";
    let Some(inspection) = connection else {
        let why = "there is no connection";
        report.say(NATS, rest, Verdict::Skipped, why)?;
        return Ok(None);
    };
    let version = async {
        match inspection.version() {
            Ok(version) => ok(format!("nats-server {version}")),
            Err(why) => wrong(format!("{why}: install a newer one")),
        }
    };
    if !report.check(NATS, "version", version).await? {
        report.say(NATS, rest, Verdict::Skipped, "the server is too old")?;
        return Ok(None);
    }
    if !rights(report, scope, config, &inspection).await? {
        let rest = "streams, consumers, clock";
        let why = "no answer of the server can be heard";
        report.say(NATS, rest, Verdict::Skipped, why)?;
        return Ok(None);
    }
    layout(report, scope, &inspection).await?;
    let time = async {
        match inspection.now().await {
            Some(theirs) => clock::judge("nats", theirs, Timestamp::now()),
            None => (
                Verdict::Skipped,
                "JetStream does not say its time".to_owned(),
            ),
        }
    };
    report.check(NATS, "clock", time).await?;
    Ok(Some(inspection))
}

/// Which setting may be to blame that there is no connection, where that is not said.
fn mended(why: String) -> String {
    let text = why.to_ascii_lowercase();
    if why.contains('`') {
        why
    } else if text.contains("certificate") || text.contains("tls") {
        format!("{why}; see `nats.ca_file` and `nats.url`")
    } else {
        format!("{why}; see `nats.url`, and whether the server is up")
    }
}

/// Tries what the user may publish. Answers whether there is any use in asking on.
async fn rights(
    report: &mut Report,
    scope: &Scope,
    config: &Config,
    inspection: &Inspection,
) -> Result<bool, Failure> {
    let name = config.nats.user.as_deref().unwrap_or(scope.user.name());
    let mut there = 0;
    for subject in user::permissions(scope.user).publish {
        let tried = inspection.try_publishing(&subject);
        let silent = || Err(Withheld::Unknown("it takes too long".to_owned()));
        let missing = match report.within_limit(tried).await?.unwrap_or_else(silent) {
            Ok(()) => {
                there += 1;
                continue;
            }
            Err(Withheld::Publishing) => format!(
                "user `{name}` may not publish to `{subject}`: add it to `{}` \
                 (proto/nats/permissions.conf)",
                nats::variable(scope.user)
            ),
            Err(Withheld::Answers) => {
                let inbox = scope.user.inbox();
                let wrong = format!(
                    "user `{name}` may not subscribe to `{inbox}.>`, where answers to {} come: add \
                     it to what it may, or let `nats.user` be `{}`",
                    scope.user, scope.user
                );
                report.say(NATS, "rights", Verdict::Wrong, &wrong)?;
                return Ok(false);
            }
            Err(Withheld::Unknown(why)) => {
                format!("nothing comes of publishing to {subject}: {why}")
            }
        };
        report.say(NATS, "rights", Verdict::Wrong, &missing)?;
    }
    let said = format!("user `{name}` may publish to {there} subjects of the contract");
    report.say(NATS, "rights", Verdict::Ok, &said)?;
    Ok(true)
}

/// Looks at streams and consumers: all, or those of one service.
async fn layout(
    report: &mut Report,
    scope: &Scope,
    inspection: &Inspection,
) -> Result<(), Failure> {
    let sees_all = matches!(scope.user, User::Operator | User::Setup);
    let consumers: Vec<Consumer> = if sees_all {
        consumer::all()
    } else {
        let own = consumer::of(scope.user).into_iter();
        own.chain(consumer::advisories(scope.user)).collect()
    };
    let mut unfit = vec![];
    for stream in stream::ALL {
        if sees_all || consumers.iter().any(|consumer| consumer.stream == stream) {
            let check = format!("stream {}", stream.name);
            let looked = look_at_stream(inspection, &check, &stream);
            if !report.check(NATS, &check, looked).await? {
                unfit.push(stream);
            }
        }
    }
    for consumer in &consumers {
        let check = format!("consumer {} of {}", consumer.name(), consumer.stream.name);
        if unfit.contains(&consumer.stream) {
            let why = "its stream is not as it should be";
            report.say(NATS, &check, Verdict::Skipped, why)?;
            continue;
        }
        let looked = look_at_consumer(inspection, consumer);
        report.check(NATS, &check, looked).await?;
    }
    Ok(())
}

async fn look_at_stream(inspection: &Inspection, check: &str, stream: &Stream) -> Finding {
    match inspection.stream(stream).await {
        Ok(differences) if differences.is_empty() => ok(""),
        Ok(differences) => warn(format!("{}; run `landfall setup`", differences.join(", "))),
        Err(why) => wrong(without(&why, check)),
    }
}

async fn look_at_consumer(inspection: &Inspection, consumer: &Consumer) -> Finding {
    let check = format!(
        "consumer {} of stream {}",
        consumer.name(),
        consumer.stream.name
    );
    match inspection.consumer(consumer).await {
        Ok(true) => ok(""),
        // Advisories are rare, and looked at by the service that works on the rest.
        Ok(false) if consumer.stream == stream::DEAD => ok(""),
        Ok(false) => warn(format!(
            "nobody waits for its messages: start landfall-{}",
            consumer.user
        )),
        Err(why) => wrong(without(&why, &check)),
    }
}

/// Without what the line begins with already.
fn without(why: &str, check: &str) -> String {
    let rest = why.strip_prefix(check).unwrap_or(why);
    rest.trim_start_matches([':', ' ']).to_owned()
}
