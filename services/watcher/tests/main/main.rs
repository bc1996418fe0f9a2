//! The watcher on real NATS and real SeaweedFS with its webhook, and a duplicate window of 100 ms:
//! nothing may lean on it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

mod any_bytes;
mod arrivals;
mod backfill;
mod bed;
mod dead_letters;
mod http;
mod listener;
mod process;
mod proxy;
mod seaweedfs;
mod stuck;
mod sweep;
mod versions;
