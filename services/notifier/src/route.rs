//! Who hears of a file, and when: the first route that matches, else the default.

use std::time::Duration;

use lettre::message::Mailbox;
use proto::{Data, Event};
use runtime::config::glob;
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
    config: config::Route,
    to: Vec<Mailbox>,
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
        let to = receivers("notifier.to", &config.to)?;
        Ok(Self {
            operators: match receivers("notifier.operators", &config.operators)? {
                operators if operators.is_empty() => to.clone(),
                operators => operators,
            },
            to,
            delay: config.delay,
            routes: config
                .routes
                .iter()
                .enumerate()
                .map(|(index, route)| Route::new(index, route))
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
                route: Some(&route.config.name),
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
}

/// Bad news is told at once.
fn usual_delay(outcome: Outcome, delay: Duration) -> Duration {
    match outcome {
        Outcome::Ingested => delay,
        Outcome::Rejected | Outcome::Failed => Duration::ZERO,
    }
}

impl Route {
    fn new(index: usize, config: &config::Route) -> Result<Self, String> {
        Ok(Self {
            to: receivers(&format!("notifier.routes[{index}].to"), &config.to)?,
            config: config.clone(),
        })
    }

    /// All the conditions that are set hold. A `failed` has to be asked for by name, so that a
    /// route for some team's files does not take failures from the operators.
    fn matches(&self, event: &Event, outcome: Outcome) -> bool {
        let (file, _) = event.about();
        let config = &self.config;
        let fits = |pattern: &Option<String>, text: &str| {
            pattern
                .as_ref()
                .is_none_or(|pattern| glob::matches(pattern, text))
        };
        let named = config.outcome.is_none_or(|named| named == outcome);
        let asked_for = outcome != Outcome::Failed || config.outcome == Some(Outcome::Failed);
        named
            && asked_for
            && fits(&config.bucket, &file.bucket)
            && fits(&config.key, &file.key)
            && config
                .profile
                .as_ref()
                .is_none_or(|profile| *profile == file.profile)
    }

    /// A route's delay is meant for ingested files, or for the outcome that it names.
    fn delay(&self, outcome: Outcome, default: Duration) -> Duration {
        match self.config.delay {
            Some(delay) if outcome == Outcome::Ingested || self.config.outcome.is_some() => delay,
            _ => usual_delay(outcome, default),
        }
    }
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
            "`{setting}`: {} receivers are more than one mail may have ({MOST_RECEIVERS}); let them \
             read a mailing list",
            receivers.len()
        ));
    }
    Ok(receivers)
}

#[cfg(test)]
#[path = "route/tests.rs"]
mod tests;
