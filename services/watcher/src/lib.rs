//! The watcher: finds out that files have landed, gives each an identity and its place in time, and
//! says `arrived`.
//!
//! ```text
//! store ──POST /events──► listener ──► STORAGE ──► notifications ─┐
//! store ──NATS───────────────────────────┘                        ├─► look ──► arrived
//! listing ──────────────────────────────────────────────► sweep ──┘
//! ```
//!
//! Notifications are hints and may be lost, doubled, late or wrong: [`look`](look::look) asks the
//! store. The sweep finds what they missed.

mod away;
mod connected;
mod listener;
mod look;
mod measure;
mod missed;
pub mod notification;
mod notifications;
mod order;
mod sns;
mod sweep;
mod watched;

use std::sync::Arc;

use objects::Objects;
use proto::consumer;
use runtime::{Context, Trouble};

use connected::Connected;
use listener::{Limits, Listener, Senders};
use missed::Missed;
use notifications::Notifications;
use sns::{Https, Sns};
use sweep::{History, Lease, Listed, Renewed, Sweep, Wanted};
use watched::Watched;

/// Checks the settings, takes the address, and hands the work over.
pub async fn start(context: &Context) -> Result<(), Trouble> {
    let config = &context.config;
    let watched = Arc::new(Watched::new(config)?);
    let wanted = Wanted::default();
    let listener = match senders(&config.watcher)? {
        None => None,
        Some(senders) => {
            let address = config.watcher.listen;
            let jetstream = context.jetstream.clone();
            let limits = Limits::default();
            Some(Listener::bind(address, senders, jetstream, wanted.clone(), limits).await?)
        }
    };
    let connected = Arc::new(Connected {
        journal: Arc::clone(&context.journal),
        objects: Objects::new(&config.objects).await?,
        outbox: context.outbox.clone(),
        watched,
        missed: Missed::new(config.watcher.missed_share),
    });
    let sweep = Sweep {
        connected: Arc::clone(&connected),
        history: History::new(context.jetstream.clone()),
        lease: Lease::new(Arc::clone(&context.journal), own_name()?, sweep::LEASE),
        settings: config.watcher.clone(),
        listed: Listed::default(),
        renewed: Renewed::default(),
    };
    measure::describe();
    let stop = &context.stop;
    match listener {
        Some(listener) => {
            tracing::info!(address = %listener.address(), "taking notifications at POST /events");
            context.spawn("listener", listener.serve(stop.clone()));
        }
        None => tracing::info!(
            "POST /events is off: `[watcher] tokens` and `[watcher.sns] topics` are empty; \
             files are found by notifications over NATS and by the sweep"
        ),
    }
    let client = context.jetstream.client();
    context.spawn("away", away::notice(client, wanted.clone(), stop.clone()));
    context.spawn("sweep", sweep.run(wanted, stop.clone()));
    context.handle(consumer::watcher(), Arc::new(Notifications::new(connected)));
    Ok(())
}

/// Who may post; none: nobody.
fn senders(config: &runtime::config::watcher::Config) -> Result<Option<Senders>, Trouble> {
    let reject = |reason: String| Trouble::Reject { reason };
    let web = Arc::new(Https::new(None).map_err(reject)?);
    let sns = Sns::of(&config.sns.topics, web).map_err(reject)?;
    let tokens = config.tokens.clone();
    let anybody = sns.is_some() || !tokens.is_empty();
    Ok(anybody.then_some(Senders { tokens, sns }))
}

/// What tells this process from its peers.
fn own_name() -> Result<String, Trouble> {
    let random = getrandom::u64().map_err(|error| Trouble::Reject {
        reason: format!("the system gives no random numbers: {error}"),
    })?;
    Ok(format!("{random:016x}"))
}
