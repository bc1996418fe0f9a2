//! A service from its connections to its drain.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use jiff::Timestamp;
use proto::{User, consumer};
use store::Journal;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::advisory::Advisories;
use crate::consume::{Loop, Work};
use crate::context::{Context, Part};
use crate::health::{self, Health};
use crate::nats::{self, Link};
use crate::outage::{Gate, Outages};
use crate::{Config, Outbox, Trouble, databases, metering};

/// How often outcomes without the mark of their publication are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// How often old rows of the journal are removed.
const FORGET: Duration = Duration::from_secs(60 * 60);

/// What everything inside a service shares.
pub(crate) struct Service {
    pub(crate) user: User,
    pub(crate) config: Config,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) link: Arc<Link>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) outbox: Outbox,
    pub(crate) outages: Arc<Outages>,
    pub(crate) health: Arc<Health>,
    /// Cancelled when the service is asked to stop.
    pub(crate) stop: CancellationToken,
    /// Cancelled when what is in progress has had its time.
    pub(crate) deadline: CancellationToken,
}

/// Runs a service until `stop` is cancelled, and drains it: what [`crate::main`] does between its
/// command line and its exit code. An error is something that ended the service by itself.
pub async fn run<F>(
    user: User,
    config: Config,
    stop: CancellationToken,
    start: F,
) -> Result<(), Trouble>
where
    F: AsyncFn(&Context) -> Result<(), Trouble>,
{
    metering::start(user);
    let outages = Arc::new(Outages::default());
    let health = Arc::new(Health::new(Arc::clone(&outages)));
    let over = CancellationToken::new();
    let _over = over.clone().drop_guard();
    let listener = listen(&config).await?;
    let mut probes = tokio::spawn(health::serve(listener, Arc::clone(&health), over));

    let Some(service) = connect(user, config, &outages, &health, &stop).await? else {
        return Ok(());
    };
    let context = Context::new(&service);
    let gate = Gate::new();
    let started = outages.outlast(&stop, &gate, async || {
        context.forget_parts();
        start(&context).await
    });
    match started.await {
        None => return Ok(()),
        Some(Err(fault)) => return Err(fault.into()),
        Some(Ok(())) => {}
    }
    let mut parts = launch(&service, context.parts());
    health.met("start");
    tracing::info!(service = %user, "started");
    let outcome = tokio::select! {
        outcome = watch(&service, &mut parts) => outcome,
        ended = &mut probes => outcome(ended.map(|ended| ("probes", ended))),
    };
    drain(&service, &mut parts).await;
    outcome
}

async fn listen(config: &Config) -> Result<TcpListener, Trouble> {
    let address = config.service.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Trouble::Retry {
            reason: format!("`service.listen`: cannot listen on {address}: {error}"),
        })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "probes and metrics");
    }
    Ok(listener)
}

/// Connects to NATS and opens the journal, however long both take. None: asked to stop.
async fn connect(
    user: User,
    config: Config,
    outages: &Arc<Outages>,
    health: &Arc<Health>,
    stop: &CancellationToken,
) -> Result<Option<Arc<Service>>, Trouble> {
    let link = Arc::new(Link::default());
    let connected = nats::connect_patiently(user, &config.nats, &link, outages, stop);
    let Some(client) = connected.await else {
        return Ok(None);
    };
    health.watch(client.clone());
    let gate = Gate::new();
    let open = || databases::journal(&config.store, user);
    let journal = match outages.outlast(stop, &gate, open).await {
        None => return Ok(None),
        Some(Err(fault)) => return Err(fault.into()),
        Some(Ok(journal)) => journal,
    };
    let jetstream = jetstream::new(client);
    let outbox = Outbox::new(
        user,
        Arc::clone(&journal),
        jetstream.clone(),
        Arc::clone(&link),
    );
    Ok(Some(Arc::new(Service {
        user,
        config,
        jetstream,
        link,
        journal,
        outbox,
        outages: Arc::clone(outages),
        health: Arc::clone(health),
        stop: stop.clone(),
        deadline: CancellationToken::new(),
    })))
}

type Parts = JoinSet<(&'static str, Result<(), Trouble>)>;

/// Starts what `start` has asked for, and what every service does beside it.
fn launch(service: &Arc<Service>, own: Vec<Part>) -> Parts {
    let mut parts = JoinSet::new();
    let mut consume = |consumer, work| {
        service
            .health
            .unmet(&Loop::name(&consumer), "not looked at yet");
        let consuming = Loop::new(Arc::clone(service), consumer, work).run();
        parts.spawn(async move { ("consumer", consuming.await) });
    };
    if let Some(consumer) = consumer::advisories(service.user) {
        let advisories = Advisories::new(Arc::clone(service));
        consume(consumer, Work::Raw(Arc::new(advisories)));
    }
    let mut tasks = vec![];
    for part in own {
        match part {
            Part::Consumer(consumer, work) => consume(consumer, work),
            Part::Task(name, task) => tasks.push((name, task)),
        }
    }
    for (name, task) in tasks {
        let deadline = service.deadline.clone();
        parts.spawn(async move {
            let done = deadline.run_until_cancelled(task).await;
            (name, done.unwrap_or(Ok(())))
        });
    }
    let sweeper = sweep(Arc::clone(service));
    parts.spawn(async move {
        sweeper.await;
        ("sweep", Ok(()))
    });
    parts
}

/// Waits until the service is asked to stop, or something ends it.
async fn watch(service: &Service, parts: &mut Parts) -> Result<(), Trouble> {
    loop {
        let ended = tokio::select! {
            () = service.stop.cancelled() => return Ok(()),
            Some(ended) = parts.join_next() => ended,
        };
        outcome(ended)?;
    }
}

fn outcome(ended: Result<(&'static str, Result<(), Trouble>), JoinError>) -> Result<(), Trouble> {
    match ended {
        Ok((_, Ok(()))) => Ok(()),
        Ok((name, Err(trouble))) => Err(Trouble::Retry {
            reason: format!("{name} failed: {trouble}"),
        }),
        Err(error) => Err(Trouble::Retry {
            reason: format!("a part of the service ended: {error}"),
        }),
    }
}

/// Stops everything: what is in progress has until the deadline, then it is handed back.
async fn drain(service: &Service, parts: &mut Parts) {
    const LAST_WORDS: Duration = Duration::from_secs(5);
    service.stop.cancel();
    service.health.unmet("stop", "draining");
    let (deadline, patience) = (service.deadline.clone(), service.config.service.drain);
    let timer = tokio::spawn(async move {
        tokio::time::sleep(patience).await;
        deadline.cancel();
    });
    let all = async {
        while let Some(ended) = parts.join_next().await {
            if let Err(trouble) = outcome(ended) {
                tracing::error!(reason = trouble.to_string(), "failed while draining");
            }
        }
    };
    if tokio::time::timeout(patience + LAST_WORDS, all)
        .await
        .is_err()
    {
        tracing::warn!("something did not stop in time and was cut off");
    }
    timer.abort();
    // Acknowledgements are queued in the client: none may stay behind.
    let flush = service.jetstream.client();
    if !matches!(
        tokio::time::timeout(LAST_WORDS, flush.flush()).await,
        Ok(Ok(()))
    ) {
        tracing::warn!("nats did not confirm the last answers; what they were about comes again");
    }
    tracing::info!(service = %service.user, "stopped");
}

/// Publishes what has no mark, or what `FILES` has lost, at start and every minute, and removes old
/// rows every hour.
///
/// Safe to repeat and to run in several replicas: an outcome published twice is one to whoever
/// reads it, and old rows are old for everybody.
async fn sweep(service: Arc<Service>) {
    let gate = Gate::new();
    let mut settled = vec![Timestamp::MIN..Timestamp::MAX];
    let mut forgotten: Option<tokio::time::Instant> = None;
    let mut extent = None;
    loop {
        let recovered = async || {
            let extent = service.outbox.recover(extent).await?;
            let mut published = 0;
            for times in &settled {
                published += service.outbox.sweep(times).await?;
            }
            Ok((extent, published))
        };
        let swept = service.outages.outlast(&service.stop, &gate, recovered);
        let swept = swept.await.map(|swept| {
            swept.map(|(now, published)| {
                extent = Some(now);
                published
            })
        });
        match swept {
            None => return,
            Some(Ok(0)) => {}
            Some(Ok(published)) => {
                tracing::info!(published, "published outcomes that had no mark of it");
            }
            Some(Err(fault)) => {
                tracing::error!(
                    reason = Trouble::from(fault).to_string(),
                    "outcomes could not be published"
                );
            }
        }
        if forgotten.is_none_or(|when| when.elapsed() > FORGET) {
            forget(&service, &gate).await;
            forgotten = Some(tokio::time::Instant::now());
        }
        let pause = tokio::time::sleep(SWEEP);
        if service.stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
        settled = Outbox::settled_elsewhen(Timestamp::now()).to_vec();
    }
}

async fn forget(service: &Service, gate: &Gate) {
    let retention = service.config.service.journal_retention;
    let Ok(before) = Timestamp::now().checked_sub(retention) else {
        return;
    };
    let forget = async || {
        service.journal.renew(&[], &[crate::outbox::note()]).await?;
        Ok(service.journal.forget(before).await?)
    };
    match service.outages.outlast(&service.stop, gate, forget).await {
        None | Some(Ok(0)) => {}
        Some(Ok(rows)) => tracing::info!(rows, "removed old rows of the journal"),
        Some(Err(fault)) => {
            tracing::error!(
                reason = Trouble::from(fault).to_string(),
                "old rows could not be removed"
            );
        }
    }
}
