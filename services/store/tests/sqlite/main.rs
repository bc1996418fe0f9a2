//! Tests of the `SQLite` stores on real files.
#![expect(clippy::unwrap_used, reason = "it ends at what it did not expect")]

mod conformance;
