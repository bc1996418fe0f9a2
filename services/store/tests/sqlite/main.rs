//! Tests of the `SQLite` stores on real files.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a test opens the file itself")]

mod child;
mod conformance;
mod damage;
mod durability;
mod load;
mod opening;
mod sharing;
