//! Keyspaces of a test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use store::cql::{Access, Journal, Plan, Readings};
use tokio::sync::OnceCell;

use crate::server;

/// Whose journal it is.
pub(crate) const SERVICE: &str = "mover";

/// Keyspaces with nothing in them, which are made when they are first asked for.
pub(crate) struct Keyspaces {
    pub(crate) plan: Plan,
    journal: OnceCell<()>,
    readings: OnceCell<()>,
}

impl Keyspaces {
    pub(crate) fn new() -> Self {
        Self::of(plan())
    }

    pub(crate) fn of(plan: Plan) -> Self {
        Self {
            plan,
            journal: OnceCell::new(),
            readings: OnceCell::new(),
        }
    }

    pub(crate) async fn journal(&self, access: &Access) -> Arc<Journal> {
        let make = || async { Journal::set_up(access, &self.plan, SERVICE).await.unwrap() };
        self.journal.get_or_init(make).await;
        let journal = Journal::open(access, &self.plan, SERVICE).await;
        Arc::new(journal.unwrap())
    }

    pub(crate) async fn readings(&self, access: &Access) -> Arc<Readings> {
        let make = || async { Readings::set_up(access, &self.plan).await.unwrap() };
        self.readings.get_or_init(make).await;
        Arc::new(Readings::open(access, &self.plan).await.unwrap())
    }

    pub(crate) async fn shared_journal(&self) -> Arc<Journal> {
        self.journal(&server::access().await).await
    }

    pub(crate) async fn shared_readings(&self) -> Arc<Readings> {
        self.readings(&server::access().await).await
    }
}

/// With names that nobody has had, nor will.
pub(crate) fn plan() -> Plan {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = jiff::Timestamp::now().as_millisecond();
    let process = std::process::id();
    let name = |what| format!("test_{what}_{now}_{process}_{number}");
    Plan {
        readings: name("r"),
        journals: name("j"),
        ..Plan::default()
    }
}
