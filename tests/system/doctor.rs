//! `landfall doctor` beside services that run.

use anyhow::ensure;
use proto::User;
use tests::{Fate, Installation, run};

#[test]
fn a_whole_installation_is_well_and_hears_of_an_upload_by_the_stores_own_notification() {
    run(async {
        let landfall = Installation::start().await?;
        let doctor = landfall.landfall(User::Operator, &["doctor"]).await?;
        let said = String::from_utf8(doctor.stdout)?;
        ensure!(doctor.status.code() == Some(0), "{said}");
        ensure!(said.contains("came on `storage.http`"), "{said}");
        ensure!(
            said.contains("0 to look at"),
            "a service is not seen to run: {said}"
        );
        ensure!(
            landfall.bucket.keys().await?.is_empty(),
            "something is left"
        );
        ensure!(landfall.all().is_empty(), "it was taken for a file");
        landfall.finish().await
    });
}

#[test]
fn notifications_that_are_lost_are_told_from_a_watcher_that_does_not_run() {
    run(async {
        let mut landfall = Installation::start().await?;
        let hasty = ["doctor", "--patience", "1s"];
        landfall.notifications(Fate::Lost);
        let doctor = landfall.landfall(User::Operator, &hasty).await?;
        let said = String::from_utf8(doctor.stdout)?;
        ensure!(doctor.status.code() == Some(1), "{said}");
        ensure!(said.contains("let the store post to"), "{said}");
        landfall.notifications(Fate::Delivered);
        landfall.stop(User::Watcher).await?;
        let doctor = landfall.landfall(User::Operator, &hasty).await?;
        let said = String::from_utf8(doctor.stdout)?;
        ensure!(doctor.status.code() == Some(1), "{said}");
        ensure!(said.contains("start landfall-watcher"), "{said}");
        landfall.finish().await
    });
}
