//! The loaders that people use, with their defaults, on files that have every column of the table.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::database::{Database, READINGS};

const COLUMNS: &str = "sensor_id, metric, bucket, ts, value, file";

/// Where `make loaders` puts them.
fn folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join(".landfall/loaders")
}

/// Whether they are there.
pub(crate) fn are_installed() -> bool {
    folder().join("dsbulk/lib").is_dir() && folder().join("cqlsh/installed").is_file()
}

/// DSBulk, of one file or of all in its folder.
pub(crate) fn dsbulk(database: &Database, files: &[PathBuf], scratch: &Path) -> Command {
    let (keyspace, table) = READINGS.split_once('.').unwrap_or_default();
    let mut command = Command::new("java");
    command
        .current_dir(scratch)
        .args([
            "-cp",
            &format!("{}/*", folder().join("dsbulk/lib").display()),
        ])
        .args(["com.datastax.oss.dsbulk.runner.DataStaxBulkLoader", "load"])
        .args(["-h", "127.0.0.1", "-port", &database.port().to_string()])
        .args(["-k", keyspace, "-t", table, "-header", "true", "-url"])
        .arg(source(files))
        .args(["--codec.timestamp", "UNITS_SINCE_EPOCH"])
        .arg("-logDir")
        .arg(scratch.join("dsbulk"));
    command
}

/// What it takes: a file, or a folder with all of them.
fn source(files: &[PathBuf]) -> &Path {
    match files {
        [file] => file,
        [file, ..] => file.parent().unwrap_or(file),
        [] => Path::new(""),
    }
}

/// COPY of cqlsh.
pub(crate) fn cqlsh(database: &Database, files: &[PathBuf]) -> Result<Command> {
    let files = match files {
        [file] => file.display().to_string(),
        files => source(files).join("*.csv").display().to_string(),
    };
    let copy = format!("COPY {READINGS} ({COLUMNS}) FROM '{files}' WITH HEADER = true");
    let environment = folder().join("cqlsh");
    let program = std::path::absolute(environment.join("bin/cqlsh"))?;
    let mut command = Command::new(program);
    command
        // Where Python has no virtual environments, packages lie in the folder itself.
        .env("PYTHONPATH", environment)
        .args(["127.0.0.1", &database.port().to_string(), "-e", &copy]);
    Ok(command)
}
