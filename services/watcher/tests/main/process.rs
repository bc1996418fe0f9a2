//! The binary.

use std::process::Command;

use proto::User;
use servers::Process;

use crate::bed::{Bed, until};

fn program(bed: &Bed, toml: &str) -> Command {
    let file = bed.folder().join("landfall.toml");
    std::fs::write(&file, toml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall-watcher"));
    command
        .arg("--config")
        .arg(file)
        .env(
            "LANDFALL_NATS__PASSWORD",
            bed.nats.password(User::Watcher).unwrap(),
        )
        .env("LANDFALL_WATCHER__LISTEN", "127.0.0.1:0");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_finds_files_and_ends_when_it_is_asked_to() {
    let bed = Bed::new("watcher.sweep_every = '1h'").await;
    bed.upload("incoming/a.csv", "one").await;
    let log = bed.folder().join("watcher.log");
    let process = Process::start("watcher", program(&bed, &bed.toml()), &log).unwrap();
    bed.wait_for_arrived(1).await;
    let status = process.stop().await;
    assert_eq!(status.code(), Some(0), "{}", process.last_lines(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_in_one_line_what_is_wrong() {
    let bed = Bed::new("").await;
    let watched = format!("watcher.buckets = [{{ name = '{}' }}]", bed.bucket);
    let toml = bed.toml().replace(&watched, "");
    let log = bed.folder().join("watcher.log");
    let process = Process::start("watcher", program(&bed, &toml), &log).unwrap();
    let status = until("it ends", async || process.status()).await;
    assert_eq!(status.code(), Some(1));
    let said = process.last_lines(1);
    assert!(said.contains("[[watcher.buckets]]"), "{said}");
}
