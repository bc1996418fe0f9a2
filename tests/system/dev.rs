//! `landfall dev`, as somebody starts it.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use tests::development::{self, Development};
use tests::{run, sample};

async fn put(development: &Development, folder: &Path, name: &str) -> Result<()> {
    let file = folder.join(format!("{name}.csv"));
    std::fs::write(&file, sample::csv(name, 10, 1.0))?;
    let file = file.to_str().context("a path in UTF-8")?;
    let put = development.landfall(&["put", "--wait", file]).await?;
    ensure!(put.status.success(), "{}", said(&put));
    Ok(())
}

async fn readings(development: &Development, sensor: &str) -> Result<usize> {
    let csv = ["readings", sensor, "--format", "csv"];
    let output = development.landfall(&csv).await?;
    // 1: there are none.
    let ended = output.status.code();
    ensure!(matches!(ended, Some(0 | 1)), "{}", said(&output));
    Ok(String::from_utf8(output.stdout)?.lines().skip(1).count())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn killed_it_leaves_no_process_and_its_folder_goes_on() {
    run(async {
        let parent = tempfile::tempdir()?;
        let folder = parent.path().join("a folder");
        let first = Development::start(&folder).await?;
        put(&first, parent.path(), "before").await?;
        first.kill().await?;

        let second = Development::start(&folder).await?;
        put(&second, parent.path(), "after").await?;
        for sensor in ["before", "after"] {
            let count = readings(&second, sensor).await?;
            ensure!(count == 10, "{count} readings of {sensor}");
        }
        let audit = second.landfall(&["audit", "--settled"]).await?;
        ensure!(audit.status.success(), "{audit:?}");
        let status = second.interrupt().await?;
        ensure!(status.success(), "Ctrl-C ends it with {status}");
        Ok(())
    });
}

#[test]
fn a_folder_is_one_installations_and_another_runs_beside_it() {
    run(async {
        let parent = tempfile::tempdir()?;
        let (one, other) = (parent.path().join("one"), parent.path().join("other"));
        let first = Development::start(&one).await?;
        let refused = tokio::task::spawn_blocking({
            let one = one.clone();
            move || development::landfall(&one, &["dev"]).output()
        });
        let refused = refused.await??;
        ensure!(refused.status.code() == Some(1), "{refused:?}");
        let line = said(&refused);
        ensure!(line.contains("another `landfall dev` runs in"), "{line}");

        let second = Development::start(&other).await?;
        put(&first, parent.path(), "first").await?;
        put(&second, parent.path(), "second").await?;
        ensure!(readings(&first, "second").await? == 0);
        ensure!(readings(&second, "second").await? == 10);
        for development in [first, second] {
            let status = development.interrupt().await?;
            ensure!(status.success(), "Ctrl-C ends it with {status}");
        }
        Ok(())
    });
}
