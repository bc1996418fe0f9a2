//! Who hears of a file, and when: the first route that matches, else the default.

use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use lettre::message::Mailbox;
use proto::{Data, Event};
use runtime::config::notifier::{self as config, Outcome};

use crate::mailbox;

/// The most receivers that one mail may have: servers take at least that many at once (RFC 5321,
/// 4.5.3.1.8).
const MOST_RECEIVERS: usize = 100;

/// The routes, in order, and what holds where none matches.
#[derive(Debug)]
pub(crate) struct Routes {
    routes: Vec<Route>,
    to: Vec<Mailbox>,
    operators: Vec<Mailbox>,
    delay: Duration,
}

#[derive(Debug)]
struct Route {
    name: String,
    bucket: Option<GlobMatcher>,
    key: Option<GlobMatcher>,
    profile: Option<String>,
    outcome: Option<Outcome>,
    to: Vec<Mailbox>,
    delay: Option<Duration>,
}

/// What the routes say about one event.
#[derive(Debug, PartialEq)]
pub(crate) struct Choice<'a> {
    /// The route; none where none matched.
    pub(crate) route: Option<&'a str>,
    /// Who is told; nobody if empty.
    pub(crate) to: &'a [Mailbox],
    /// How long after the event.
    pub(crate) delay: Duration,
}

/// What a mail about `event` would be about; none if no mail is about such an event.
pub(crate) fn outcome(event: &Event) -> Option<Outcome> {
    match &event.data {
        Data::Moved(moved) if moved.rejected.is_some() => Some(Outcome::Rejected),
        Data::Moved(_) => Some(Outcome::Ingested),
        Data::Failed(_) => Some(Outcome::Failed),
        _ => None,
    }
}

impl Routes {
    /// The routes of the configuration, or the line that says what is wrong with them.
    pub(crate) fn new(config: &config::Config) -> Result<Self, String> {
        let to = receivers("[notifier] to", &config.to)?;
        Ok(Self {
            operators: match receivers("[notifier] operators", &config.operators)? {
                operators if operators.is_empty() => to.clone(),
                operators => operators,
            },
            to,
            delay: config.delay,
            routes: config
                .routes
                .iter()
                .map(Route::new)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Who hears of `event`, a `moved` or `failed`, and when.
    pub(crate) fn choose(&self, event: &Event, outcome: Outcome) -> Choice<'_> {
        match self
            .routes
            .iter()
            .find(|route| route.matches(event, outcome))
        {
            Some(route) => Choice {
                route: Some(&route.name),
                to: &route.to,
                delay: route.delay(outcome, self.delay),
            },
            None if outcome == Outcome::Failed => Choice {
                route: None,
                to: &self.operators,
                delay: Duration::ZERO,
            },
            None => Choice {
                route: None,
                to: &self.to,
                delay: usual_delay(outcome, self.delay),
            },
        }
    }

    /// The longest delay that a mail may have.
    pub(crate) fn longest_delay(&self) -> Duration {
        let of_routes = self.routes.iter().filter_map(|route| route.delay);
        of_routes.fold(self.delay, Duration::max)
    }
}

/// Bad news is told at once.
fn usual_delay(outcome: Outcome, delay: Duration) -> Duration {
    match outcome {
        Outcome::Ingested => delay,
        Outcome::Rejected | Outcome::Failed => Duration::ZERO,
    }
}

impl Route {
    fn new(config: &config::Route) -> Result<Self, String> {
        let at = format!("[[notifier.routes]] \"{}\"", config.name);
        if config.name.is_empty() {
            return Err(format!("{at}: name is empty; records and logs need one"));
        }
        Ok(Self {
            name: config.name.clone(),
            bucket: glob(&at, "bucket", config.bucket.as_deref())?,
            key: glob(&at, "key", config.key.as_deref())?,
            profile: config.profile.clone(),
            outcome: config.outcome,
            to: receivers(&format!("{at} to"), &config.to)?,
            delay: config.delay,
        })
    }

    /// All the conditions that are set hold. A `failed` has to be asked for by name, so that a
    /// route for some team's files does not take failures from the operators.
    fn matches(&self, event: &Event, outcome: Outcome) -> bool {
        let (file, _) = event.about();
        let fits = |glob: &Option<GlobMatcher>, text: &str| {
            glob.as_ref().is_none_or(|glob| glob.is_match(text))
        };
        let named = self.outcome.is_none_or(|named| named == outcome);
        let asked_for = outcome != Outcome::Failed || self.outcome == Some(Outcome::Failed);
        named
            && asked_for
            && fits(&self.bucket, &file.bucket)
            && fits(&self.key, &file.key)
            && self
                .profile
                .as_ref()
                .is_none_or(|profile| *profile == file.profile)
    }

    /// A route's delay is meant for ingested files, or for the outcome that it names.
    fn delay(&self, outcome: Outcome, default: Duration) -> Duration {
        match self.delay {
            Some(delay) if outcome == Outcome::Ingested || self.outcome.is_some() => delay,
            _ => usual_delay(outcome, default),
        }
    }
}

fn glob(at: &str, setting: &str, glob: Option<&str>) -> Result<Option<GlobMatcher>, String> {
    let Some(glob) = glob else { return Ok(None) };
    // As in profiles: `*` does not cross `/`, `**` does.
    GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map(|glob| Some(glob.compile_matcher()))
        .map_err(|error| format!("{at} {setting}: `{glob}` is no glob: {}", error.kind()))
}

/// Parses receivers; whoever is named twice is told once.
fn receivers(setting: &str, addresses: &[String]) -> Result<Vec<Mailbox>, String> {
    let mut receivers: Vec<Mailbox> = Vec::with_capacity(addresses.len());
    for address in addresses {
        let receiver = mailbox::parse(setting, address)?;
        if !receivers.iter().any(|known| known.email == receiver.email) {
            receivers.push(receiver);
        }
    }
    if receivers.len() > MOST_RECEIVERS {
        return Err(format!(
            "{setting}: {} receivers are more than one mail may have ({MOST_RECEIVERS}); let them \
             read a mailing list",
            receivers.len()
        ));
    }
    Ok(receivers)
}

#[cfg(test)]
#[path = "route/tests.rs"]
mod tests;
