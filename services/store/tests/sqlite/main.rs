//! Tests of the `SQLite` stores on real files.

mod conformance;
