//! Files that arrive without a watcher.

use anyhow::{Context, Result};
use async_nats::jetstream;
use jiff::Timestamp;
use proto::event::{Arrived, FoundBy};
use proto::{Data, Event, File, FileId, User, Version, What, subject};

use super::{Installation, builder};
use crate::bucket::Upload;

impl Installation {
    /// Says of uploads that they have arrived, as the watcher would, for the profile `default`;
    /// one after the other, each when the one before is stored.
    pub async fn arrive(&self, uploads: &[Upload]) -> Result<()> {
        let mut events = vec![];
        for upload in uploads {
            events.push(self.arrived(upload).await?);
        }
        let client = builder::connect(&self.site.nats, User::Watcher).await?;
        let jetstream = jetstream::new(client);
        for event in events {
            let (file, _) = event.about();
            let subject = subject::files(file.id, What::Arrived, &file.profile);
            let json = serde_json::to_vec(&event)?;
            jetstream.publish(subject, json.into()).await?.await?;
        }
        Ok(())
    }

    async fn arrived(&self, upload: &Upload) -> Result<Event> {
        let head = self.bucket.head(&upload.key).await?;
        let head = head.context("the upload is there")?;
        let modified = head.last_modified().context("it has a time")?;
        let modified = Timestamp::from_second(modified.secs())?;
        let version = Version::new(&upload.etag, modified, upload.version.as_deref());
        let file = File {
            id: FileId::of(&upload.bucket, &upload.key, &version),
            bucket: upload.bucket.clone(),
            key: upload.key.clone(),
            order: version.last_modified,
            version,
            size: u64::try_from(head.content_length().unwrap_or_default())?,
            content_type: None,
            content_encoding: None,
            profile: "default".to_owned(),
        };
        let data = Data::Arrived(Arrived {
            file,
            replay: 0,
            found_by: FoundBy::Notification,
        });
        Ok(Event::new(User::Watcher, data, Timestamp::now()))
    }

    /// Ends it without a look at what it leaves, as a benchmark does.
    pub fn end(mut self) {
        self.finished = true;
    }
}
