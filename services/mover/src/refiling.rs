//! The move of a replay. The file's bytes may be at its source, or in the copy of a lower replay,
//! wherever that was filed; in the end there is one copy, which says that it is this replay's.
//!
//! Look, copy over, verify, delete the source, then the lower copies: in this order whatever
//! happens, so that no version is without a copy at any moment. A copy of a lower replay under the
//! name that this one goes to is copied over in its place, by one request. The source goes first,
//! since whoever is still at a lower replay's move copies from there alone: what lies about
//! afterwards stays gone.

use objects::archive::{self, Found, label, name::Name};
use proto::event::Location;
use runtime::Trouble;

use crate::buckets::Buckets;
use crate::filing::{Filing, STEPS, quoted, reject};

/// A file on its way once more.
pub struct Refiling<'a> {
    /// The move as that of a first way would be.
    pub filing: &'a Filing<'a>,
    /// Where copies of lower replays may be.
    pub places: &'a [Location],
    /// What holds in the buckets where they are.
    pub buckets: &'a Buckets,
}

/// What is at the destination.
enum Copy {
    Absent,
    /// A lower replay's copy: of this file, and to be copied over.
    Lower,
    /// This replay's, as far as its size tells.
    Ours,
    /// This replay's, and not the file's bytes.
    Damaged,
    Foreign,
}

impl Refiling<'_> {
    /// Moves the file, and answers where its copy is.
    ///
    /// Safe to repeat at any point, and to do twice at once: the destination is in the journal;
    /// each turn looks at everything first; a copy names the version that it reads, and is believed
    /// only after a look; and nothing is deleted before this replay's copy is there.
    pub async fn run(&self) -> Result<Location, Trouble> {
        let filing = self.filing;
        let mut name = filing.claim().await?;
        for _ in 0..STEPS {
            let at = filing.places.at(name).unwrap_or(&filing.places.tagged);
            let origin = self.origin().await?;
            match (self.look(at, origin.as_ref()).await?, origin) {
                (Copy::Ours, _) => {
                    if self.remove_source().await? {
                        self.remove_lower(at).await?;
                        return Ok(at.clone());
                    }
                }
                (Copy::Foreign, _) if name == Name::Whole => {
                    filing.give_up_whole().await?;
                    name = Name::Tagged;
                }
                (Copy::Foreign, _) => return Err(filing.no_name()),
                (Copy::Damaged, None) => return Err(filing.lost(name)),
                (_, None) => return Err(reject(archive::missing(filing.file, self.places))),
                (there, Some(origin)) => {
                    let if_absent = matches!(there, Copy::Absent);
                    if !self.copy(&origin, at, if_absent).await? && name == Name::Whole {
                        filing.give_up_whole().await?;
                        name = Name::Tagged;
                    }
                }
            }
        }
        Err(Trouble::Retry {
            reason: format!(
                "{} or its copies kept changing while it was moved",
                quoted(filing.file)
            ),
        })
    }

    /// Where to copy from: the source, or else the copy of the latest replay before this one.
    async fn origin(&self) -> Result<Option<Found>, Trouble> {
        let Filing {
            objects,
            file,
            replay,
            ..
        } = self.filing;
        if let Some(head) = objects.at_source(file).await? {
            let at = Location {
                bucket: file.bucket.clone(),
                key: file.key.clone(),
            };
            let replay = None;
            return Ok(Some(Found { at, head, replay }));
        }
        let copies = objects.copies(file, self.places).await?;
        let mut lower = copies.into_iter();
        Ok(lower.find(|copy| copy.replay < Some(*replay)))
    }

    async fn look(&self, at: &Location, origin: Option<&Found>) -> Result<Copy, Trouble> {
        let Filing {
            objects,
            file,
            replay,
            ..
        } = self.filing;
        let Some(head) = objects.examine(&at.bucket, &at.key, None).await? else {
            return Ok(Copy::Absent);
        };
        Ok(match label::replay_of(&head, file) {
            None => Copy::Foreign,
            Some(other) if other < *replay => Copy::Lower,
            Some(other) if other > *replay => {
                return Err(reject(format!(
                    "replay {other} of {} was filed before replay {replay} came to an end",
                    quoted(file)
                )));
            }
            Some(_) => {
                let differs = |origin: &Found| head.same_content(&origin.head) == Some(false);
                if head.size != file.size || origin.is_some_and(differs) {
                    Copy::Damaged
                } else {
                    Copy::Ours
                }
            }
        })
    }

    /// Copies the file to its destination. `false`: the store cannot hold the name.
    async fn copy(
        &self,
        origin: &Found,
        destination: &Location,
        if_absent: bool,
    ) -> Result<bool, Trouble> {
        let Filing {
            objects,
            file,
            replay,
            target,
            ..
        } = self.filing;
        let copied = objects
            .copy(objects::Copy {
                source: &origin.at,
                version: &origin.head.version,
                head: &origin.head,
                destination,
                metadata: &label::metadata(&origin.head, file, *replay),
                if_match: self
                    .buckets
                    .target(&origin.at.bucket)
                    .await?
                    .copy_source_if_match,
                if_absent: if_absent && target.copy_if_absent,
            })
            .await;
        match copied {
            // Done, or a precondition was not met: the next look tells.
            Ok(_) => Ok(true),
            Err(objects::Error::BadKey(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes the source, if it is this version. `false`: look again.
    async fn remove_source(&self) -> Result<bool, Trouble> {
        let Filing { objects, file, .. } = self.filing;
        if objects.at_source(file).await?.is_none() {
            return Ok(true);
        }
        self.filing.remove_source().await
    }

    /// Deletes the copies of lower replays that are not at `keep`: exactly what it looked at, where
    /// the store can.
    async fn remove_lower(&self, keep: &Location) -> Result<(), Trouble> {
        let Filing {
            objects,
            file,
            replay,
            ..
        } = self.filing;
        for copy in objects.copies(file, self.places).await? {
            if copy.at == *keep || copy.replay >= Some(*replay) {
                continue;
            }
            let there = self.buckets.target(&copy.at.bucket).await?;
            let removal = there.removal(&copy.head.version);
            let removed = objects.delete(&copy.at, removal).await?;
            tracing::info!(file = %file.id, key = ?copy.at.key, removed, "removed the copy of a lower replay");
        }
        Ok(())
    }
}
