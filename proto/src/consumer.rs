//! The durable pull consumers: one for each kind of work of a service, shared by its replicas.

use crate::event::What;
use crate::stream::{self, Stream};
use crate::{User, subject};

/// A durable consumer as `landfall setup` creates it and its service expects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The service that reads it; the durable name as well.
    pub user: User,
    /// The stream it reads.
    pub stream: Stream,
    /// Which subjects of it.
    pub filters: Vec<String>,
    /// Whether deliveries are bounded. The advisories' consumer is not: it is where a message
    /// that ran out of deliveries ends.
    pub bounded: bool,
}

impl Consumer {
    /// The durable name.
    pub fn name(&self) -> &'static str {
        self.user.name()
    }
}

fn files(user: User, whats: &[What]) -> Consumer {
    Consumer {
        user,
        stream: stream::FILES,
        filters: whats.iter().copied().map(subject::files_filter).collect(),
        bounded: true,
    }
}

/// Raw notifications, for the watcher.
pub fn watcher() -> Consumer {
    Consumer {
        user: User::Watcher,
        stream: stream::STORAGE,
        filters: vec!["storage.>".to_owned()],
        bounded: true,
    }
}

/// `arrived` and `commanded`, for ingest.
pub fn ingest() -> Consumer {
    files(User::Ingest, &[What::Arrived, What::Commanded])
}

/// `ingested` and `rejected`, for the mover.
pub fn mover() -> Consumer {
    files(User::Mover, &[What::Ingested, What::Rejected])
}

/// `moved` and `failed`, for the notifier.
pub fn notifier() -> Consumer {
    files(User::Notifier, &[What::Moved, What::Failed])
}

/// Wakes, for the notifier.
pub fn notifier_due() -> Consumer {
    Consumer {
        user: User::Notifier,
        stream: stream::DELAY,
        filters: vec![subject::DELAY_DUE.to_owned()],
        bounded: true,
    }
}

/// The work of one service.
pub fn of(user: User) -> Vec<Consumer> {
    match user {
        User::Watcher => vec![watcher()],
        User::Ingest => vec![ingest()],
        User::Mover => vec![mover()],
        User::Notifier => vec![notifier(), notifier_due()],
        User::Setup | User::Operator | User::Storage => vec![],
    }
}

/// The advisories about the work of one service: crash loops, which nobody else sees.
pub fn advisories(user: User) -> Option<Consumer> {
    let filters: Vec<String> = of(user)
        .iter()
        .flat_map(|consumer| {
            let (stream, name) = (consumer.stream.name, consumer.name());
            [
                subject::max_deliveries_advisory(stream, name),
                subject::terminated_advisory(stream, name),
            ]
        })
        .collect();
    (!filters.is_empty()).then_some(Consumer {
        user,
        stream: stream::DEAD,
        filters,
        bounded: false,
    })
}

/// Every consumer there is.
pub fn all() -> Vec<Consumer> {
    User::ALL
        .into_iter()
        .flat_map(|user| of(user).into_iter().chain(advisories(user)))
        .collect()
}
