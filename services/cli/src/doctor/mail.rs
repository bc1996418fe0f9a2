//! The mail server: greeting, TLS and login, and no mail.

use proto::User;
use runtime::Config;

use super::Scope;
use super::report::{Report, ok, warn, wrong};
use crate::failure::Failure;

const SMTP: &str = "smtp";

/// Checks it, if the notifier matters.
pub(super) async fn check(
    report: &mut Report,
    scope: &Scope,
    config: &Config,
) -> Result<(), Failure> {
    if !scope.has(User::Notifier) {
        return Ok(());
    }
    let smtp = &config.notifier.smtp;
    let greeted = async {
        match Box::pin(notifier::greet(config)).await {
            Ok(()) => ok(match &smtp.user {
                Some(user) => format!("{}:{}, logged in as `{user}`", smtp.host, smtp.port),
                None => format!("{}:{}, without a login", smtp.host, smtp.port),
            }),
            Err(why) => wrong(why),
        }
    };
    report.check(SMTP, "session", greeted).await?;
    let notifier = &config.notifier;
    let told = [&notifier.to, &notifier.operators]
        .into_iter()
        .chain(notifier.routes.iter().map(|route| &route.to))
        .any(|receivers| !receivers.is_empty());
    let receivers = async {
        match told {
            true => ok(""),
            false => warn("nobody is told of anything: set `notifier.to`"),
        }
    };
    report.check(SMTP, "receivers", receivers).await?;
    Ok(())
}
