//! How much the stores take on this machine: `cargo bench -p store --bench load [-- WORD]`.
//!
//! Each line is one kind of load, for about two seconds: how much of it a second, how long one
//! took (median and 99th percentile), and how much processor time. With a word, only the loads
//! that have it in their name.
#![expect(clippy::unwrap_used, reason = "it ends at what it did not expect")]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use proto::event::{Arrived, FoundBy};
use proto::{Data, Event, FileId, User, Version};
use store::journal::{Cell, Register};
use store::readings::Reading;
use store::{Journal, Readings, sqlite};

/// How long each load lasts.
const PERIOD: Duration = Duration::from_secs(2);

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        sync(folder.path()).await;
        for tasks in [1, 16, 64] {
            settles(folder.path(), tasks).await;
        }
        for tasks in [1, 16] {
            shared(folder.path(), tasks).await;
        }
        for (files, rows, sensors) in [
            (1, 100, 1),
            (32, 100, 1),
            (32, 100, 100),
            (1, 10_000, 1),
            (1, 10_000, 1_000),
            (8, 10_000, 1_000),
        ] {
            readings(folder.path(), files, rows, sensors).await;
        }
        reads(folder.path()).await;
        for tasks in [1, 16, 64] {
            lives(folder.path(), tasks).await;
        }
    });
}

/// The disk alone: 8 KiB written and synced, in a file that has the room already.
async fn sync(folder: &Path) {
    let mut file = File::create(folder.join("sync")).unwrap();
    file.write_all(&vec![1; 32 << 20]).unwrap();
    file.sync_all().unwrap();
    let file = Arc::new(file);
    load("write 8 KiB and sync", 1, 1, |number| {
        let file = Arc::clone(&file);
        async move {
            file.write_all_at(&[2; 8_192], number % 4_000 * 8_192)
                .unwrap();
            file.sync_data().unwrap();
        }
    })
    .await;
}

async fn open_journal(path: &Path) -> Arc<sqlite::Journal> {
    Arc::new(sqlite::Journal::open(path).await.unwrap())
}

async fn open_readings(path: &Path) -> Arc<sqlite::Readings> {
    Arc::new(sqlite::Readings::open(path).await.unwrap())
}

fn sensors() -> Arc<Vec<Arc<str>>> {
    let name = |number| format!("plant-7/line-{number:04}").into();
    Arc::new((0..1_000).map(name).collect())
}

async fn settles(folder: &Path, tasks: u64) {
    let journal = open_journal(&folder.join(format!("settles-{tasks}.db"))).await;
    let name = format!("settle, {tasks} at once");
    load(&name, 1, tasks, |number| {
        let journal = Arc::clone(&journal);
        async move {
            journal.settle(&event(number, User::Watcher)).await.unwrap();
        }
    })
    .await;
}

/// Two replicas, each with the file open.
async fn shared(folder: &Path, tasks: u64) {
    let path = folder.join("shared.db");
    let journals = [open_journal(&path).await, open_journal(&path).await];
    let name = format!("settle, {tasks} at once at each of two openings");
    load(&name, 1, 2 * tasks, |number| {
        let journal = Arc::clone(&journals[usize::from(number.is_multiple_of(2))]);
        async move {
            journal.settle(&event(number, User::Watcher)).await.unwrap();
        }
    })
    .await;
}

async fn readings(folder: &Path, files: u64, rows: u64, spread: u64) {
    let path = folder.join(format!("readings-{files}-{rows}-{spread}.db"));
    let store = open_readings(&path).await;
    let names = sensors();
    let name = format!("write {rows} readings of {spread} sensors, {files} files at once");
    load(&name, rows, files, |number| {
        let (store, names) = (Arc::clone(&store), Arc::clone(&names));
        async move {
            let readings = content(&names, number, rows, spread);
            store.write(id(number), readings).await.unwrap();
        }
    })
    .await;
    size(&path);
}

async fn reads(folder: &Path) {
    let journal = open_journal(&folder.join("reads.db")).await;
    for number in 0..1_000 {
        journal.settle(&event(number, User::Watcher)).await.unwrap();
    }
    let cell = |number| Cell {
        file: id(number % 1_000),
        replay: 0,
    };
    load("settled, 16 at once", 1, 16, |number| {
        let journal = Arc::clone(&journal);
        async move {
            assert!(journal.settled(cell(number)).await.unwrap().is_some());
        }
    })
    .await;
    load("settled_many of 1,000", 1_000, 1, |_| {
        let journal = Arc::clone(&journal);
        async move {
            let cells: Vec<Cell> = (0..1_000).map(cell).collect();
            journal.settled_many(&cells).await.unwrap();
        }
    })
    .await;
}

/// What the four services ask of their stores for one file of 100 readings.
async fn lives(folder: &Path, tasks: u64) {
    let folder = folder.join(format!("lives-{tasks}"));
    let mut journals = vec![];
    for service in ["watcher", "ingest", "mover", "notifier"] {
        let path = folder.join(service).with_extension("db");
        journals.push(sqlite::Journal::open(&path).await.unwrap());
    }
    let journals = Arc::new(journals);
    let store = open_readings(&folder.join("readings.db")).await;
    let names = sensors();
    let name = format!("whole life of a file of 100 readings, {tasks} at once");
    load(&name, 1, tasks, |number| {
        let (journals, store, names) = (
            Arc::clone(&journals),
            Arc::clone(&store),
            Arc::clone(&names),
        );
        async move {
            let [watcher, ingest, mover, notifier] = &journals[..] else {
                unreachable!()
            };
            let name = format!("incoming/plant-7/line-{number}.csv");
            let value = vec![b'x'; 300];
            register(watcher, "key", &name, &value, 0).await;
            outcome(watcher, User::Watcher, number).await;

            ingest.settled(cell(number)).await.unwrap();
            register(ingest, "decision", &name, &value, 0).await;
            let readings = content(&names, number, 100, 1);
            store.write(id(number), readings).await.unwrap();
            outcome(ingest, User::Ingest, number).await;

            mover.settled(cell(number)).await.unwrap();
            register(mover, "destination", &name, &value, 0).await;
            outcome(mover, User::Mover, number).await;

            notifier.settled(cell(number)).await.unwrap();
            register(notifier, "mail", &name, &value, 2).await;
            outcome(notifier, User::Notifier, number).await;
        }
    })
    .await;
    for service in ["watcher", "notifier", "readings"] {
        size(&folder.join(service).with_extension("db"));
    }
}

async fn register(journal: &impl Journal, kind: &'static str, name: &str, value: &[u8], more: u64) {
    let register = Register::new(kind, name);
    journal.read(&register).await.unwrap();
    journal.create(&register, value).await.unwrap();
    for revision in 1..=more {
        journal.replace(&register, revision, value).await.unwrap();
    }
}

async fn outcome(journal: &impl Journal, step: User, number: u64) {
    journal.settle(&event(number, step)).await.unwrap();
    journal.mark_published(cell(number), number).await.unwrap();
}

/// Runs `work` over and over in `tasks` tasks; each run counts as `amount`.
async fn load<F>(name: &str, amount: u64, tasks: u64, work: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let word = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if word.is_some_and(|word| !name.contains(&word)) {
        return;
    }
    let mut number = 0;
    let (started, before) = (Instant::now(), processor_time());
    let mut running = tokio::task::JoinSet::new();
    let mut times = vec![];
    let mut spawn = |running: &mut tokio::task::JoinSet<Duration>| {
        let work = work(number);
        number += 1;
        running.spawn(async move {
            let before = Instant::now();
            work.await;
            before.elapsed()
        });
    };
    for _ in 0..tasks {
        spawn(&mut running);
    }
    while let Some(time) = running.join_next().await {
        times.push(time.unwrap());
        if started.elapsed() < PERIOD {
            spawn(&mut running);
        }
    }
    let processor = processor_time() - before;
    report(name, amount, started.elapsed(), times, processor);
}

fn report(name: &str, amount: u64, elapsed: Duration, mut times: Vec<Duration>, processor: f64) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let done = times.len() as f64 * amount as f64;
    println!(
        "{name:<66} {:>9.0}/s  p50 {:>9.2?}  p99 {:>9.2?}  {:>6.1} µs of processor each",
        done / elapsed.as_secs_f64(),
        at(50),
        at(99),
        processor * 1e6 / done,
    );
}

fn size(path: &Path) {
    let of = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len() >> 10);
    let log = format!("{}-wal", path.display());
    println!(
        "    {}: {} KiB, its log {} KiB",
        path.file_name().unwrap().to_string_lossy(),
        of(path),
        of(Path::new(&log))
    );
}

/// Seconds of processor time that this process has used.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn id(number: u64) -> FileId {
    // Spread like real ids.
    let spread = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    FileId::from_bytes(spread.to_be_bytes())
}

fn cell(number: u64) -> Cell {
    Cell {
        file: id(number),
        replay: 0,
    }
}

fn content(names: &[Arc<str>], number: u64, rows: u64, sensors: u64) -> Vec<Reading> {
    (0..rows)
        .map(|row| {
            let sensor = usize::try_from(number * 17 + row % sensors).unwrap() % names.len();
            Reading {
                sensor: Arc::clone(&names[sensor]),
                metric: "value".into(),
                time: Timestamp::from_second(1_700_000_000 + (number * rows + row) as i64).unwrap(),
                value: row as f64 / 7.0,
                write_timestamp: 1_700_000_000_000_000,
            }
        })
        .collect()
}

fn event(number: u64, step: User) -> Event {
    let now = Timestamp::now();
    let file = proto::File {
        id: id(number),
        bucket: "landfall".to_owned(),
        key: format!("incoming/plant-7/line-{number}.csv"),
        version: Version::new("d41d8cd98f00b204e9800998ecf8427e", now, None),
        size: 4_096,
        content_type: Some("text/csv".to_owned()),
        content_encoding: None,
        order: now,
        profile: "default".to_owned(),
    };
    let data = Data::Arrived(Arrived {
        file,
        replay: 0,
        found_by: FoundBy::Notification,
    });
    Event::new(step, data, now)
}
