//! The mover's step: from `ingested` or `rejected` to `moved`.

use std::sync::Arc;

use async_trait::async_trait;
use objects::{Objects, archive};
use proto::event::{Ingested, Location, MoveOutcome, Moved, Rejected, Replayed, Report, Stage};
use proto::{Data, Event, File};
use runtime::config::mover::After;
use runtime::{Config, Message, Step, Trouble};
use store::Journal;
use store::journal::Cell;

use crate::buckets::Buckets;
use crate::claim::{Claims, Shelf};
use crate::filing::{Filing, Places, reject};
use crate::refiling::Refiling;
use crate::source;

/// Files away what ingest is done with.
pub struct Mover {
    objects: Objects,
    journal: Arc<dyn Journal>,
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
    /// Who ordered this way, if it is not the first.
    replayed: &'a Option<Replayed>,
}

impl Mover {
    /// A mover that knows what the configured buckets' stores can promise. Refuses to start where
    /// that is too little; waits, as for an outage, where a bucket or a right is missing.
    pub async fn start(config: &Config, journal: Arc<dyn Journal>) -> Result<Self, Trouble> {
        metrics::describe_counter!(
            "landfall_mover_files_total",
            metrics::Unit::Count,
            "Files that were moved, by what became of them; a redelivery counts again"
        );
        let objects = Objects::new(&config.objects).await?;
        let buckets = Buckets::new(objects.clone(), &config.mover);
        buckets.probe_all(config).await?;
        Ok(Self {
            objects,
            claims: Claims::new(Arc::clone(&journal)),
            journal,
            buckets,
            config: config.clone(),
        })
    }

    /// Where an order's file would go by the configuration: by what it is, and the profile that
    /// read it. What was rejected is in no database, and is never deleted.
    fn shelf(&self, order: &Order<'_>) -> Shelf {
        let mover = &self.config.mover;
        let own = self.config.own(&order.file.profile);
        let rejected = order.rejected.is_some();
        let place = mover.place(own, &order.file.bucket, rejected);
        Shelf {
            after: match mover.after(own) {
                After::Delete if rejected => After::Move,
                after => after,
            },
            bucket: place.bucket.to_owned(),
            prefix: place.prefix.to_owned(),
        }
    }

    /// Moves the file of an order, or does with it what was chosen, and answers what became of it
    /// and where its copy is.
    async fn file(&self, order: &Order<'_>) -> Result<(MoveOutcome, Option<Location>), Trouble> {
        let Order { file, replay, .. } = *order;
        let wanted = self.shelf(order);
        let shelf = self.claims.shelf(file.id, replay, &wanted).await?;
        let chosen = match shelf.after {
            After::Move => None,
            After::Leave => Some(source::leave(&self.objects, file).await?),
            After::Delete => Some(self.delete(file, replay).await?),
        };
        match chosen {
            Some(done @ (MoveOutcome::Left | MoveOutcome::Deleted)) => return Ok((done, None)),
            Some(vanished) if replay == 0 => return Ok((vanished, None)),
            // A replay reads a copy where the source is not there: that is filed as this way's.
            _ => {}
        }
        let places = Places::of(file, &shelf);
        let filing = self.filing(file, replay, &places).await?;
        if replay == 0 {
            return filing.run().await;
        }
        let mut lower = archive::places(&self.config, file);
        lower.extend(places.whole.iter().chain([&places.tagged]).cloned());
        let before = self.before(file, replay).await?;
        lower.extend(before.and_then(|before| before.destination));
        lower.sort_by(|a, b| (&a.bucket, &a.key).cmp(&(&b.bucket, &b.key)));
        lower.dedup();
        let refiling = Refiling {
            filing: &filing,
            places: &lower,
            buckets: &self.buckets,
        };
        let at = refiling.run().await?;
        Ok((MoveOutcome::Archived, Some(at)))
    }

    async fn delete(&self, file: &File, replay: u32) -> Result<MoveOutcome, Trouble> {
        let preconditions = self.buckets.source(&file.bucket).await?;
        source::delete(&self.objects, &self.claims, file, replay, preconditions).await
    }

    /// What the move of the way before this one came to, if it came to anything.
    async fn before(&self, file: &File, replay: u32) -> Result<Option<Moved>, Trouble> {
        let Some(replay) = replay.checked_sub(1) else {
            return Ok(None);
        };
        let cell = Cell {
            file: file.id,
            replay,
        };
        let settled = self.journal.settled(cell).await?;
        Ok(settled.and_then(|settled| match settled.event.data {
            Data::Moved(moved) => Some(moved),
            _ => None,
        }))
    }

    /// Takes over what the move of the way before came to.
    async fn take_over(&self, order: &Order<'_>) -> Result<Moved, Trouble> {
        let before = self.before(order.file, order.replay).await?;
        let before = before.ok_or_else(|| {
            reject(format!(
                "there is no move of the way before to tell of: replay {} from `move`",
                order.file.id
            ))
        })?;
        Ok(Moved {
            file: order.file.clone(),
            replay: order.replay,
            replayed: order.replayed.clone(),
            ..before
        })
    }

    async fn filing<'a>(
        &'a self,
        file: &'a File,
        replay: u32,
        places: &'a Places,
    ) -> Result<Filing<'a>, Trouble> {
        Ok(Filing {
            objects: &self.objects,
            claims: &self.claims,
            file,
            replay,
            places,
            source: self.buckets.source(&file.bucket).await?,
            target: self.buckets.target(&places.tagged.bucket).await?,
        })
    }
}

#[async_trait]
impl Step for Mover {
    /// Moves the file. Safe to repeat: see [`Filing::run`] and [`Refiling::run`]. A replay from
    /// `notify` moves nothing: it takes over the outcome of the way before, which stays the same.
    async fn run(&self, event: &Event, _: &Message) -> Result<Option<Data>, Trouble> {
        let order = Order::of(&event.data).ok_or_else(|| Trouble::Reject {
            reason: format!("the mover has no use for `{}`", event.data.what().token()),
        })?;
        let from = order.replayed.as_ref().map(|replayed| replayed.from);
        if from == Some(Stage::Notify) {
            return self.take_over(&order).await.map(Data::Moved).map(Some);
        }
        let (outcome, destination) = self.file(&order).await?;
        metrics::counter!("landfall_mover_files_total", "outcome" => label(outcome)).increment(1);
        Ok(Some(Data::Moved(Moved {
            file: order.file.clone(),
            replay: order.replay,
            outcome,
            destination,
            rejected: order.rejected.map(str::to_owned),
            report: order.report.clone(),
            replayed: order.replayed.clone(),
        })))
    }

    /// Removes copies of the file that the stored outcome does not know: one that the store
    /// finished after another try had found the source gone or replaced, or one under the file's
    /// other name. Safe to repeat: it removes only copies with this file's label that are not the
    /// stored destination. (A mover that dies while another has the same message can leave such a
    /// copy behind. It is one copy too many, never one too few.)
    async fn stored(&self, outcome: &Event, answered: Option<&Data>) -> Result<(), Trouble> {
        let Data::Moved(moved) = &outcome.data else {
            return Ok(());
        };
        let chosen = matches!(moved.outcome, MoveOutcome::Left | MoveOutcome::Deleted);
        let archived = moved.outcome == MoveOutcome::Archived;
        if chosen || archived && answered == Some(&outcome.data) {
            return Ok(());
        }
        let Moved { file, replay, .. } = moved;
        let Some(shelf) = self.claims.known_shelf(file.id, *replay).await? else {
            return Ok(());
        };
        let places = Places::of(file, &shelf);
        let filing = self.filing(file, *replay, &places).await?;
        filing.remove_copies(moved.destination.as_ref()).await
    }
}

impl<'a> Order<'a> {
    fn of(data: &'a Data) -> Option<Self> {
        match data {
            Data::Ingested(Ingested {
                file,
                replay,
                report,
                replayed,
            }) => Some(Self {
                file,
                replay: *replay,
                report,
                rejected: None,
                replayed,
            }),
            Data::Rejected(Rejected {
                file,
                replay,
                reason,
                report,
                replayed,
            }) => Some(Self {
                file,
                replay: *replay,
                report,
                rejected: Some(reason),
                replayed,
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
        MoveOutcome::Left => "left",
        MoveOutcome::Deleted => "deleted",
    }
}
