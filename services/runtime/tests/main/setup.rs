//! `landfall setup`.

use std::collections::HashMap;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use proto::{User, consumer, stream};
use servers::nats::Access;

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn setup_makes_everything_once() {
    let bed = Bed::bare(Access::Users(HashMap::new()), &[]).await;
    let made = bed.set_up().await;
    assert_eq!(made.len(), stream::ALL.len() + consumer::all().len());
    assert!(
        made.contains(&"stream FILES created".to_owned()),
        "{made:?}"
    );
    assert_eq!(bed.set_up().await, [""; 0]);
    for file in ["readings", "watcher", "ingest", "mover", "notifier"] {
        let path = bed.folder().join(format!("store/{file}.db"));
        assert!(path.is_file(), "{}", path.display());
    }
    let jetstream = bed.jetstream(User::Setup).await;
    let files = jetstream.get_stream("FILES").await.unwrap();
    let config = &files.cached_info().config;
    assert_eq!(config.max_age.as_secs(), 7 * 24 * 60 * 60);
    assert_eq!(config.retention, RetentionPolicy::Limits);
    assert_eq!(config.max_bytes, -1);
    let delay = jetstream.get_stream("DELAY").await.unwrap();
    assert!(delay.cached_info().config.allow_message_schedules);
    assert_eq!(delay.cached_info().config.max_age.as_secs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_make_what_one_makes() {
    let bed = Bed::bare(Access::Users(HashMap::new()), &[]).await;
    let config = bed.config(User::Setup);
    let (one, other, third) = tokio::join!(
        runtime::setup(&config),
        runtime::setup(&config),
        runtime::setup(&config)
    );
    for made in [one, other, third] {
        made.unwrap();
    }
    assert_eq!(bed.set_up().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_mended_and_what_is_the_operators_is_kept() {
    let bed = Bed::open(&[]).await;
    let jetstream = bed.jetstream(User::Setup).await;
    let files = jetstream.get_stream("FILES").await.unwrap();
    jetstream
        .update_stream(Config {
            max_age: std::time::Duration::from_secs(3600),
            metadata: HashMap::from([("owner".to_owned(), "me".to_owned())]),
            max_message_size: 500_000,
            ..files.cached_info().config.clone()
        })
        .await
        .unwrap();
    let mover: PullConsumer = files.get_consumer("mover").await.unwrap();
    let mut config = mover.cached_info().config.clone();
    config.max_deliver = 100;
    let config = async_nats::jetstream::consumer::pull::Config {
        durable_name: config.durable_name,
        ack_wait: config.ack_wait,
        max_deliver: config.max_deliver,
        filter_subjects: config.filter_subjects,
        max_ack_pending: config.max_ack_pending,
        ..Default::default()
    };
    files.update_consumer(config).await.unwrap();

    let mended = bed.set_up().await;
    assert_eq!(
        mended,
        [
            "stream FILES updated: max_age is 3600s instead of 604800s",
            "consumer mover of stream FILES updated: max_deliver is 100 instead of 3"
        ]
    );
    assert_eq!(bed.set_up().await, [""; 0]);
    let files = jetstream.get_stream("FILES").await.unwrap();
    let config = &files.cached_info().config;
    assert_eq!(config.max_message_size, 500_000);
    assert_eq!(config.metadata["owner"], "me");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_one_line() {
    let bed = Bed::bare(Access::Users(HashMap::new()), &[]).await;
    let mut config = bed.config(User::Setup);
    config.nats.password = Some(runtime::config::Secret::new("wrong"));
    let refused = runtime::setup(&config).await.unwrap_err().to_string();
    let expected = format!(
        "nats is away: {} refuses user `setup`: mend `nats.user` or `nats.password`",
        bed.nats.url()
    );
    assert_eq!(refused, expected);
}
