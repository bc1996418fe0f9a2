//! The mover on a real store and a real journal.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod between;
mod chosen;
mod corrupted;
mod destination;
mod late;
mod relay;
mod replays;
mod rounds;
mod site;
mod start;
mod versions;
