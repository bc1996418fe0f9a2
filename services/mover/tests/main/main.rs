//! The mover on a real store and a real journal.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]
#![expect(clippy::large_futures, reason = "tests have room")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod between;
mod chosen;
mod corrupted;
mod destination;
mod late;
mod relay;
mod replays;
mod rounds;
mod schedules;
mod site;
mod start;
mod versions;
