//! NATS, as a person with the command line meets it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerError};
use proto::User;
use runtime::config::nats::Config;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What the server refused, if it did. The request itself gets no answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denied(Arc<Mutex<Option<String>>>);

impl Denied {
    /// What was refused last.
    pub(crate) fn what(&self) -> Option<String> {
        let what = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what.clone()
    }
}

/// Connects as `nats.user`, or as the operator.
#[expect(
    clippy::disallowed_methods,
    reason = "a person's command has no failpoints"
)]
pub(crate) async fn connect(config: &Config) -> anyhow::Result<(Client, Denied)> {
    let user = config.user.as_deref().unwrap_or(User::Operator.name());
    let denied = Denied::default();
    let mut options = ConnectOptions::new()
        .name("landfall")
        .custom_inbox_prefix(format!("_INBOX_{user}"))
        .connection_timeout(TIMEOUT)
        .request_timeout(Some(TIMEOUT));
    if let Some(password) = &config.password {
        options = options.user_and_password(user.to_owned(), password.expose().to_owned());
    }
    if let Some(file) = &config.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    let told = denied.clone();
    options = options.event_callback(move |event| {
        told.hear(&event);
        std::future::ready(())
    });
    let servers: Vec<&str> = config.url.split(',').map(str::trim).collect();
    match options.connect(servers).await {
        Ok(client) => Ok((client, denied)),
        Err(error) => match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => bail!(
                "nats at {} refuses user `{user}`: mend `nats.user` or `nats.password`",
                config.url
            ),
            _ => bail!("nats at {} cannot be reached: {error}", config.url),
        },
    }
}

impl Denied {
    fn hear(&self, event: &Event) {
        match event {
            Event::Disconnected => eprintln!("the connection to nats is lost; waiting for it"),
            Event::Connected => {}
            Event::ServerError(ServerError::Other(what))
                if what.to_ascii_lowercase().contains("permissions violation") =>
            {
                let mut denied = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                *denied = Some(what.clone());
            }
            _ => {}
        }
    }
}
