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
/// MiB that writing it may take beside its readings: the buffer has 4.
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
            let count = self.readings.count(cell(number).file).await.unwrap();
            assert_eq!(count, READINGS.unsigned_abs(), "{number}");
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
    let sensors: Vec<Arc<str>> = (0..7).map(|at| format!("{number}-{at}").into()).collect();
    let metric: Arc<str> = "value".into();
    let reading = |second: i64| Reading {
        sensor: Arc::clone(&sensors[usize::try_from(second % 7).unwrap()]),
        metric: Arc::clone(&metric),
        time: Timestamp::from_second(second).unwrap(),
        value: 1.0,
        write_timestamp: 1,
    };
    (0..readings).map(reading).collect()
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
    store: Config,
    journal: Arc<dyn Journal>,
    readings: Arc<dyn Readings>,
    register: Register,
}

impl Questions {
    const LARGE: u64 = 10;
    const OUTCOME: u64 = 11;

    async fn end_as_an_outage(&self) {
        let due = Some(Timestamp::UNIX_EPOCH);
        let outcome = event(Self::OUTCOME, 0, "");
        let other = Register::new("away", "b".to_owned());
        let query = Query {
            sensor: "1000-0".to_owned(),
            ..Query::default()
        };
        let large = content(Self::LARGE, MANY);
        let before = memory("VmRSS");
        forget_peak();
        let open = async {
            match runtime::journal(&self.store, User::Ingest).await {
                Err(Trouble::Outage { reason, .. }) => is_one_line_about_replicas(&reason),
                Err(trouble) => panic!("{trouble:?}"),
                Ok(_) => panic!("it was opened"),
            }
        };
        let (journal, readings) = (&self.journal, &self.readings);
        let written = async { away(readings.write(cell(Self::LARGE).file, large).await) };
        let read = async { away(readings.page(&query, None, 10).await) };
        let settled = async { away(journal.settle(&outcome).await) };
        let looked_up = async { away(journal.settled(cell(1_000)).await) };
        let created = async { away(journal.create_due(&other, b"1", due).await) };
        let replaced = async { away(journal.replace_due(&self.register, 1, b"2", due).await) };
        futures::join!(open, written, read, settled, looked_up, created, replaced);
        let most = memory("VmHWM").saturating_sub(before);
        println!("writing {MANY} readings took {most} MiB beside them, and may take {BOUND}");
        assert!(most <= BOUND, "{most} MiB");
    }

    async fn are_answered(&self) {
        let event = event(Self::OUTCOME, 0, "");
        let settled = self.journal.settle(&event).await.unwrap();
        assert_eq!((settled.event.id, settled.published), (event.id, None));
        self.journal
            .mark_published(cell(Self::OUTCOME), 1)
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
    let mut nodes = nodes().await.write().await;
    let store = nodes.settings.config("ingest").store;
    let journal = runtime::journal(&store, User::Ingest).await.unwrap();
    let readings = runtime::readings(&store).await.unwrap();
    let register = Register::new("away", "a".to_owned());
    journal.create(&register, b"1").await.unwrap();
    let writers = [1_000, 2_000, 3_000].map(|first| Writer::start(first, &journal, &readings));
    let acknowledged = || writers.each_ref().map(|writer| writer.acknowledged());
    let tasks = writers
        .clone()
        .map(|writer| tokio::spawn(async move { writer.write().await }));
    until("files", || acknowledged().iter().all(|files| *files > 5)).await;

    nodes.second.kill().await;
    let before = acknowledged();
    let questions = Questions {
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
    nodes.second.restart().await.unwrap();
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
