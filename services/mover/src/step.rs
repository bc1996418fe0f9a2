//! The mover's step: from `ingested` or `rejected` to `moved`.

use std::sync::Arc;

use async_trait::async_trait;
use objects::Objects;
use proto::event::{Ingested, MoveOutcome, Moved, Rejected, Report};
use proto::{Data, Event, File};
use runtime::{Config, Message, Step, Trouble};
use store::Journal;

use crate::buckets::{self, Buckets};
use crate::claim::Claims;
use crate::filing::{Filing, Places};

/// Files away what ingest is done with.
pub struct Mover {
    objects: Objects,
    claims: Claims,
    buckets: Buckets,
    config: Config,
}

/// What an event asks for.
struct Order<'a> {
    file: &'a File,
    replay: u32,
    report: &'a Report,
    /// Why ingest refused the file, if it did.
    rejected: Option<&'a str>,
}

impl Mover {
    /// A mover that knows what the configured buckets' stores can promise. Refuses to start where
    /// that is too little; waits, as for an outage, where a bucket or a right is missing.
    pub async fn start(config: &Config, journal: Arc<dyn Journal>) -> Result<Self, Trouble> {
        let objects = Objects::new(&config.objects).await?;
        let buckets = Buckets::new(objects.clone(), &config.mover);
        buckets.probe_all(config).await?;
        Ok(Self {
            objects,
            claims: Claims::new(journal),
            buckets,
            config: config.clone(),
        })
    }

    /// Where an order's file goes: by what it is, and the profile that read it.
    fn places(&self, order: &Order<'_>) -> Places {
        let profile = self
            .config
            .profiles
            .iter()
            .find(|profile| profile.name == order.file.profile);
        let bucket = buckets::target(&self.config, profile, &order.file.bucket);
        let prefix = match order.rejected {
            Some(_) => &self.config.mover.rejected,
            None => &self.config.mover.processed,
        };
        Places::of(order.file, bucket, prefix)
    }

    async fn filing<'a>(
        &'a self,
        order: &Order<'a>,
        places: &'a Places,
    ) -> Result<Filing<'a>, Trouble> {
        Ok(Filing {
            objects: &self.objects,
            claims: &self.claims,
            file: order.file,
            replay: order.replay,
            places,
            source: self.buckets.source(&order.file.bucket).await?,
            target: self.buckets.target(&places.tagged.bucket).await?,
        })
    }
}

#[async_trait]
impl Step for Mover {
    /// Moves the file. Safe to repeat: see [`Filing::run`].
    async fn run(&self, event: &Event, _: &Message) -> Result<Option<Data>, Trouble> {
        let order = Order::of(&event.data).ok_or_else(|| Trouble::Reject {
            reason: format!("the mover has no use for `{}`", event.data.what().token()),
        })?;
        let places = self.places(&order);
        let (outcome, destination) = self.filing(&order, &places).await?.run().await?;
        metrics::counter!("landfall_mover_files_total", "outcome" => label(outcome)).increment(1);
        Ok(Some(Data::Moved(Moved {
            file: order.file.clone(),
            replay: order.replay,
            outcome,
            destination,
            rejected: order.rejected.map(str::to_owned),
            report: order.report.clone(),
        })))
    }

    /// Where another try's outcome is stored, removes copies that this file has beside it: a copy
    /// that the store finished after the other had found the source gone or replaced, or one
    /// under the file's other name. Safe to repeat: it removes only copies with this file's label
    /// that are not the stored destination.
    async fn stored(&self, outcome: &Event, answered: Option<&Data>) -> Result<(), Trouble> {
        let Data::Moved(moved) = &outcome.data else {
            return Ok(());
        };
        if answered == Some(&outcome.data) {
            return Ok(());
        }
        let order = Order {
            file: &moved.file,
            replay: moved.replay,
            report: &moved.report,
            rejected: moved.rejected.as_deref(),
        };
        let places = self.places(&order);
        self.filing(&order, &places)
            .await?
            .remove_copies(moved.destination.as_ref())
            .await
    }
}

impl<'a> Order<'a> {
    fn of(data: &'a Data) -> Option<Self> {
        match data {
            Data::Ingested(Ingested {
                file,
                replay,
                report,
            }) => Some(Self {
                file,
                replay: *replay,
                report,
                rejected: None,
            }),
            Data::Rejected(Rejected {
                file,
                replay,
                reason,
                report,
            }) => Some(Self {
                file,
                replay: *replay,
                report,
                rejected: Some(reason),
            }),
            _ => None,
        }
    }
}

fn label(outcome: MoveOutcome) -> &'static str {
    match outcome {
        MoveOutcome::Archived => "archived",
        MoveOutcome::Replaced => "replaced",
        MoveOutcome::Gone => "gone",
    }
}
