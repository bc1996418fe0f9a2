//! Whether the server has what a consumer needs. Services never create it themselves: two versions
//! of a service would undo each other's work.

use async_nats::jetstream::consumer::{self, FromConsumer, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{self, ConsumerErrorKind};
use async_nats::jetstream::{self, ErrorCode};
use proto::consumer::Consumer;
use proto::stream::Stream;

use crate::config::nats::Config;
use crate::layout;

/// A consumer as the server has it.
pub(crate) type Pull = consumer::Consumer<pull::Config>;

/// The consumer, if it and its stream are as `setup` makes them; otherwise one line that says what
/// differs and how to mend it.
pub(crate) async fn verify(
    jetstream: &jetstream::Context,
    consumer: &Consumer,
    config: &Config,
) -> Result<Pull, String> {
    stream(jetstream, &consumer.stream, config).await?;
    self::consumer(jetstream, consumer, config).await
}

/// The same of a stream alone; answers how it is set.
#[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
pub(crate) async fn stream(
    jetstream: &jetstream::Context,
    stream: &Stream,
    config: &Config,
) -> Result<stream::Config, String> {
    let have = jetstream
        .get_stream(stream.name)
        .await
        .map_err(|error| match error.kind() {
            GetStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                format!("stream {} is missing: run `landfall setup`", stream.name)
            }
            _ => format!("cannot look at stream {}: {error}", stream.name),
        })?;
    let have = have.cached_info().config.clone();
    differing(
        &format!("stream {}", stream.name),
        &layout::stream_differences(&have, &layout::stream(stream, config)),
    )?;
    Ok(have)
}

/// The same of a consumer alone.
#[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
pub(crate) async fn consumer(
    jetstream: &jetstream::Context,
    consumer: &Consumer,
    config: &Config,
) -> Result<Pull, String> {
    let stream = consumer.stream;
    let what = format!("consumer {} of stream {}", consumer.name(), stream.name);
    let pull: Pull = jetstream
        .get_consumer_from_stream(consumer.name(), stream.name)
        .await
        .map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND =>
            {
                format!("{what} is missing: run `landfall setup`")
            }
            _ => format!("cannot look at {what}: {error}"),
        })?;
    let have = pull::Config::try_from_consumer_config(pull.cached_info().config.clone())
        .map_err(|error| format!("{what}: {error}; delete it and run `landfall setup`"))?;
    differing(
        &what,
        &layout::consumer_differences(&have, &layout::consumer(consumer, config)),
    )?;
    Ok(pull)
}

fn differing(what: &str, differences: &[String]) -> Result<(), String> {
    if differences.is_empty() {
        return Ok(());
    }
    let differences = differences.join(", ");
    Err(format!("{what}: {differences}; run `landfall setup`"))
}
