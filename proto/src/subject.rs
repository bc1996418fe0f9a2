//! Subjects: few of them, and never one per file (the schedules of `DELAY` apart, which are
//! short-lived).

use crate::{FileId, User, What};

/// How many streams `FILES` is split into. The token is in every subject so that this can grow.
pub const PARTITIONS: u64 = 1;

/// Raw notifications that came in over HTTP.
pub const STORAGE_HTTP: &str = "storage.http";

/// The stores that can publish their notifications to NATS themselves, each to
/// [`storage`] of its name.
pub const STORAGE_SENDERS: [&str; 3] = ["minio", "rustfs", "versitygw"];

/// What `landfall backfill` wants taken. Only a person may say that: these objects may lie anywhere.
pub const STORAGE_BACKFILL: &str = "storage.backfill";

/// What a schedule delivers once it is due.
pub const DELAY_DUE: &str = "delay.due";

/// `storage.<sender>`: raw notifications that a store published itself.
pub fn storage(sender: &str) -> String {
    format!("storage.{sender}")
}

/// The partition a file belongs to: file id modulo [`PARTITIONS`].
pub fn partition(file: FileId) -> u64 {
    let number = u128::from_be_bytes(file.bytes());
    u64::try_from(number % u128::from(PARTITIONS)).unwrap_or_default()
}

/// `files.<partition>.<what>.<profile>`
pub fn files(file: FileId, what: What, profile: &str) -> String {
    format!("files.{}.{}.{profile}", partition(file), what.token())
}

/// Every partition and profile of one kind of event.
pub fn files_filter(what: What) -> String {
    format!("files.*.{}.*", what.token())
}

/// `delay.wait.<file>.<replay>`: the schedule of one file's mail.
pub fn delay_wait(file: FileId, replay: u32) -> String {
    format!("delay.wait.{file}.{replay}")
}

/// `dead.<service>`: what a service gave up on.
pub fn dead(user: User) -> String {
    format!("dead.{}", user.name())
}

/// Where the server says that a message ran out of deliveries.
pub fn max_deliveries_advisory(stream: &str, consumer: &str) -> String {
    format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{stream}.{consumer}")
}

/// Where the server says that a message was terminated.
pub fn terminated_advisory(stream: &str, consumer: &str) -> String {
    format!("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{stream}.{consumer}")
}

/// Whether `name` may be a profile's: it is a subject token, so `[a-z0-9-]{1,64}`.
pub fn is_profile_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Whether some subject matches both patterns (`*` is any token, a last `>` one or more).
pub fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) | (None, None) => return true,
            (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
            _ => return false,
        }
    }
}
