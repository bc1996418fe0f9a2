//! Where files are filed, and how their copies are known again there. The mover puts copies; a
//! replay, in ingest and in the mover, looks for them.

pub mod label;
pub mod name;

use proto::File;
use proto::event::Location;
use runtime::Config;
use runtime::config::mover::Place;

use crate::{Head, Objects, Result};

/// An object that holds a file's bytes.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub at: Location,
    /// What it is.
    pub head: Head,
    /// The replay that put it there; none where it is what was uploaded.
    pub replay: Option<u32>,
}

/// Every name that a copy of the file may have by this configuration, each once: processed or
/// rejected, of whichever profile, under its whole name and its tagged one.
pub fn places(config: &Config, file: &File) -> Vec<Location> {
    let mut places = Vec::new();
    for Place { bucket, prefix } in config.places(&file.bucket) {
        let whole = name::whole(prefix, &file.key);
        let tagged = name::tagged(prefix, &file.key, file.id);
        for key in whole.into_iter().chain([tagged]) {
            let bucket = bucket.to_owned();
            let place = Location { bucket, key };
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

impl Objects {
    /// What the file's version is at its source; none if it is not there any more.
    pub async fn at_source(&self, file: &File) -> Result<Option<Head>> {
        let id = file.version.id.as_deref();
        let head = self.examine(&file.bucket, &file.key, id).await?;
        Ok(head.filter(|head| id.is_some() || head.version == file.version))
    }

    /// The copies of a file at these places, whichever replay has put them there; the latest
    /// replay's first. What has not the file's size is none.
    pub async fn copies(&self, file: &File, places: &[Location]) -> Result<Vec<Found>> {
        let mut copies = Vec::new();
        for at in places {
            let head = self.examine(&at.bucket, &at.key, None).await?;
            let Some(head) = head.filter(|head| head.size == file.size) else {
                continue;
            };
            if let Some(replay) = label::replay_of(&head, file) {
                let at = at.clone();
                let replay = Some(replay);
                copies.push(Found { at, head, replay });
            }
        }
        copies.sort_by_key(|copy| std::cmp::Reverse(copy.replay));
        Ok(copies)
    }

    /// Where a file's bytes are: at its source, or else in the copy of its latest replay. None:
    /// nowhere.
    pub async fn find(&self, file: &File, places: &[Location]) -> Result<Option<Found>> {
        if let Some(head) = self.at_source(file).await? {
            let at = Location {
                bucket: file.bucket.clone(),
                key: file.key.clone(),
            };
            let replay = None;
            return Ok(Some(Found { at, head, replay }));
        }
        Ok(self.copies(file, places).await?.into_iter().next())
    }
}

/// The line for a file whose bytes are nowhere.
pub fn missing(file: &File, places: &[Location]) -> String {
    let at: Vec<String> = places
        .iter()
        .map(|place| format!("{}/{:?}", place.bucket, place.key))
        .collect();
    format!(
        "no copy of {:?} in bucket `{}` is left: neither this version at its source, nor an object \
         with its id at {}; upload it again",
        file.key,
        file.bucket,
        at.join(", ")
    )
}
