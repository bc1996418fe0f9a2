//! Whether the server has what a consumer needs. Services never create it themselves: two versions
//! of a service would undo each other's work.

use async_nats::jetstream::consumer::{self, FromConsumer, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::jetstream::{self, ErrorCode};
use proto::consumer::Consumer;

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
    let stream = consumer.stream;
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
    differing(
        &format!("stream {}", stream.name),
        &layout::stream_differences(&have.cached_info().config, &layout::stream(&stream, config)),
    )?;
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
