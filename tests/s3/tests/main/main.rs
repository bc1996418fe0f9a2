//! What it answers, asked by Amazon's client.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod fates;
mod requests;
mod table;
