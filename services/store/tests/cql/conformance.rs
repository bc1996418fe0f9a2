use std::sync::Arc;

use async_trait::async_trait;
use conformance::Stores;
use store::{Journal, Readings};

use crate::keyspaces::Keyspaces;

#[async_trait]
impl Stores for Keyspaces {
    async fn journal(&self) -> Arc<dyn Journal> {
        self.shared_journal().await
    }

    async fn readings(&self) -> Arc<dyn Readings> {
        self.shared_readings().await
    }
}

conformance::suite!(Keyspaces::new());
