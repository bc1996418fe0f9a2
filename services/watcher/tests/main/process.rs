//! The binary.

use std::process::Command;

use proto::User;
use servers::{Port, Process};

use crate::bed::{Bed, until};
use crate::http;
use crate::seaweedfs::TOKEN;

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

async fn metrics(port: u16) -> String {
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    http::send(port, request).await.unwrap().text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_finds_files_and_ends_when_it_is_asked_to() {
    let bed = Bed::new("watcher.sweep_every = '1h'").await;
    bed.upload("incoming/found.csv", "one").await;
    let log = bed.folder().join("watcher.log");
    let mut command = program(&bed, &bed.toml());
    let (events, probes) = (Port::free().unwrap(), Port::free().unwrap());
    let (events, probes) = (events.number(), probes.number());
    command
        .env("LANDFALL_WATCHER__LISTEN", format!("127.0.0.1:{events}"))
        .env("LANDFALL_SERVICE__LISTEN", format!("127.0.0.1:{probes}"));
    let process = Process::start("watcher", command, &log).unwrap();
    bed.wait_for_arrived(1).await;
    bed.upload("incoming/heard.csv", "two").await;
    for key in [
        "incoming/heard.csv",
        "incoming/heard.csv",
        "elsewhere/a.csv",
    ] {
        let taken = http::post(events, TOKEN, &bed.webhook(key)).await.unwrap();
        assert_eq!(taken.status, 200);
        bed.wait_until_worked_off().await;
    }
    bed.wait_for_arrived(2).await;
    let metrics = metrics(probes).await;
    let status = process.stop().await;
    for line in [
        "landfall_arrived_total{service=\"watcher\",found_by=\"sweep\"} 1",
        "landfall_arrived_total{service=\"watcher\",found_by=\"notification\"} 1",
        "landfall_notifications_total{service=\"watcher\",sender=\"seaweedfs\",outcome=\"arrived\"} 1",
        "landfall_notifications_total{service=\"watcher\",sender=\"seaweedfs\",outcome=\"known\"} 1",
        "landfall_notifications_total{service=\"watcher\",sender=\"seaweedfs\",outcome=\"other_prefix\"} 1",
        "landfall_event_requests_total{service=\"watcher\",status=\"200\"} 3",
        "landfall_sweep_objects{service=\"watcher\",state=\"listed\"} 1",
        "landfall_sweep_duration_seconds_count{service=\"watcher\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
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
