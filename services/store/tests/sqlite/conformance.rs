use std::sync::Arc;

use async_trait::async_trait;
use conformance::Stores;
use store::{Journal, Readings, sqlite};
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Stores for Files {
    async fn journal(&self) -> Arc<dyn Journal> {
        let path = self.0.path().join("journal.db");
        Arc::new(sqlite::Journal::open(&path).await.unwrap())
    }

    async fn readings(&self) -> Arc<dyn Readings> {
        let path = self.0.path().join("readings.db");
        Arc::new(sqlite::Readings::open(&path).await.unwrap())
    }
}

conformance::suite!(Files::new());
