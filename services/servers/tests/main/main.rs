//! The servers, started for real.

#![expect(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod children;
mod mail;
mod nats;
mod permissions;
mod seaweedfs;
