//! A file's source: looked at, deleted, or left where it is.

use objects::{Head, Objects, Preconditions};
use proto::File;
use proto::event::{Location, MoveOutcome};
use runtime::Trouble;

use crate::claim::Claims;
use crate::filing::{STEPS, quoted};

/// What the source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Exactly the version that was processed.
    Here,
    /// Another version has its key.
    Replaced,
    /// Nothing has its key.
    Gone,
}

/// What is there now; with it what `HEAD` says of the version that was processed.
pub(crate) async fn look(
    objects: &Objects,
    file: &File,
) -> Result<(Source, Option<Head>), Trouble> {
    let id = file.version.id.as_deref();
    Ok(match objects.examine(&file.bucket, &file.key, id).await? {
        None => (Source::Gone, None),
        Some(head) if id.is_some() || head.version == file.version => (Source::Here, Some(head)),
        Some(_) => (Source::Replaced, None),
    })
}

/// Deletes the version that was processed: by its id, or if nothing else has taken its place.
/// `false`: it is not there any more, and something else may be.
pub(crate) async fn remove(
    objects: &Objects,
    file: &File,
    preconditions: Preconditions,
) -> Result<bool, Trouble> {
    let at = Location {
        bucket: file.bucket.clone(),
        key: file.key.clone(),
    };
    let removal = preconditions.removal(&file.version);
    Ok(objects.delete(&at, removal).await?)
}

/// `after = "leave"`: says what is there, and touches nothing. One request.
pub async fn leave(objects: &Objects, file: &File) -> Result<MoveOutcome, Trouble> {
    Ok(match look(objects, file).await?.0 {
        Source::Here => MoveOutcome::Left,
        Source::Replaced => MoveOutcome::Replaced,
        Source::Gone => MoveOutcome::Gone,
    })
}

/// `after = "delete"`: deletes the version that was processed, and nothing else. Two requests.
///
/// The intent is in the journal before the delete. So whoever comes again after it, and finds the
/// version gone, knows whose doing that was; somebody else's, in between, comes to the same.
pub async fn delete(
    objects: &Objects,
    claims: &Claims,
    file: &File,
    replay: u32,
    preconditions: Preconditions,
) -> Result<MoveOutcome, Trouble> {
    for _ in 0..STEPS {
        let seen = look(objects, file).await?.0;
        // Read after the look: whoever has deleted it had noted that before.
        let intended = claims.is_to_be_deleted(file.id, replay).await?;
        match seen {
            Source::Here => {}
            _ if intended => return Ok(MoveOutcome::Deleted),
            Source::Replaced => return Ok(MoveOutcome::Replaced),
            Source::Gone => return Ok(MoveOutcome::Gone),
        }
        if !intended {
            claims.note_to_be_deleted(file.id, replay).await?;
        }
        if remove(objects, file, preconditions).await? {
            return Ok(MoveOutcome::Deleted);
        }
    }
    Err(Trouble::Retry {
        reason: format!("{} kept changing while it was deleted", quoted(file)),
    })
}
