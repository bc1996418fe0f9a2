//! The command `landfall`, beside services that run.

use std::process::Output;

use anyhow::{Context, ensure};
use proto::User;
use tests::python::{self, Csv};
use tests::rows::difference;
use tests::{Installation, run, sample};

#[test]
fn setting_up_what_is_set_up_changes_nothing() {
    run(async {
        let landfall = Installation::start().await?;
        let again = landfall.landfall(User::Setup, &["setup"]).await?;
        ensure!(again.status.success(), "{again:?}");
        let said = String::from_utf8(again.stderr)?;
        ensure!(said.trim() == "everything is set up already", "{said}");
        landfall.finish().await
    });
}

#[test]
fn a_file_that_is_put_is_waited_for_and_its_readings_are_shown() {
    run(async {
        let landfall = Installation::start().await?;
        let content = sample::csv("hall 1", 1_500, 1.0);
        let file = landfall.folder().join("hall.csv");
        std::fs::write(&file, &content)?;
        let file = file.to_str().context("a path in UTF-8")?;

        let put = landfall
            .landfall(User::Operator, &["put", file, "--wait"])
            .await?;
        ensure!(put.status.success(), "{}", shown(&put));
        ensure!(landfall.mails()?.len() == 1, "it did not wait for the mail");
        let copy = landfall.bucket.get("processed/incoming/hall.csv").await?;
        ensure!(
            copy.as_deref() == Some(content.as_bytes()),
            "the copy differs"
        );

        let arguments = ["readings", "hall 1", "--format", "csv"];
        let readings = landfall.landfall(User::Operator, &arguments).await?;
        ensure!(readings.status.success(), "{}", shown(&readings));
        let found = python::readings(&readings.stdout, &Csv::default())?;
        let difference = difference(
            &found,
            &python::readings(content.as_bytes(), &Csv::default())?,
        );
        ensure!(difference.is_empty(), "{difference}");
        landfall.finish_unlisted().await
    });
}

#[test]
fn waiting_for_a_file_that_is_rejected_ends_with_a_failure() {
    run(async {
        let landfall = Installation::start().await?;
        let file = landfall.folder().join("broken.csv");
        std::fs::write(&file, "sensor_id,timestamp,value\nhall-1,yesterday,1\n")?;
        let file = file.to_str().context("a path in UTF-8")?;

        let put = landfall
            .landfall(User::Operator, &["put", file, "--wait"])
            .await?;
        ensure!(put.status.code() == Some(1), "{}", shown(&put));
        landfall.finish_unlisted().await
    });
}

fn shown(output: &Output) -> String {
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}\n{}\n{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    )
}
