//! The bounds, on a database that answers as a test wants it to.

use std::collections::BTreeSet;
use std::process::Command;

use futures::FutureExt;
use proptest::prelude::*;
use tokio::task::{JoinHandle, unconstrained, yield_now};

use super::*;

/// Turns of the runtime after which a life that has not ended never will.
const PATIENCE: usize = 100_000;

/// Files that are written at once, on a database with room for so many bytes and requests.
#[derive(Clone, Debug)]
struct Life {
    writes: Vec<Write>,
    /// What becomes of one request after the other, again and again.
    answers: Vec<Answer>,
    room: usize,
    at_once: usize,
}

/// The rows of a file: in which partitions, and how many together.
#[derive(Clone, Debug)]
struct Write {
    partitions: Vec<(u8, i64)>,
    /// After how many turns it begins, and after how many more it is given up, where it is.
    begins: usize,
    leaves: Option<usize>,
}

/// After how many turns a request is answered, and how.
#[derive(Clone, Copy, Debug)]
struct Answer {
    after: usize,
    fails: bool,
}

fn lives() -> impl Strategy<Value = Life> {
    let partitions = prop::collection::vec((0..6_u8, 1..400_i64), 1..8);
    let leaves = prop::option::weighted(0.2, 0..30_usize);
    let write = (partitions, 0..20_usize, leaves);
    let write = write.prop_map(|(partitions, begins, leaves)| Write {
        partitions,
        begins,
        leaves,
    });
    let answer = (0..8_usize, prop::bool::weighted(0.03));
    let answer = answer.prop_map(|(after, fails)| Answer { after, fails });
    let (writes, answers) = (
        prop::collection::vec(write, 1..12),
        prop::collection::vec(answer, 1..50),
    );
    // A whole batch has to have room.
    let room = RUN + BATCH * size_of::<Row>()..40_000;
    (writes, answers, room, 1..6_usize).prop_map(|(writes, answers, room, at_once)| Life {
        writes,
        answers,
        room,
        at_once,
    })
}

/// A database that does as it is told, and remembers.
#[derive(Default)]
struct Script {
    answers: Vec<Answer>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    asked: usize,
    under_way: usize,
    /// The most requests at once.
    most: usize,
    /// Of the rows under way.
    bytes: usize,
    /// File and time of each row that was written.
    rows: BTreeSet<(Uuid, i64)>,
}

impl Database for Script {
    fn name(&self) -> &'static str {
        "a script"
    }

    async fn insert(&self, _: &Partition, runs: &[Run]) -> Result<()> {
        let answer = {
            let mut seen = self.seen.lock().unwrap();
            seen.asked += 1;
            seen.under_way += 1;
            seen.most = seen.most.max(seen.under_way);
            seen.bytes += bytes(runs);
            self.answers[seen.asked % self.answers.len()]
        };
        for _ in 0..answer.after {
            yield_now().await;
        }
        let mut seen = self.seen.lock().unwrap();
        seen.under_way -= 1;
        seen.bytes -= bytes(runs);
        if answer.fails {
            return Err(fault::away(self.name(), "it was told to"));
        }
        let rows = runs.iter().flat_map(|run| {
            let times = run.rows.iter().map(|row| row.time);
            times.map(|time| (run.file, time))
        });
        for row in rows {
            assert!(seen.rows.insert(row), "it comes twice");
        }
        Ok(())
    }
}

/// What rows take, counted anew.
fn bytes<'a>(runs: impl IntoIterator<Item = &'a Run>) -> usize {
    let of = |run: &Run| 448 + 24 * run.rows.len();
    runs.into_iter().map(of).sum()
}

fn partition(bucket: i64) -> Partition {
    Partition {
        sensor: "a".into(),
        metric: "value".into(),
        bucket,
    }
}

fn file(number: usize) -> Uuid {
    Uuid::from_u128(number as u128)
}

impl Write {
    fn count(&self) -> i64 {
        self.partitions.iter().map(|(_, rows)| rows).sum()
    }

    /// Its rows by their partitions, each with a time of its own.
    fn rows(&self) -> Vec<(Partition, Vec<Row>)> {
        let mut times = 0..;
        let partitions = self.partitions.iter().map(|(bucket, rows)| {
            let rows = times.by_ref().zip(0..*rows).map(|(time, _)| row(time));
            (partition((*bucket).into()), rows.collect())
        });
        partitions.collect()
    }
}

fn row(time: i64) -> Row {
    Row {
        time,
        value: 1.0,
        write_timestamp: 1,
    }
}

/// Lives one through, looking at the bounds at every turn.
async fn live(life: &Life) -> std::result::Result<(), TestCaseError> {
    let script = Script {
        answers: life.answers.clone(),
        seen: Mutex::default(),
    };
    let pipeline = Pipeline::bounded(script, life.room, life.at_once);
    let mut tasks: Vec<Option<JoinHandle<Result<()>>>> = vec![];
    tasks.resize_with(life.writes.len(), || None);
    let mut ended = vec![];
    let mut turn = 0;
    while ended.len() < tasks.len() || pipeline.state().senders > 0 {
        prop_assert!(turn < PATIENCE, "it never ends");
        for (number, write) in life.writes.iter().enumerate() {
            if turn == write.begins {
                let (pipeline, rows) = (Arc::clone(&pipeline), write.rows());
                let written = async move { pipeline.write(file(number), rows).await };
                tasks[number] = Some(tokio::spawn(written));
            }
            if let Some(task) = &tasks[number]
                && write
                    .leaves
                    .is_some_and(|turns| turn == write.begins + turns)
            {
                task.abort();
            }
            if let Some(task) = tasks[number].take_if(|task| task.is_finished()) {
                ended.push((number, task.await));
            }
        }
        bounds_are_kept(&pipeline, life)?;
        yield_now().await;
        turn += 1;
    }
    let seen = pipeline.database.seen.lock().unwrap();
    for (number, written) in ended {
        let rows = seen.rows.range((file(number), 0)..(file(number + 1), 0));
        let (rows, all) = (rows.count(), life.writes[number].count());
        if matches!(written, Ok(Ok(()))) {
            prop_assert_eq!(rows, usize::try_from(all).unwrap(), "acknowledged");
        }
    }
    prop_assert_eq!(pipeline.state().gather.held().count(), 0);
    prop_assert_eq!(pipeline.room.available_permits(), life.room);
    Ok(())
}

fn bounds_are_kept(
    pipeline: &Pipeline<Script>,
    life: &Life,
) -> std::result::Result<(), TestCaseError> {
    let waiting = bytes(pipeline.state().gather.held());
    let seen = pipeline.database.seen.lock().unwrap();
    let held = waiting + seen.bytes;
    prop_assert!(held <= life.room, "{} bytes are held", held);
    prop_assert!(seen.most <= life.at_once, "{} at once", seen.most);
    Ok(())
}

proptest! {
    #[test]
    fn whoever_writes_and_leaves_and_whatever_is_answered_no_more_is_held_than_has_room(
        life in lives()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(live(&life))?;
    }
}

/// Kib of memory that this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

/// At worst each row is alone in its partition, and nothing is answered. In a process of its own,
/// since what other tests take is the same process's.
#[test]
fn what_has_room_takes_no_more_memory_than_there_is_room() {
    const ALONE: &str = "LANDFALL_TEST_PIPELINE_ALONE";
    const NAME: &str =
        "cql::pipeline::tests::what_has_room_takes_no_more_memory_than_there_is_room";
    /// Of the process itself, in KiB.
    const MORE: usize = 512;
    if std::env::var(ALONE).is_err() {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let ended = alone.args([NAME, "--exact", "--nocapture"]).env(ALONE, "");
        let ended = ended.output().unwrap();
        println!("{}", String::from_utf8_lossy(&ended.stdout));
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let full = async {
        let pipeline = Pipeline::new(Script::default());
        let alone = partition(0);
        let before = resident();
        let mut buckets = 0..;
        while pipeline.room.available_permits() >= RUN + size_of::<Row>() {
            let partition = |bucket| Partition {
                bucket,
                ..alone.clone()
            };
            let some = buckets.by_ref().take(100);
            let rows = some.map(|bucket| (partition(bucket), vec![row(0)]));
            // Whoever sends has no turn, so what is put stays.
            let written = unconstrained(pipeline.write(file(1), rows.collect())).now_or_never();
            assert!(written.is_none(), "{written:?}");
        }
        let took = resident() - before;
        (took, pipeline.state().gather.held().count())
    };
    let (took, runs) = runtime.unwrap().block_on(full);
    println!(
        "{runs} rows that wait took {took} KiB, of {} KiB",
        ROOM / 1_024
    );
    assert!(runs > 10_000, "{runs} runs");
    assert!(took <= ROOM / 1_024 + MORE, "{took} KiB");
}
