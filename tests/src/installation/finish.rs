//! What must be true of every installation when a test is over.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use proto::{User, consumer, stream};

use super::{Installation, SERVICES};

/// Whether it is known what was uploaded.
#[derive(Clone, Copy, Debug)]
enum Uploads {
    Listed,
    Unlisted,
}

impl Installation {
    /// Checks what is true of every installation that has nothing left to do and nothing given up
    /// on; ends it in good order.
    pub async fn finish(self) -> Result<()> {
        ensure!(self.dead_letters().await? == 0, "there are dead letters");
        self.finish_with_dead_letters().await
    }

    /// [`finish`](Self::finish) where messages were given up on, as they should be.
    pub async fn finish_with_dead_letters(self) -> Result<()> {
        Box::pin(self.end_well(Uploads::Listed)).await
    }

    /// [`finish`](Self::finish) where not everything that was uploaded lies under `incoming/`, is a
    /// file, or was uploaded by [`Bucket`](crate::Bucket) and answered: nothing says then that a
    /// file was lost.
    pub async fn finish_unlisted(self) -> Result<()> {
        ensure!(self.dead_letters().await? == 0, "there are dead letters");
        Box::pin(self.end_well(Uploads::Unlisted)).await
    }

    async fn end_well(mut self, uploads: Uploads) -> Result<()> {
        self.everything_is_acknowledged().await?;
        self.each_step_said_one_thing()?;
        self.the_promise_is_kept(uploads).await?;
        for user in SERVICES {
            self.stop(user).await?;
        }
        self.database.remove().await;
        self.finished = true;
        Ok(())
    }

    /// How many messages were given up on.
    pub async fn dead_letters(&self) -> Result<usize> {
        let dead = self.jetstream.get_stream(stream::DEAD.name).await?;
        let mut subjects = dead.info_with_subjects("dead.*").await?;
        let mut count = 0;
        while let Some(subject) = futures::TryStreamExt::try_next(&mut subjects).await? {
            count += subject.1;
        }
        Ok(count)
    }

    async fn everything_is_acknowledged(&self) -> Result<()> {
        for consumer in consumer::all() {
            // Advisories and wakes of what ended may still be on their way.
            let left = self.until("every acknowledgement", || async {
                let info = self.consumer(&consumer).await.ok()?;
                (info.num_pending == 0 && info.num_ack_pending == 0).then_some(())
            });
            if self.runs(consumer.user) {
                left.await?;
            }
        }
        Ok(())
    }

    /// State of a consumer.
    pub async fn consumer(
        &self,
        consumer: &consumer::Consumer,
    ) -> Result<async_nats::jetstream::consumer::Info> {
        let stream = self.jetstream.get_stream(consumer.stream.name).await?;
        Ok(stream.consumer_info(consumer.name()).await?)
    }

    fn runs(&self, user: User) -> bool {
        self.services.iter().any(|service| service.user == user)
    }

    /// Mails may wait for longer than a test does; everything else is over.
    async fn the_promise_is_kept(&self, uploads: Uploads) -> Result<()> {
        let mut audit = match uploads {
            Uploads::Listed => self.audit_strictly().await?,
            Uploads::Unlisted => self.audit(&["--settled"]).await?,
        };
        audit.violations.retain(|wrong| wrong.rule != "settled");
        audit.is_clean()
    }

    /// `FILES` may hold an event twice, never two outcomes of one step.
    fn each_step_said_one_thing(&self) -> Result<()> {
        let mut said = HashMap::new();
        for seen in self.all() {
            let first = said
                .entry(seen.event.id.clone())
                .or_insert_with(|| seen.event.clone());
            ensure!(
                *first == seen.event,
                "two outcomes of one step: {first:?} and {seen:?}"
            );
        }
        Ok(())
    }
}
