//! Files that are gone before they are read.

use anyhow::ensure;
use proto::event::Vanished;
use proto::{Data, User, What};
use tests::{Installation, run, sample};

#[test]
fn a_file_that_is_deleted_before_it_is_read_is_superseded_without_a_row() {
    run(async {
        let mut landfall = Installation::builder()
            .without(User::Ingest)
            .start()
            .await?;
        let upload = landfall
            .put("incoming/a.csv", sample::csv("a", 3, 1.0))
            .await?;
        landfall.said(&upload, What::Arrived).await?;
        landfall.bucket.delete(&upload.key).await?;
        landfall.add(User::Ingest).await?;

        let last = landfall.ended(&upload).await?;
        let Data::Superseded(superseded) = &last.event.data else {
            anyhow::bail!("it is not superseded: {last}")
        };
        ensure!(superseded.how == Vanished::Gone, "{superseded:?}");
        ensure!(superseded.rows_up_to == 0, "{superseded:?}");
        ensure!(landfall.rows()?.is_empty(), "{:?}", landfall.rows()?);
        ensure!(landfall.way(&upload) == [What::Arrived, What::Superseded]);
        ensure!(landfall.mails()?.is_empty(), "{:?}", landfall.mails()?);
        ensure!(landfall.bucket.keys().await?.is_empty());
        landfall.finish().await
    });
}

#[test]
fn a_file_that_is_deleted_before_it_is_moved_keeps_its_rows_and_is_told_of() {
    run(async {
        let mut landfall = Installation::builder().without(User::Mover).start().await?;
        let upload = landfall
            .put("incoming/a.csv", sample::csv("a", 3, 1.0))
            .await?;
        landfall.said(&upload, What::Ingested).await?;
        landfall.bucket.delete(&upload.key).await?;
        landfall.add(User::Mover).await?;

        landfall.ended(&upload).await?;
        let moved = landfall.moved(&upload).await?;
        ensure!(
            moved.outcome == proto::event::MoveOutcome::Gone,
            "{moved:?}"
        );
        ensure!(moved.destination.is_none(), "{moved:?}");
        ensure!(landfall.rows()?.len() == 3, "{:?}", landfall.rows()?);
        ensure!(landfall.mails()?.len() == 1, "{:?}", landfall.mails()?);
        ensure!(landfall.bucket.keys().await?.is_empty());
        landfall.finish().await
    });
}
