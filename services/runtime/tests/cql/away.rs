//! One of two nodes is away, and of everything two replicas are wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use conformance::journal::event;
use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use proto::User;
use runtime::Trouble;
use runtime::config::store::Config;
use store::journal::{Cell, Register};
use store::readings::{Query, Reading};
use store::{Error, Journal, Readings};

use crate::nodes::nodes;

/// Of one file.
const READINGS: i64 = 500;
/// Of a large one.
const MANY: i64 = 200_000;
/// That a file has readings of.
const SENSORS: i64 = 7;
/// MiB that writing it may take beside its readings: the buffer has 5.
const BOUND: u64 = 24;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Writes files and settles and marks their outcomes, one after the other, each until all of it is
/// acknowledged.
struct Writer {
    /// The first of its files.
    first: u64,
    journal: Arc<dyn Journal>,
    readings: Arc<dyn Readings>,
    acknowledged: AtomicU64,
    outages: AtomicU64,
    ends: AtomicBool,
}

impl Writer {
    fn start(first: u64, journal: &Arc<dyn Journal>, readings: &Arc<dyn Readings>) -> Arc<Self> {
        Arc::new(Self {
            first,
            journal: Arc::clone(journal),
            readings: Arc::clone(readings),
            acknowledged: AtomicU64::new(0),
            outages: AtomicU64::new(0),
            ends: AtomicBool::new(false),
        })
    }

    async fn write(&self) {
        let mut number = self.first;
        while !self.ends.load(Ordering::SeqCst) {
            let event = event(number, 0, "");
            let written = async {
                let readings = content(number, READINGS);
                self.readings.write(cell(number).file, readings).await?;
                self.journal.settle(&event).await?;
                self.journal.mark_published(cell(number), number + 1).await
            };
            match written.await {
                Ok(()) => {
                    number += 1;
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => {
                    away(Err::<(), _>(error));
                    self.outages.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    fn outages(&self) -> u64 {
        self.outages.load(Ordering::SeqCst)
    }

    /// All that it was told is written is there, whole.
    async fn check(&self) {
        let check = async |number: u64| {
            holds(&self.readings, number, READINGS).await;
            let settled = self.journal.settled(cell(number)).await.unwrap().unwrap();
            assert_eq!(settled.published, Some(number + 1));
        };
        let numbers = self.first..self.first + self.acknowledged();
        join_all(numbers.map(check)).await;
    }
}

fn cell(number: u64) -> Cell {
    Cell::of(&event(number, 0, ""))
}

fn content(number: u64, readings: i64) -> Vec<Reading> {
    let sensors = (0..SENSORS).map(|sensor| sensor_of(number, sensor).into());
    let sensors: Vec<Arc<str>> = sensors.collect();
    let metric: Arc<str> = "value".into();
    let reading = |second: i64| Reading {
        sensor: Arc::clone(&sensors[usize::try_from(second % SENSORS).unwrap()]),
        metric: Arc::clone(&metric),
        time: Timestamp::from_second(second).unwrap(),
        value: value(number, second),
        write_timestamp: 1,
    };
    (0..readings).map(reading).collect()
}

fn sensor_of(number: u64, sensor: i64) -> String {
    format!("{number}-{sensor}")
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn value(number: u64, second: i64) -> f64 {
    (number.cast_signed() * 1_000_000 + second) as f64
}

/// Each reading of a file is there as it was meant, and no other.
async fn holds(store: &Arc<dyn Readings>, number: u64, readings: i64) {
    let file = cell(number).file;
    let count = store.count(file).await.unwrap();
    assert_eq!(count, readings.unsigned_abs(), "{number}");
    for sensor in 0..SENSORS {
        let query = Query {
            sensor: sensor_of(number, sensor),
            ..Query::default()
        };
        let limit = usize::try_from(readings).unwrap();
        let rows = store.page(&query, None, limit).await.unwrap();
        let rows = rows.iter();
        let found = rows.map(|row| (row.time.as_second(), row.value, row.file));
        let seconds = (0..readings).rev();
        let seconds = seconds.filter(|second| second % SENSORS == sensor);
        let meant = seconds.map(|second| (second, value(number, second), file));
        assert!(found.eq(meant), "{number}, sensor {sensor}");
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// Nothing but an outage.
fn away<T>(answer: Result<T, Error>) {
    match answer {
        Err(Error::Away { reason, .. }) => is_one_line_about_replicas(&reason),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was done"),
    }
}

/// It blames neither a right nor a password.
fn is_one_line_about_replicas(reason: &str) {
    assert!(!reason.contains('\n'), "{reason}");
    assert!(!reason.contains("grant"), "{reason}");
    assert!(!reason.contains("mend"), "{reason}");
}

/// MiB of this process: what it has now, and the most since [`forget_peak`].
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.unwrap().trim_matches([':', ' ', '\t', 'k', 'B']);
    kib.parse::<u64>().unwrap() / 1024
}

fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// What is asked while a node is away, and again when it is back.
struct Questions {
    /// The first number of the files of its test.
    first: u64,
    store: Config,
    journal: Arc<dyn Journal>,
    readings: Arc<dyn Readings>,
    register: Register,
}

impl Questions {
    fn large(&self) -> u64 {
        self.first + 10
    }

    fn outcome(&self) -> u64 {
        self.first + 11
    }

    async fn end_as_an_outage(&self) {
        let due = Some(Timestamp::UNIX_EPOCH);
        let outcome = event(self.outcome(), 0, "");
        let other = Register::new("away", format!("{}-b", self.first));
        let query = Query {
            sensor: format!("{}-0", self.first + 1_000),
            ..Query::default()
        };
        let large = content(self.large(), MANY);
        let before = memory("VmRSS");
        forget_peak();
        // Whom a node let in a moment ago it lets in again: it remembers that for two seconds.
        let open = async {
            let refused = async {
                loop {
                    match runtime::journal(&self.store, User::Ingest).await {
                        Err(Trouble::Outage { reason, .. }) => return reason,
                        Err(trouble) => panic!("{trouble:?}"),
                        Ok(_) => {}
                    }
                }
            };
            let reason = tokio::time::timeout(PATIENCE, refused).await;
            is_one_line_about_replicas(&reason.unwrap());
        };
        let (journal, readings) = (&self.journal, &self.readings);
        let written = async { away(readings.write(cell(self.large()).file, large).await) };
        let read = async { away(readings.page(&query, None, 10).await) };
        let settled = async { away(journal.settle(&outcome).await) };
        let looked_up = async { away(journal.settled(cell(self.first + 1_000)).await) };
        let created = async { away(journal.create_due(&other, b"1", due).await) };
        let replaced = async { away(journal.replace_due(&self.register, 1, b"2", due).await) };
        futures::join!(open, written, read, settled, looked_up, created, replaced);
        let most = memory("VmHWM").saturating_sub(before);
        println!("writing {MANY} readings took {most} MiB beside them, and may take {BOUND}");
        assert!(most <= BOUND, "{most} MiB");
    }

    async fn are_answered(&self) {
        // As it comes again, until it is acknowledged.
        let large = content(self.large(), MANY);
        let written = self.readings.write(cell(self.large()).file, large);
        written.await.unwrap();
        holds(&self.readings, self.large(), MANY).await;
        let event = event(self.outcome(), 0, "");
        let settled = self.journal.settle(&event).await.unwrap();
        assert_eq!((settled.event.id, settled.published), (event.id, None));
        self.journal
            .mark_published(cell(self.outcome()), 1)
            .await
            .unwrap();
        // Whether it was replaced nobody was told, but what is there is one of the two.
        let entry = self.journal.read(&self.register).await.unwrap().unwrap();
        match entry.revision {
            1 => assert_eq!(entry.value, b"1"),
            2 => assert_eq!(entry.value, b"2"),
            other => panic!("revision {other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_node_is_away_nothing_is_acknowledged_and_then_all_goes_on_by_itself() {
    goes_on_after_the_death_of(1).await;
}

/// The one that services were told of, and that the other node was told of.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_first_node_is_away_nothing_is_acknowledged_and_then_all_goes_on_by_itself() {
    goes_on_after_the_death_of(0).await;
}

async fn goes_on_after_the_death_of(node: usize) {
    let mut nodes = nodes().await.write().await;
    let store = nodes.settings.config("ingest").store;
    let journal = runtime::journal(&store, User::Ingest).await.unwrap();
    let readings = runtime::readings(&store).await.unwrap();
    let first = node as u64 * 10_000;
    let register = Register::new("away", format!("{first}-a"));
    journal.create(&register, b"1").await.unwrap();
    let writers = [1_000, 2_000, 3_000];
    let writers = writers.map(|number| Writer::start(first + number, &journal, &readings));
    let acknowledged = || writers.each_ref().map(|writer| writer.acknowledged());
    let tasks = writers
        .clone()
        .map(|writer| tokio::spawn(async move { writer.write().await }));
    until("files", || acknowledged().iter().all(|files| *files > 5)).await;

    nodes.both[node].kill().await;
    let before = acknowledged();
    let questions = Questions {
        first,
        store,
        journal,
        readings,
        register,
    };
    let outages = until("outages", || {
        writers.iter().all(|writer| writer.outages() > 0)
    });
    futures::join!(questions.end_as_an_outage(), outages);
    let meanwhile = acknowledged();
    for (files, before) in meanwhile.iter().zip(before) {
        // What both nodes had acknowledged may have been told late.
        assert!(files - before <= 1, "{before} files, then {files}");
    }
    nodes.both[node].restart().await.unwrap();
    until("more files", || {
        let files = acknowledged();
        files
            .iter()
            .zip(meanwhile)
            .all(|(files, before)| *files > before + 5)
    })
    .await;

    for writer in &writers {
        writer.ends.store(true, Ordering::SeqCst);
    }
    try_join_all(tasks).await.unwrap();
    join_all(writers.iter().map(|writer| writer.check())).await;
    questions.are_answered().await;
    questions.journal.forget(Timestamp::MAX).await.unwrap();
}
