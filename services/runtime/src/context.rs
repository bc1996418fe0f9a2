use std::process::ExitCode;
use std::sync::Arc;

use async_nats::jetstream;
use proto::User;
use proto::consumer::Consumer;
use store::Journal;
use tokio_util::sync::CancellationToken;

use crate::{Config, Handler, Outbox, Step, Trouble};

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
    /// Cancelled when the service is asked to stop.
    pub stop: CancellationToken,
}

impl Context {
    /// The database of readings, opened.
    pub async fn readings(&self) -> Result<Arc<dyn store::Readings>, Trouble> {
        unimplemented!()
    }

    /// Consumes `consumer` with `step`, in as many slots as configured, until asked to stop.
    pub fn steps(&self, consumer: Consumer, step: Arc<dyn Step>) {
        let _ = (consumer, step);
        unimplemented!()
    }

    /// Consumes raw messages.
    pub fn handle(&self, consumer: Consumer, handler: Arc<dyn Handler>) {
        let _ = (consumer, handler);
        unimplemented!()
    }

    /// Runs something beside the consumers (a listener, the sweep) until it ends or the service is
    /// asked to stop. An error ends the service.
    pub fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), Trouble>> + Send + 'static,
    ) {
        let _ = (name, task);
        unimplemented!()
    }
}

/// The whole of a service's `main`: trace, configuration, connections, `start`, then consume
/// until a signal, and drain. `start` is called again while it answers [`Trouble::Outage`].
pub fn main<F>(user: User, start: F) -> ExitCode
where
    F: AsyncFn(&Context) -> Result<(), Trouble>,
{
    let _ = (user, start);
    unimplemented!()
}
