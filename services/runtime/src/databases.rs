//! Opens the configured databases.

mod failpoints;

use std::path::Path;
use std::sync::Arc;

use failpoint::{Call, Subject, around};
use proto::User;
use store::{Journal, Readings, sqlite};

use crate::Trouble;
use crate::config::store::{Config, Kind};

/// Who keeps a journal.
pub(crate) const JOURNALS: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// A service's own journal. No other service opens it; a person's command may look into it.
pub async fn journal(config: &Config, user: User) -> Result<Arc<dyn Journal>, Trouble> {
    let opened = around(Call::JournalOpen, Subject::NONE, open_journal(config, user));
    Ok(failpoints::journal(opened.await?))
}

async fn open_journal(config: &Config, user: User) -> Result<Arc<dyn Journal>, Trouble> {
    match config.kind {
        Kind::Sqlite => {
            folder(&config.folder)?;
            let path = config.folder.join(format!("{user}.db"));
            Ok(Arc::new(sqlite::Journal::open(&path).await?))
        }
    }
}

/// The database of readings.
pub async fn readings(config: &Config) -> Result<Arc<dyn Readings>, Trouble> {
    let opened = around(Call::ReadingsOpen, Subject::NONE, open_readings(config));
    Ok(failpoints::readings(opened.await?))
}

async fn open_readings(config: &Config) -> Result<Arc<dyn Readings>, Trouble> {
    match config.kind {
        Kind::Sqlite => {
            folder(&config.folder)?;
            let path = config.folder.join("readings.db");
            Ok(Arc::new(sqlite::Readings::open(&path).await?))
        }
    }
}

fn folder(folder: &Path) -> Result<(), Trouble> {
    std::fs::create_dir_all(folder).map_err(|error| Trouble::Outage {
        dependency: "store",
        reason: format!(
            "`store.folder`: cannot create {}: {error}",
            folder.display()
        ),
    })
}
