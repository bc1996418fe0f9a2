//! How streams and consumers have to look on the server: made by `setup`, expected by services.

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use proto::consumer::Consumer;
use proto::stream::{Retention, Stream};

use crate::config::nats;

/// How many messages may be under way to all replicas together. Messages that wait for their next
/// try count as well, so it is far above what slots alone need.
const MAX_ACK_PENDING: i64 = 10_000;

pub(crate) fn stream(stream: &Stream, config: &nats::Config) -> Config {
    Config {
        name: stream.name.to_owned(),
        description: Some(stream.description.to_owned()),
        subjects: stream
            .subjects
            .iter()
            .map(|&subject| subject.to_owned())
            .collect(),
        retention: match stream.retention {
            Retention::WorkQueue => RetentionPolicy::WorkQueue,
            Retention::Limits => RetentionPolicy::Limits,
        },
        // Schedules are refused in streams that discard new messages.
        discard: DiscardPolicy::Old,
        max_age: stream.max_age.unwrap_or_default(),
        storage: StorageType::File,
        num_replicas: config.replicas,
        duplicate_window: config.duplicate_window,
        allow_direct: true,
        allow_message_schedules: stream.schedules,
        ..Config::default()
    }
}

pub(crate) fn consumer(consumer: &Consumer, config: &nats::Config) -> pull::Config {
    let (filter_subject, filter_subjects) = match consumer.filters.as_slice() {
        [one] => (one.clone(), vec![]),
        several => (String::new(), several.to_vec()),
    };
    pull::Config {
        durable_name: Some(consumer.name().to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: config.ack_wait,
        max_deliver: if consumer.bounded {
            config.max_deliver
        } else {
            -1
        },
        filter_subject,
        filter_subjects,
        max_ack_pending: MAX_ACK_PENDING,
        ..pull::Config::default()
    }
}

/// Takes over what `setup` decides; whatever else is set (placement, compression, metadata, …) is
/// the operator's.
pub(crate) fn mend_stream(have: &Config, want: &Config) -> Config {
    Config {
        description: want.description.clone(),
        subjects: want.subjects.clone(),
        retention: want.retention,
        discard: want.discard,
        max_age: want.max_age,
        num_replicas: want.num_replicas,
        duplicate_window: want.duplicate_window,
        allow_direct: want.allow_direct,
        allow_message_schedules: want.allow_message_schedules,
        ..have.clone()
    }
}

/// What differs between two streams of what a service depends on, a few words each.
pub(crate) fn stream_differences(have: &Config, want: &Config) -> Vec<String> {
    let mut differences = Differences::default();
    differences.note("subjects", &sorted(&have.subjects), &sorted(&want.subjects));
    differences.note("retention", &have.retention, &want.retention);
    differences.note("discard", &have.discard, &want.discard);
    differences.note("max_age", &have.max_age, &want.max_age);
    differences.note("allow_direct", &have.allow_direct, &want.allow_direct);
    differences.note(
        "allow_msg_schedules",
        &have.allow_message_schedules,
        &want.allow_message_schedules,
    );
    differences.0
}

/// What differs beside it that `setup` alone looks at: services work with either.
pub(crate) fn stream_tuning(have: &Config, want: &Config) -> Vec<String> {
    let mut differences = Differences::default();
    differences.note("replicas", &have.num_replicas, &want.num_replicas);
    differences.note(
        "duplicate_window",
        &have.duplicate_window,
        &want.duplicate_window,
    );
    differences.note("description", &have.description, &want.description);
    differences.0
}

/// What differs between two consumers.
pub(crate) fn consumer_differences(have: &pull::Config, want: &pull::Config) -> Vec<String> {
    let mut differences = Differences::default();
    differences.note("filters", &filters(have), &filters(want));
    differences.note("ack_policy", &have.ack_policy, &want.ack_policy);
    differences.note("ack_wait", &have.ack_wait, &want.ack_wait);
    differences.note("max_deliver", &have.max_deliver, &want.max_deliver);
    differences.note(
        "max_ack_pending",
        &have.max_ack_pending,
        &want.max_ack_pending,
    );
    differences.0
}

fn filters(config: &pull::Config) -> Vec<String> {
    let mut all = config.filter_subjects.clone();
    if !config.filter_subject.is_empty() {
        all.push(config.filter_subject.clone());
    }
    sorted(&all)
}

fn sorted(subjects: &[String]) -> Vec<String> {
    let mut subjects = subjects.to_vec();
    subjects.sort();
    subjects
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn note<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, have: &T, want: &T) {
        if have != want {
            self.0
                .push(format!("{what} is {have:?} instead of {want:?}"));
        }
    }
}
