//! One way of a file through ingest: the first, or a replay.

use objects::{Objects, archive};
use proto::File;
use proto::Version;
use proto::event::{Arrived, Commanded, Location, Replayed, Vanished};
use runtime::{Config, Trouble};

/// One way of a file.
#[derive(Clone, Debug)]
pub struct Way {
    /// The file.
    pub file: File,
    /// Which way.
    pub replay: u32,
    /// Who ordered it; none of a first way.
    pub replayed: Option<Replayed>,
    /// Where the file's bytes are.
    pub origin: Origin,
}

/// An object with a file's bytes.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Where it is.
    pub at: Location,
    /// Which version of what lies there.
    pub version: Version,
}

impl Way {
    /// A first way: the file is at its source, or it is superseded.
    pub fn first(arrived: &Arrived) -> Self {
        let file = &arrived.file;
        Self {
            origin: Origin {
                at: Location {
                    bucket: file.bucket.clone(),
                    key: file.key.clone(),
                },
                version: file.version.clone(),
            },
            file: file.clone(),
            replay: arrived.replay,
            replayed: None,
        }
    }

    /// A replay: the file is at its source, or a copy of it is where files are filed, or where the
    /// command says.
    pub async fn again(
        commanded: &Commanded,
        replayed: Replayed,
        objects: &Objects,
        config: &Config,
    ) -> Result<Self, Trouble> {
        let file = &commanded.file;
        let mut places = archive::places(config, file);
        let known = commanded.copy.iter();
        places.extend(
            known
                .filter(|at| !places.contains(at))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let found = objects.find(file, &places).await?;
        let found = found.ok_or_else(|| Trouble::Reject {
            reason: archive::missing(file, &places),
        })?;
        Ok(Self {
            file: file.clone(),
            replay: commanded.replay,
            replayed: Some(replayed),
            origin: Origin {
                at: found.at,
                version: found.head.version,
            },
        })
    }

    /// What it means that the bytes vanished: the end of a first way; a replay looks for them once
    /// more.
    pub fn vanished(&self, how: Vanished) -> Result<Vanished, Trouble> {
        if self.replay == 0 {
            return Ok(how);
        }
        let Location { bucket, key } = &self.origin.at;
        Err(Trouble::Retry {
            reason: format!("{key:?} in bucket `{bucket}` vanished while it was read"),
        })
    }
}
