use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::jetstream;
use proto::User;
use proto::consumer::Consumer;
use store::Journal;
use tokio_util::sync::CancellationToken;

use crate::consume::Work;
use crate::service::Service;
use crate::{Config, Handler, Outbox, Publisher, Step, Trouble, databases};

/// What a service is given to start with.
pub struct Context {
    /// Who this service is.
    pub user: User,
    /// The whole configuration.
    pub config: Config,
    /// `JetStream`, with this service's rights.
    pub jetstream: jetstream::Context,
    /// The service's own journal.
    pub journal: Arc<dyn Journal>,
    /// Settles and publishes outcomes.
    pub outbox: Outbox,
    /// Publishes everything else.
    pub publisher: Publisher,
    /// Cancelled when the service is asked to stop.
    pub stop: CancellationToken,
    parts: Mutex<Vec<Part>>,
}

/// What a service has asked for; it begins once `start` has come to its end, so that a `start`
/// that meets an outage half-way can be called again.
pub(crate) enum Part {
    Consumer(Consumer, Work),
    Task(&'static str, Task),
}

type Task = Pin<Box<dyn Future<Output = Result<(), Trouble>> + Send>>;

impl Context {
    pub(crate) fn new(service: &Service) -> Self {
        Self {
            user: service.user,
            config: service.config.clone(),
            jetstream: service.jetstream.clone(),
            journal: Arc::clone(&service.journal),
            outbox: service.outbox.clone(),
            publisher: Publisher {
                jetstream: service.jetstream.clone(),
                link: Arc::clone(&service.link),
            },
            stop: service.stop.clone(),
            parts: Mutex::default(),
        }
    }

    /// The database of readings, opened.
    pub async fn readings(&self) -> Result<Arc<dyn store::Readings>, Trouble> {
        databases::readings(&self.config.store).await
    }

    /// Consumes `consumer` with `step`, in as many slots as configured, until asked to stop.
    /// Begins when the service has started.
    pub fn steps(&self, consumer: Consumer, step: Arc<dyn Step>) {
        self.add(Part::Consumer(consumer, Work::Steps(step)));
    }

    /// Consumes raw messages. Begins when the service has started.
    pub fn handle(&self, consumer: Consumer, handler: Arc<dyn Handler>) {
        self.add(Part::Consumer(consumer, Work::Raw(handler)));
    }

    /// Runs something beside the consumers (a listener, the sweep) until it ends or the service is
    /// asked to stop; then it has until the end of the drain. An error ends the service. Begins
    /// when the service has started.
    pub fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), Trouble>> + Send + 'static,
    ) {
        self.add(Part::Task(name, Box::pin(task)));
    }

    /// What was asked for since the last call of `start`.
    pub(crate) fn parts(&self) -> Vec<Part> {
        std::mem::take(&mut *self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Drops what a `start` that failed had asked for.
    pub(crate) fn forget_parts(&self) {
        drop(self.parts());
    }

    fn add(&self, part: Part) {
        self.parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(part);
    }
}
