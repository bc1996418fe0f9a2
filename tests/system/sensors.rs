//! Real sensors' files: every value as Python reads it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tests::python::{self, Csv, Sensor};
use tests::rows::{Rows, difference};
use tests::{Installation, run};

const PROFILES: &str = r#"
[[profiles]]
name = "nab"
key = "incoming/nab/*.csv"
sensor = "file_name"
values = ["value"]

[[profiles]]
name = "luftdaten"
key = "incoming/luftdaten/*.csv"
delimiter = ";"
values = ["P1", "P2"]
"#;

#[test]
fn every_value_of_real_files_is_as_python_reads_it() {
    let Some(folder) = data() else { return };
    run(async {
        let landfall = Installation::builder().config(PROFILES).start().await?;
        let mut expected = Rows::new();
        let mut uploads = Vec::new();
        for path in files(&folder.join("nab"))? {
            let content = std::fs::read(&path)?;
            let name = path
                .file_stem()
                .context("it is a file")?
                .to_string_lossy()
                .into_owned();
            let csv = Csv {
                sensor: Sensor::Fixed(name.clone()),
                ..Csv::default()
            };
            let rows = python::readings(&content, &csv)?;
            let upload = landfall
                .put(&format!("incoming/nab/{name}.csv"), &content)
                .await?;
            uploads.push((upload, rows.len()));
            expected.extend(rows);
        }
        for path in files(&folder.join("luftdaten"))? {
            let content = std::fs::read(&path)?;
            let name = path
                .file_name()
                .context("it is a file")?
                .to_string_lossy()
                .into_owned();
            let csv = Csv {
                delimiter: ';',
                values: vec![("P1".into(), "P1"), ("P2".into(), "P2")],
                ..Csv::default()
            };
            let rows = python::readings(&content, &csv)?;
            let upload = landfall
                .put(&format!("incoming/luftdaten/{name}"), &content)
                .await?;
            uploads.push((upload, rows.len()));
            expected.extend(rows);
        }
        ensure!(uploads.len() == 13, "{} files are there", uploads.len());

        for (upload, readings) in &uploads {
            landfall.ended(upload).await?;
            let moved = landfall.moved(upload).await?;
            let report = &moved.report;
            ensure!(report.rejected == 0, "{}: {report:?}", upload.key);
            ensure!(
                report.stored == *readings as u64,
                "{}: {report:?}",
                upload.key
            );
            ensure!(
                report.read == report.stored + report.duplicated,
                "{}: {report:?}",
                upload.key
            );
        }
        let difference = difference(&landfall.rows()?, &expected);
        ensure!(difference.is_empty(), "{difference}");
        landfall.finish().await
    });
}

/// The folder of real sensor files; says so where there is none.
fn data() -> Option<PathBuf> {
    let folder = match std::env::var_os("LANDFALL_TEST_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
    };
    if folder.join("nab").is_dir() && folder.join("luftdaten").is_dir() {
        return Some(folder);
    }
    // Past the capture of what a test prints.
    let message = format!(
        "\nNOT TESTED: real sensor files. There are none in {}; set LANDFALL_TEST_DATA\n\n",
        folder.display()
    );
    let _ = std::io::Write::write_all(&mut std::io::stderr(), message.as_bytes());
    None
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "csv"));
    files.sort();
    Ok(files)
}
