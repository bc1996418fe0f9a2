//! Files that are larger than memory, or mean to be.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::try_join_all;
use proto::event::{MoveOutcome, Rejected};
use proto::{Data, What};
use tests::{Builder, Installation, must_have_room, run};

use super::{SERVICES, SHIPPED, Settings};

const MIB: usize = 1 << 20;

/// What a line of a large table has, in bytes.
const LINE: usize = 256;

/// Bytes that are uploaded at once.
const PIECE: usize = 8 * MIB;

const HEADER: &str = "sensor_id,timestamp,value,note\n";

/// Little enough that a file held in memory would stand out.
const SMALL: Settings = Settings {
    slots: 4,
    memory: 32,
};

fn small() -> Builder {
    Installation::builder()
        .patience(Duration::from_secs(5 * 60))
        .set("service.slots", 4)
        .set("ingest.memory", 32 << 20)
        .set("ingest.in_memory", 100_000)
        .set("ingest.longest_line", 256 << 10)
        .set("ingest.refused_rows", 1 << 20)
}

/// What a person has who changes nothing, and much time.
fn shipped() -> Builder {
    Installation::builder()
        .own_store()
        .patience(Duration::from_secs(60 * 60))
}

#[test]
fn a_large_file_is_read_in_the_memory_that_is_configured() {
    run(a_large_file(small(), SMALL, 400_000));
}

#[test]
#[ignore = "takes minutes and 10 GB of disk; `make soak` runs it"]
fn a_file_of_two_gigabytes_is_read_in_the_memory_that_is_configured() {
    run(async {
        must_have_room(15)?;
        a_large_file(shipped(), SHIPPED, 2_000_000_000 / LINE as u64).await
    });
}

/// A file of so many lines, each a reading of its own, goes its whole way.
async fn a_large_file(builder: Builder, settings: Settings, lines: u64) -> Result<()> {
    let landfall = builder.start().await?;
    let upload = landfall
        .bucket
        .put_pieces("incoming/large.csv", table(lines))
        .await?;
    landfall.ended(&upload).await?;
    let moved = landfall.moved(&upload).await?;
    let report = &moved.report;
    ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
    ensure!((report.read, report.stored) == (lines, lines), "{report:?}");
    ensure!(!report.at_least, "{report:?}");
    ensure!(landfall.count(moved.file.id)? == lines);
    for user in SERVICES {
        settings.hold(&landfall, user)?;
    }
    landfall.finish().await
}

/// A table of so many readings, in pieces: sixteen sensors in turn, a reading a second each.
fn table(lines: u64) -> impl Iterator<Item = Vec<u8>> {
    let in_piece = (PIECE / LINE) as u64;
    let ends = (0..lines).step_by(PIECE / LINE);
    ends.map(move |first| {
        let mut piece = Vec::with_capacity(PIECE + HEADER.len());
        if first == 0 {
            piece.extend(HEADER.bytes());
        }
        for line in first..lines.min(first + in_piece) {
            put_reading(&mut piece, line, LINE);
        }
        piece
    })
}

/// A line of exactly so many bytes.
fn put_reading(piece: &mut Vec<u8>, line: u64, bytes: usize) {
    let (sensor, time, value) = (line % 16, 1_700_000_000 + line / 16, line % 1_000);
    let end = piece.len() + bytes - 1;
    piece.extend(format!("large-{sensor},{time},{value}.5,").bytes());
    piece.resize(end, b'.');
    piece.push(b'\n');
}

#[test]
fn what_means_to_fill_the_memory_is_rejected_and_a_person_is_told_why() {
    run(hostile_files(small(), SMALL, 100 * MIB, 1_024));
}

#[test]
#[ignore = "takes minutes and 10 GB of disk; `make soak` runs it"]
fn what_means_to_fill_the_memory_by_gigabytes_is_rejected_and_a_person_is_told_why() {
    run(async {
        must_have_room(15)?;
        hostile_files(shipped(), SHIPPED, 2_000 * MIB, 10 * 1_024).await
    });
}

/// A file that means no good.
struct Hostile {
    key: &'static str,
    pieces: Box<dyn Iterator<Item = Vec<u8>>>,
    reason: &'static str,
}

/// Files of `plain` bytes, and bombs that unpack to so many MiB, all at once.
async fn hostile_files(
    builder: Builder,
    settings: Settings,
    plain: usize,
    unpacked: usize,
) -> Result<()> {
    let landfall = builder.start().await?;
    let files = hostile(plain, unpacked);
    let reasons: Vec<_> = files.iter().map(|file| file.reason).collect();
    let puts = files
        .into_iter()
        .map(|file| landfall.bucket.put_pieces(file.key, file.pieces));
    let uploads = try_join_all(puts).await?;
    for (upload, reason) in uploads.iter().zip(&reasons) {
        landfall.ended(upload).await?;
        let rejected = rejected(&landfall, upload).await?;
        let key = &upload.key;
        ensure!(rejected.reason.contains(reason), "{key}: {rejected:?}");
        ensure!(rejected.report.stored == 0, "{key}: {rejected:?}");
        let kept = landfall.bucket.head(&format!("rejected/{key}")).await?;
        ensure!(kept.is_some(), "{key} is not in rejected/");
        let told = landfall.mails()?.into_iter().any(|mail| {
            let text = mail.text.unwrap_or_default();
            // Mails break long lines.
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            text.contains(key) && text.contains(reason)
        });
        ensure!(told, "no mail says of {key} that it {reason}");
    }
    ensure!(landfall.rows()?.is_empty(), "something of them was stored");
    for user in SERVICES {
        settings.hold(&landfall, user)?;
    }
    landfall.finish().await
}

fn hostile(plain: usize, unpacked: usize) -> Vec<Hostile> {
    let whole = |bytes: Vec<u8>| {
        let pieces: Vec<_> = bytes.chunks(PIECE).map(<[u8]>::to_vec).collect();
        Box::new(pieces.into_iter()) as Box<dyn Iterator<Item = Vec<u8>>>
    };
    let endless = |head: &'static str, with: &'static [u8]| {
        let pieces = (0..plain / PIECE).map(move |number| {
            let head = if number == 0 { head } else { "" };
            [head.as_bytes(), &with.repeat(PIECE / with.len())].concat()
        });
        Box::new(pieces) as Box<dyn Iterator<Item = Vec<u8>>>
    };
    let bomb = |head: &str, with: &[u8]| [pack(head.as_bytes()), pack(with).repeat(unpacked)];
    let blank = bomb(HEADER, &vec![b'\n'; MIB]).concat();
    vec![
        Hostile {
            key: "incoming/endless.csv",
            pieces: endless("", b"7"),
            reason: "line 1 is longer than",
        },
        Hostile {
            key: "incoming/quoted.csv",
            pieces: endless("sensor_id,timestamp,value\n\"", b"s,1700000000,1\n"),
            reason: "a quote opened in line 2 is never closed",
        },
        Hostile {
            key: "incoming/refused.csv",
            pieces: endless("sensor_id,timestamp,value\n", b"s,yesterday,1\n"),
            reason: "could not be read",
        },
        Hostile {
            key: "incoming/zeros.csv.gz",
            pieces: whole(bomb("", &vec![b'0'; MIB]).concat()),
            reason: "line 1 is longer than",
        },
        Hostile {
            key: "incoming/nested.csv.gz",
            pieces: whole(pack(&blank)),
            reason: "gzip inside of gzip",
        },
        Hostile {
            key: "incoming/blank.csv.gz",
            pieces: whole(blank),
            reason: "its gzip data unpacks to more than",
        },
        Hostile {
            key: "incoming/readings.csv.gz",
            pieces: whole(bomb(HEADER, &repetitive()).concat()),
            reason: "its gzip data unpacks to more than",
        },
    ]
}

async fn rejected(landfall: &Installation, upload: &tests::Upload) -> Result<Rejected> {
    match landfall.said(upload, What::Rejected).await?.event.data {
        Data::Rejected(rejected) => Ok(rejected),
        other => anyhow::bail!("it is not `rejected`: {other:?}"),
    }
}

#[test]
#[ignore = "takes minutes; `make soak` runs it"]
fn ten_gigabytes_out_of_one_small_file_are_read_where_that_is_allowed() {
    const TIMES: u64 = 10 * 1_024;
    run(async {
        let landfall = shipped().set("ingest.gzip_ratio", 10_000).start().await?;
        let times = usize::try_from(TIMES)?;
        let file = [pack(HEADER.as_bytes()), pack(&repetitive()).repeat(times)].concat();
        let upload = landfall.put("incoming/bomb.csv.gz", file).await?;
        landfall.ended(&upload).await?;
        let report = landfall.moved(&upload).await?.report;
        let read = TIMES * (MIB / LONG_LINE) as u64;
        ensure!(report.read == read, "{report:?}");
        ensure!(report.stored == DISTINCT, "{report:?}");
        for user in SERVICES {
            SHIPPED.hold(&landfall, user)?;
        }
        landfall.finish().await
    });
}

/// Lines that are long and alike pack to less than a two-hundredth.
const LONG_LINE: usize = 4_096;

/// Distinct readings in a [`repetitive`] MiB.
const DISTINCT: u64 = 4;

/// A MiB of the same few readings again and again: packed, next to nothing.
fn repetitive() -> Vec<u8> {
    let mut readings = vec![];
    let lines = (MIB / LONG_LINE) as u64;
    (0..lines).for_each(|line| put_reading(&mut readings, line % DISTINCT, LONG_LINE));
    readings
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(vec![], Compression::default());
    packer.write_all(bytes).expect("memory takes it");
    packer.finish().expect("memory takes it")
}
