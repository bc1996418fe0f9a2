//! The move of one file: carries out what [`Progress`] says.

use objects::archive::name::Name;
use objects::archive::{label, name};
use objects::{Head, Objects, Preconditions};
use proto::File;
use proto::event::{Location, MoveOutcome};
use runtime::Trouble;

use crate::claim::{Claim, Claims, Shelf};
use crate::progress::{Copy, Next, Progress};
use crate::source;

/// Requests in one try of a move. Five are the rule; more are needed only where somebody else
/// works on the same objects.
pub(crate) const STEPS: usize = 40;

/// A file's two destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Under its whole name, where the store can hold that.
    pub whole: Option<Location>,
    /// Under its tagged name.
    pub tagged: Location,
}

impl Places {
    /// Where a file goes on a shelf.
    pub fn of(file: &File, shelf: &Shelf) -> Self {
        let at = |key| Location {
            bucket: shelf.bucket.clone(),
            key,
        };
        Self {
            whole: name::whole(&shelf.prefix, &file.key).map(at),
            tagged: at(name::tagged(&shelf.prefix, &file.key, file.id)),
        }
    }

    pub(crate) fn at(&self, name: Name) -> Option<&Location> {
        match name {
            Name::Whole => self.whole.as_ref(),
            Name::Tagged => Some(&self.tagged),
        }
    }
}

/// One file on its way.
pub struct Filing<'a> {
    /// The store.
    pub objects: &'a Objects,
    /// Claims of destinations.
    pub claims: &'a Claims,
    /// The file.
    pub file: &'a File,
    /// Which replay of it.
    pub replay: u32,
    /// Where it may go.
    pub places: &'a Places,
    /// What holds in the bucket it comes from.
    pub source: Preconditions,
    /// What holds in the bucket it goes to.
    pub target: Preconditions,
}

impl Filing<'_> {
    /// Moves the file, and answers what became of it and where its copy is.
    ///
    /// Safe to repeat at any point: shelf and destination are in the journal, so every try has the
    /// same; a copy is known by its label; every copy and delete names the version it means
    /// and is refused by the store where that has changed; and whoever starts over looks first.
    pub async fn run(&self) -> Result<(MoveOutcome, Option<Location>), Trouble> {
        let whole = self.claim().await? == Name::Whole;
        let exact = self.file.version.id.is_some();
        let mut progress = Progress::new(whole, self.target.copy_if_absent, exact);
        let mut seen = None;
        for _ in 0..STEPS {
            if let Next::Done(outcome, name) = progress.next() {
                let place = name.and_then(|name| self.places.at(name));
                return Ok((outcome, place.cloned()));
            }
            self.step(&mut progress, &mut seen).await?;
        }
        Err(Trouble::Retry {
            reason: format!(
                "{} or its copy kept changing while it was moved",
                quoted(self.file)
            ),
        })
    }

    /// Claims the destination: which of its names the file has.
    pub(crate) async fn claim(&self) -> Result<Name, Trouble> {
        if self.claim_whole().await? {
            return Ok(Name::Whole);
        }
        self.claim_tagged().await?;
        Ok(Name::Tagged)
    }

    /// One request, or one entry of the journal. `seen` is what was last known of the source.
    async fn step(&self, progress: &mut Progress, seen: &mut Option<Head>) -> Result<(), Trouble> {
        match progress.next() {
            Next::LookAtSource => {
                let (source, head) = source::look(self.objects, self.file).await?;
                progress.saw_source(source);
                *seen = head.or(seen.take());
            }
            Next::LookAtCopy(name) => {
                let copy = self.look_at_copy(name, seen.as_ref()).await?;
                progress.saw_copy(name, copy);
            }
            Next::Copy(name) => self.copy(progress, name, true, seen.as_ref()).await?,
            Next::CopyAgain(name) => self.copy(progress, name, false, seen.as_ref()).await?,
            Next::PassOver => self.pass_over(progress).await?,
            Next::RemoveSource => {
                let done = self.remove_source().await?;
                progress.source_removed(done);
            }
            Next::Lost(name) => return Err(self.lost(name)),
            Next::NoName => return Err(self.no_name()),
            Next::Done(..) => {}
        }
        Ok(())
    }

    async fn claim_whole(&self) -> Result<bool, Trouble> {
        let Some(at) = &self.places.whole else {
            return Ok(false);
        };
        let claim = self.claims.claim(at, self.file.id, self.replay).await?;
        Ok(claim == Claim::Ours)
    }

    async fn claim_tagged(&self) -> Result<(), Trouble> {
        let at = &self.places.tagged;
        match self.claims.claim(at, self.file.id, self.replay).await? {
            Claim::Ours | Claim::PassedOver => Ok(()),
            Claim::Taken(_) => Err(self.no_name()),
        }
    }

    async fn pass_over(&self, progress: &mut Progress) -> Result<(), Trouble> {
        self.give_up_whole().await?;
        progress.passed_over();
        Ok(())
    }

    /// Gives up the whole name for the tagged one, for good.
    pub(crate) async fn give_up_whole(&self) -> Result<(), Trouble> {
        if let Some(at) = &self.places.whole {
            self.claims.pass_over(at).await?;
        }
        self.claim_tagged().await
    }

    /// Whole are a copy's size and every digest that it has in common with the source. Once the
    /// source is gone the size alone tells: before it went it had been compared.
    async fn look_at_copy(&self, name: Name, source: Option<&Head>) -> Result<Copy, Trouble> {
        let Some(Location { bucket, key }) = self.places.at(name) else {
            return Ok(Copy::Absent);
        };
        Ok(match self.objects.examine(bucket, key, None).await? {
            None => Copy::Absent,
            Some(copy) if !label::is_of(&copy, self.file, self.replay) => Copy::Foreign,
            Some(copy) => {
                let differs = source.is_some_and(|head| copy.same_content(head) == Some(false));
                if differs || copy.size != self.file.size {
                    Copy::Damaged
                } else {
                    Copy::Ours
                }
            }
        })
    }

    async fn copy(
        &self,
        progress: &mut Progress,
        name: Name,
        if_absent: bool,
        seen: Option<&Head>,
    ) -> Result<(), Trouble> {
        let (Some(destination), Some(head)) = (self.places.at(name), seen) else {
            progress.copied(false);
            return Ok(());
        };
        let copied = self
            .objects
            .copy(objects::Copy {
                source: &Location {
                    bucket: self.file.bucket.clone(),
                    key: self.file.key.clone(),
                },
                version: &self.file.version,
                head,
                destination,
                metadata: &label::metadata(head, self.file, self.replay),
                if_match: self.source.copy_source_if_match,
                if_absent: if_absent && self.target.copy_if_absent,
            })
            .await;
        match copied {
            Ok(done) => progress.copied(done),
            // The store cannot hold the whole name; the tagged one is within every store's limits.
            Err(objects::Error::BadKey(_)) if name == Name::Whole => {
                self.pass_over(progress).await?;
            }
            Err(objects::Error::BadKey(reason)) => return Err(reject(reason)),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(crate) async fn remove_source(&self) -> Result<bool, Trouble> {
        source::remove(self.objects, self.file, self.source).await
    }

    /// Removes this file's copies that are not at `keep`: for an outcome that another try settled.
    /// Deletes exactly what it looked at, where the store can.
    pub async fn remove_copies(&self, keep: Option<&Location>) -> Result<(), Trouble> {
        for name in [Name::Whole, Name::Tagged] {
            let Some(at) = self.places.at(name).filter(|at| Some(*at) != keep) else {
                continue;
            };
            let head = self.objects.head(&at.bucket, &at.key).await?;
            let Some(copy) = head.filter(|head| label::is_of(head, self.file, self.replay)) else {
                continue;
            };
            let removal = self.target.removal(&copy.version);
            let removed = self.objects.delete(at, removal).await?;
            tracing::info!(file = %self.file.id, key = ?at.key, removed, "removed a copy that came too late");
        }
        Ok(())
    }

    pub(crate) fn lost(&self, name: Name) -> Trouble {
        let at = self.places.at(name).unwrap_or(&self.places.tagged);
        reject(format!(
            "{} is not at its source any more, and its copy {:?} in bucket `{}` is not whole: \
             compare the two by hand, and upload the file again",
            quoted(self.file),
            at.key,
            at.bucket
        ))
    }

    pub(crate) fn no_name(&self) -> Trouble {
        let at = &self.places.tagged;
        reject(format!(
            "{} cannot be filed: something else has the name {:?} in bucket `{}`; move that away, \
             then upload the file again",
            quoted(self.file),
            at.key,
            at.bucket
        ))
    }
}

pub(crate) fn quoted(file: &File) -> String {
    format!("{:?} in bucket `{}`", file.key, file.bucket)
}

pub(crate) fn reject(reason: String) -> Trouble {
    Trouble::Reject { reason }
}
