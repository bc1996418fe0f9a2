//! Where readings and journals are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[store]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which database.
    pub kind: Kind,
    /// Folder of the `SQLite` files: `readings.db`, and one `<service>.db` a journal.
    pub folder: PathBuf,
}

/// Which database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Files on this machine.
    #[default]
    Sqlite,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kind: Kind::Sqlite,
            folder: PathBuf::from("landfall-data"),
        }
    }
}
