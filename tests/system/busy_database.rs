//! A CQL database that has no time: it does not answer, is overloaded, or falls silent while the
//! rows of large files are written. Ingest reads no further meanwhile, and keeps its bound of memory.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Result, ensure};
use faulty_cql::{Proxy, Trouble};
use proto::User;
use tests::rows::{Key, difference, key};
use tests::{Installation, Kind, Server, Upload, run};
use tokio::time::Instant;

/// Rows of a file, and bytes of each; of so many sensors in turn, a second apart.
const ROWS: u32 = 240_000;
const LINE: usize = 500;
const SENSORS: u32 = 200;
const FIRST: i64 = 1_767_252_000;
/// Rows of a part, of which one is written while the next is read: two hundred batches.
const PART: u32 = 20_000;
/// Batches after which the second part is being written: each sensor's bucket, and the first part,
/// were before. Of a later file it is the third.
const BEGUN: usize = 2 * SENSORS as usize + 20;
/// Requests under way at once, and how long each is waited for.
const AT_ONCE: usize = 64;
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
/// `[service] slots`, and `[ingest] memory` in MiB.
const SLOTS: u64 = 4;
const MEMORY: u64 = 32;

#[test]
#[ignore = "takes minutes; `make soak` runs it"]
fn while_the_database_has_no_time_ingest_reads_no_further_and_in_the_end_all_rows_are_there() {
    run(async {
        let landfall = Installation::builder()
            .database(Kind::Cql)
            .wired()
            .patience(Duration::from_secs(180))
            .config(format!(
                "[service]\nslots = {SLOTS}\n\
                 [ingest]\nmemory = {}\nin_memory = {PART}\nrefused_rows = {}\n",
                MEMORY << 20,
                1 << 20,
            ))
            .start()
            .await?;
        does_not_answer_and_then_is_overloaded(&landfall).await?;
        falls_silent(&landfall).await?;
        let (peak, bound) = (landfall.peak(User::Ingest)?, 64 + SLOTS + MEMORY);
        println!("ingest had {peak} MiB at most (VmHWM), and may have {bound}");
        ensure!(peak <= bound, "ingest had {peak} MiB");
        landfall.finish().await
    });
}

/// Requests are done, and nobody hears of it.
async fn does_not_answer_and_then_is_overloaded(landfall: &Installation) -> Result<()> {
    let proxy = landfall.proxy()?;
    let upload = put(landfall, 1).await?;
    reaches(landfall, BEGUN, Proxy::batches).await?;
    proxy.trouble_all(Trouble::Unanswered);
    let begin = Instant::now();
    reaches(landfall, AT_ONCE, Proxy::troubled).await?;
    reaches(landfall, AT_ONCE + 1, Proxy::troubled).await?;
    let waited = begin.elapsed();
    ensure!(
        waited > ANSWERED_WITHIN - Duration::from_secs(1),
        "after {waited:?} more than {AT_ONCE} requests are under way"
    );
    reads_no_further(landfall, 0)?;
    // Now and then only, or a batch might be refused each time it is tried.
    proxy.trouble(20, Trouble::Overloaded);
    stored(landfall, &upload, 1).await?;
    ensure!(proxy.is_over(), "fewer batches were refused");
    Ok(())
}

/// It takes connections, and neither hears nor says a word.
async fn falls_silent(landfall: &Installation) -> Result<()> {
    let batches = landfall.proxy()?.batches();
    let got = landfall.got(User::Ingest, Server::Store)?;
    let upload = put(landfall, 2).await?;
    reaches(landfall, batches + BEGUN, Proxy::batches).await?;
    landfall.silence(User::Ingest, Server::Database)?;
    let outage = landfall.until("ingest to notice", || async {
        let outage = landfall.metric(User::Ingest, "landfall_outage", "").await;
        (outage.ok()? >= 1.0).then_some(())
    });
    outage.await?;
    reads_no_further(landfall, got)?;
    landfall.mend(User::Ingest, Server::Database)?;
    stored(landfall, &upload, 2).await
}

async fn reaches(landfall: &Installation, count: usize, of: fn(&Proxy) -> usize) -> Result<()> {
    let proxy = landfall.proxy()?;
    let reached = landfall.until("so many requests", || async {
        (of(proxy) >= count).then_some(())
    });
    reached.await
}

/// Since it had got so much, ingest has got of the store the whole file once, to decide, and then
/// no more than the parts that were written, the one that is being written, the one behind it, and
/// what is on its way.
fn reads_no_further(landfall: &Installation, since: u64) -> Result<()> {
    // In the kernel's buffers, one of which may have 32 MiB (`tcp_rmem`).
    const ON_ITS_WAY: u64 = 40 << 20;
    let bytes = |rows: u32| u64::from(rows) * LINE as u64;
    let got = landfall.got(User::Ingest, Server::Store)? - since;
    let (file, bound) = (bytes(ROWS), bytes(ROWS + 4 * PART) + ON_ITS_WAY);
    println!("ingest got {got} bytes, and may get {bound}, of a file of {file}");
    ensure!(got > file, "it has not begun to read what it writes");
    ensure!(got <= bound, "it has read on");
    Ok(())
}

/// The upload with this number has ended, and the database has what it says.
async fn stored(landfall: &Installation, upload: &Upload, number: u32) -> Result<()> {
    landfall.ended(upload).await?;
    let report = landfall.moved(upload).await?.report;
    let rows = u64::from(ROWS);
    ensure!((report.read, report.stored) == (rows, rows), "{report:?}");
    let difference = difference(&landfall.rows()?, &readings(number).collect());
    ensure!(difference.is_empty(), "{difference}");
    Ok(())
}

/// The readings of the upload with this number, each over the same one of the upload before.
fn readings(number: u32) -> impl Iterator<Item = (Key, f64)> {
    (0..ROWS).map(move |row| {
        let time = (FIRST + i64::from(row / SENSORS)) * 1_000;
        let sensor = format!("busy-{}", row % SENSORS);
        let value = f64::from(number) * 1e6 + f64::from(row);
        (key(&sensor, "value", time), value)
    })
}

async fn put(landfall: &Installation, number: u32) -> Result<Upload> {
    let mut lines = readings(number);
    let pieces = std::iter::from_fn(move || {
        let mut piece = String::new();
        for ((sensor, _, time), value) in lines.by_ref().take(PART as usize) {
            let end = piece.len() + LINE;
            // Writing to a string cannot fail.
            let _ = write!(piece, "{sensor},{time},{value},");
            piece.extend(std::iter::repeat_n('.', end - 1 - piece.len()));
            piece.push('\n');
        }
        (!piece.is_empty()).then(|| piece.into_bytes())
    });
    let key = format!("incoming/busy-{number}.csv");
    landfall.bucket.put_pieces(&key, pieces).await
}
