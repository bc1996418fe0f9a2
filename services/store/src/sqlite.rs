//! `SQLite`: one file for the readings, one for each journal.

use std::path::Path;

use crate::Result;

/// Readings in a `SQLite` file.
#[derive(Clone, Debug)]
pub struct Readings {}

/// A journal in a `SQLite` file.
#[derive(Clone, Debug)]
pub struct Journal {}

impl Readings {
    /// Opens the file, creating it and its schema if they are not there.
    pub async fn open(path: &Path) -> Result<Self> {
        let _ = path;
        unimplemented!()
    }
}

impl Journal {
    /// Opens the file, creating it and its schema if they are not there.
    pub async fn open(path: &Path) -> Result<Self> {
        let _ = path;
        unimplemented!()
    }
}
