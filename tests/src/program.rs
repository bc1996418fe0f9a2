//! Landfall's own programs, built as the tests themselves were.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use proto::User;

/// The program of a service.
pub(crate) fn of(service: User) -> PathBuf {
    folder().join(format!("landfall-{service}"))
}

/// The program `landfall`.
pub(crate) fn landfall() -> PathBuf {
    folder().join("landfall")
}

/// The folder of the programs. Cargo builds only the tested package's own programs before a test,
/// so the rest is built here; where nothing has changed that takes a moment.
/// `LANDFALL_TEST_PROGRAMS` names a folder of programs to test instead.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match std::env::var_os("LANDFALL_TEST_PROGRAMS") {
        Some(folder) => folder.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let binary = std::env::current_exe().expect("this program has a path");
    // target/<profile>/deps/<test>
    let folder = binary
        .ancestors()
        .nth(2)
        .expect("tests lie in target/<profile>/deps");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--workspace", "--bins"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        ])
        .args([
            "-p", "watcher", "-p", "ingest", "-p", "mover", "-p", "notifier", "-p", "cli",
        ]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "the services do not build");
    folder.to_owned()
}
