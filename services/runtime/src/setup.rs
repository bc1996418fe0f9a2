//! `landfall setup`: makes streams and consumers as the contract has them, and opens the
//! databases.

use std::sync::Arc;

use async_nats::Client;
use async_nats::jetstream::consumer::{FromConsumer, pull};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::jetstream::{self, ErrorCode};
use proto::User;
use proto::consumer::{self, Consumer};
use proto::stream::{self, Stream};

use crate::config::{self, Config};
use crate::nats::{self, Link};
use crate::outage::Outages;
use crate::{Trouble, databases, layout};

/// The first server with message schedules.
const OLDEST: (i64, i64, i64) = (2, 12, 0);

/// Creates or updates what the services expect: streams, consumers, databases. Answers one line
/// for each thing that was created or changed.
///
/// Safe to repeat, and to run by two at once: a stream or consumer that is as it should be is left
/// alone, and creating one that another has just created alike is no error to the server.
pub async fn setup(config: &Config) -> Result<Vec<String>, Trouble> {
    let link = Arc::new(Link::default());
    let outages = Arc::new(Outages::default());
    let client = nats::connect(User::Setup, &config.nats, Arc::clone(&link), outages)
        .await
        .map_err(away)?;
    new_enough(&client, &config.nats).map_err(refused)?;
    let jetstream = jetstream::new(client);
    let mut done = vec![];
    let streams = async {
        // Advisories must have their stream before there is anything to advise about.
        for stream in stream::ALL.iter().rev() {
            done.extend(make_stream(&jetstream, stream, &config.nats).await?);
        }
        for consumer in consumer::all() {
            done.extend(make_consumer(&jetstream, &consumer, &config.nats).await?);
        }
        Ok(())
    };
    streams
        .await
        .map_err(|trouble: Trouble| match link.denied() {
            // The answer to a denied request never comes; what came instead says why.
            Some(denied) => refused(denial(&config.nats, &denied)),
            None => trouble,
        })?;
    databases::set_up(&config.store).await?;
    Ok(done)
}

/// The server's version, if it has message schedules.
pub(crate) fn new_enough(client: &Client, config: &config::nats::Config) -> Result<String, String> {
    let (major, minor, patch) = OLDEST;
    let version = client.server_info().version;
    if client.is_server_compatible(major, minor, patch) {
        return Ok(version);
    }
    Err(format!(
        "nats-server {version} at {} is too old: message schedules need {major}.{minor} or later",
        config.url
    ))
}

/// The right that is missing matters to `setup` alone: any other user has not got many.
fn denial(config: &config::nats::Config, denied: &str) -> String {
    let setup = User::Setup.name();
    match config.user.as_deref() {
        Some(user) if user != setup => format!(
            "NATS user `{user}` may not set up streams and consumers: run setup as NATS user \
             `{setup}` (`nats.user`, `nats.password`)"
        ),
        _ => format!(
            "{denied}; give the user the right that the contract's permissions list \
             (deploy/nats/users.conf)"
        ),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is set up once has no failpoints"
)]
async fn make_stream(
    jetstream: &jetstream::Context,
    stream: &Stream,
    config: &config::nats::Config,
) -> Result<Option<String>, Trouble> {
    let want = layout::stream(stream, config);
    let name = stream.name;
    loop {
        match jetstream.get_stream(name).await {
            Ok(have) => {
                let have = &have.cached_info().config;
                let mut differences = layout::stream_differences(have, &want);
                differences.extend(layout::stream_tuning(have, &want));
                if differences.is_empty() {
                    return Ok(None);
                }
                let mended = layout::mend_stream(have, &want);
                return match jetstream.update_stream(mended).await {
                    Ok(_) => Ok(Some(format!(
                        "stream {name} updated: {}",
                        differences.join(", ")
                    ))),
                    Err(error) => Err(stream_trouble(&format!("update stream {name}"), &error)),
                };
            }
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
                GetStreamErrorKind::JetStream(error) => {
                    return Err(refused(format!("cannot look at stream {name}: {error}")));
                }
                _ => {
                    return Err(away(format!(
                        "cannot look at stream {name}: {error}; is JetStream enabled on the server?"
                    )));
                }
            },
        }
        match jetstream.create_stream(want.clone()).await {
            Ok(_) => return Ok(Some(format!("stream {name} created"))),
            Err(error) => match error.kind() {
                // Somebody was faster, with other settings: look again.
                CreateStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NAME_EXIST => {}
                _ => return Err(stream_trouble(&format!("create stream {name}"), &error)),
            },
        }
    }
}

fn stream_trouble(what: &str, error: &async_nats::error::Error<CreateStreamErrorKind>) -> Trouble {
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => refused(format!("cannot {what}: {error}")),
        _ => away(format!("cannot {what}: {error}")),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is set up once has no failpoints"
)]
async fn make_consumer(
    jetstream: &jetstream::Context,
    consumer: &Consumer,
    config: &config::nats::Config,
) -> Result<Option<String>, Trouble> {
    let want = layout::consumer(consumer, config);
    let (name, stream) = (consumer.name(), consumer.stream.name);
    let what = format!("consumer {name} of stream {stream}");
    let trouble = |doing: &str, error: &jetstream::stream::ConsumerError| {
        let reason = format!("cannot {doing} {what}: {error}");
        match error.kind() {
            ConsumerErrorKind::JetStream(_) => refused(reason),
            _ => away(reason),
        }
    };
    let have = jetstream
        .get_consumer_from_stream::<pull::Config, _, _>(name, stream)
        .await;
    let differences = match have {
        Ok(have) => {
            let have = pull::Config::try_from_consumer_config(have.cached_info().config.clone())
                .map_err(|error| refused(format!("{what}: {error}; delete it")))?;
            let differences = layout::consumer_differences(&have, &want);
            if differences.is_empty() {
                return Ok(None);
            }
            Some(differences.join(", "))
        }
        Err(error) => match error.kind() {
            ConsumerErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND =>
            {
                None
            }
            _ => return Err(trouble("look at", &error)),
        },
    };
    // Creates it, or updates the one that is there.
    jetstream
        .create_consumer_on_stream(want, stream)
        .await
        .map_err(|error| trouble("create", &error))?;
    Ok(Some(match differences {
        None => format!("{what} created"),
        Some(differences) => format!("{what} updated: {differences}"),
    }))
}

fn away(reason: String) -> Trouble {
    Trouble::Outage {
        dependency: nats::NATS,
        reason,
    }
}

fn refused(reason: String) -> Trouble {
    Trouble::Reject { reason }
}
