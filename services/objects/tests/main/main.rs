//! The client against a real store, and against connections that break.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod blame;
mod keys;
mod probe;
mod read;
mod relay;
mod store;
mod write;
