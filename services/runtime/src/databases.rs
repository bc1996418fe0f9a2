//! Opens the configured databases.

mod asked;
mod cql;

use std::path::Path;
use std::sync::Arc;

pub use cql::access;
use failpoint::{Call, Subject, around};
use proto::User;
use store::{Journal, Readings, sqlite};

use self::asked::Asked;
use crate::Trouble;
use crate::config::store::{Config, Kind};

/// Who keeps a journal.
pub(crate) const JOURNALS: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// A service's own journal. No other service opens it; a person's command may look into it.
pub async fn journal(config: &Config, user: User) -> Result<Arc<dyn Journal>, Trouble> {
    let opened = around(Call::JournalOpen, Subject::NONE, open_journal(config, user));
    Ok(Arc::new(Asked {
        store: opened.await?,
        system: system(config.kind),
    }))
}

async fn open_journal(config: &Config, user: User) -> Result<Arc<dyn Journal>, Trouble> {
    match config.kind {
        Kind::Sqlite => {
            folder(&config.folder)?;
            let path = config.folder.join(format!("{user}.db"));
            Ok(Arc::new(sqlite::Journal::open(&path).await?))
        }
        Kind::Cql => {
            let (access, plan) = (access(&config.cql)?, config.cql.plan());
            let journal = store::cql::Journal::open(&access, &plan, user.name());
            Ok(Arc::new(journal.await?))
        }
    }
}

/// The database of readings.
pub async fn readings(config: &Config) -> Result<Arc<dyn Readings>, Trouble> {
    let opened = around(Call::ReadingsOpen, Subject::NONE, open_readings(config));
    Ok(Arc::new(Asked {
        store: opened.await?,
        system: system(config.kind),
    }))
}

async fn open_readings(config: &Config) -> Result<Arc<dyn Readings>, Trouble> {
    match config.kind {
        Kind::Sqlite => {
            folder(&config.folder)?;
            let path = config.folder.join("readings.db");
            Ok(Arc::new(sqlite::Readings::open(&path).await?))
        }
        Kind::Cql => {
            let (access, plan) = (access(&config.cql)?, config.cql.plan());
            Ok(Arc::new(store::cql::Readings::open(&access, &plan).await?))
        }
    }
}

fn system(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "sqlite",
        Kind::Cql => "cassandra",
    }
}

/// Makes what the configured databases need, where it is not there. Safe to repeat, and to do by
/// two at once.
pub(crate) async fn set_up(config: &Config) -> Result<(), Trouble> {
    match config.kind {
        // Whoever opens a file makes it.
        Kind::Sqlite => {
            readings(config).await?;
            for user in JOURNALS {
                journal(config, user).await?;
            }
        }
        Kind::Cql => {
            let (access, plan) = (access(&config.cql)?, config.cql.plan());
            store::cql::Readings::set_up(&access, &plan).await?;
            for user in JOURNALS {
                store::cql::Journal::set_up(&access, &plan, user.name()).await?;
            }
        }
    }
    Ok(())
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
