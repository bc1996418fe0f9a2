//! The process dies between any two requests of whatever it does, and the next one, to which it
//! comes again, brings it to the end that it would have come to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use conformance::journal::event;
use faulty_cql::Proxy;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use proto::{Event, FileId};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use store::cql::Access;
use store::journal::{Cell, Register};
use store::readings::{Query, Reading};
use store::{Journal, Readings};

use crate::keyspaces::{Keyspaces, SERVICE};
use crate::server;

/// What a process does, again and again, each time about something else: a number.
trait Work {
    type Store: ?Sized;

    /// Opens it, as a process does that begins.
    async fn open(&self, access: &Access) -> Arc<Self::Store>;

    /// Makes what is there before.
    async fn prepare(&self, _store: &Self::Store, _number: u64) {}

    /// Does it, in the first life or the second.
    async fn act(&self, store: &Self::Store, number: u64, life: u64);

    /// Looks at what the first life has left, wherever it ended.
    async fn look(&self, store: &Self::Store, number: u64);

    /// Looks at what is there once it is done.
    async fn check(&self, store: &Self::Store, number: u64);
}

/// Dies before the first request of the work comes to the server, then before the second, and so on
/// until it is done before, and nobody hears of that; after a request has come, and before its
/// answer has, is the same to the server as before the next. Who takes over is one that lives on.
/// Answers how many requests it takes.
async fn dying_at_each(work: &impl Work) -> usize {
    let server = server::access_for_wires().await;
    let alive = work.open(&server).await;
    for passed in 0.. {
        let number = passed as u64;
        work.prepare(&alive, number).await;
        let proxy = Proxy::start(&server.nodes[0]).await.unwrap();
        let doomed = work
            .open(&server::access_to(&proxy.address.to_string()))
            .await;
        proxy.doom(passed);
        let died = tokio::select! {
            biased;
            () = proxy.death() => true,
            () = work.act(&doomed, number, 1) => false,
        };
        drop((doomed, proxy));
        work.look(&alive, number).await;
        work.act(&alive, number, 2).await;
        work.check(&alive, number).await;
        if !died {
            return passed;
        }
    }
    unreachable!("it is done at some time");
}

/// At least so many requests, so that it is what is meant to die.
async fn takes(at_least: usize, work: &impl Work) {
    let requests = dying_at_each(work).await;
    assert!(requests >= at_least, "{requests} requests");
}

async fn journal(keyspaces: &Keyspaces, access: &Access) -> Arc<dyn Journal> {
    keyspaces.journal(access).await
}

fn cell(number: u64) -> Cell {
    Cell::of(&event(number, 0, ""))
}

/// All that are to be published, the oldest first.
async fn unpublished(journal: &dyn Journal) -> Vec<Event> {
    let page = journal.unpublished(Timestamp::MAX, None, 10).await.unwrap();
    let outcomes = page.outcomes.into_iter();
    outcomes.map(|settled| settled.event).collect()
}

async fn settled_and_marked(journal: &dyn Journal, number: u64, sequence: u64) -> Event {
    let event = event(number, 0, "");
    journal.settle(&event).await.unwrap();
    let marked = journal.mark_published(cell(number), sequence).await;
    marked.unwrap();
    event
}

/// A moment that no write has.
async fn moment() -> Timestamp {
    const PAUSE: Duration = Duration::from_millis(2);
    tokio::time::sleep(PAUSE).await;
    let moment = Timestamp::now();
    tokio::time::sleep(PAUSE).await;
    moment
}

/// Later than everything.
fn end() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(1)
}

/// An outcome is settled, published and marked.
struct Outcome {
    keyspaces: Keyspaces,
    /// What whoever asked was told is the outcome: what was published, for all that anybody knows.
    told: Mutex<Option<Event>>,
}

impl Work for Outcome {
    type Store = dyn Journal;

    async fn open(&self, access: &Access) -> Arc<dyn Journal> {
        journal(&self.keyspaces, access).await
    }

    async fn prepare(&self, _journal: &dyn Journal, _number: u64) {
        *self.told.lock().unwrap() = None;
    }

    async fn act(&self, journal: &dyn Journal, number: u64, life: u64) {
        let own = event(number, 0, &format!("life {life}"));
        let settled = journal.settle(&own).await.unwrap().event;
        let told = self.told.lock().unwrap().replace(settled.clone());
        assert!(told.is_none_or(|told| told == settled), "{number}");
        let sequence = 10 * number + life;
        let marked = journal.mark_published(cell(number), sequence).await;
        marked.unwrap();
    }

    async fn look(&self, journal: &dyn Journal, number: u64) {
        let settled = journal.settled(cell(number)).await.unwrap();
        let told = self.told.lock().unwrap().clone();
        let stored = settled.as_ref().map(|settled| &settled.event);
        assert!(told.is_none() || told.as_ref() == stored, "{number}");
        let unmarked = settled.filter(|settled| settled.published.is_none());
        let unmarked: Vec<_> = unmarked.into_iter().map(|settled| settled.event).collect();
        assert_eq!(unpublished(journal).await, unmarked, "{number}");
    }

    async fn check(&self, journal: &dyn Journal, number: u64) {
        let settled = journal.settled(cell(number)).await.unwrap().unwrap();
        assert_eq!(self.told.lock().unwrap().as_ref(), Some(&settled.event));
        let sequences = [1, 2].map(|life| Some(10 * number + life));
        assert!(sequences.contains(&settled.published), "{settled:?}");
        assert_eq!(unpublished(journal).await, [], "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_stays_and_is_to_be_published_until_it_is_marked() {
    let outcome = Outcome {
        keyspaces: Keyspaces::new(),
        told: Mutex::new(None),
    };
    takes(7, &outcome).await;
}

/// A register is created, due, written again, due later, and written once more.
struct Due {
    keyspaces: Keyspaces,
}

impl Due {
    fn register(number: u64) -> Register {
        Register::new("mail", number.to_string())
    }

    fn due(revision: u64) -> Option<Timestamp> {
        let due = |second| Timestamp::from_second(second).unwrap();
        [None, Some(due(10)), Some(due(20)), None][usize::try_from(revision).unwrap()]
    }

    /// What is overdue is what the register says.
    async fn is_told_of(journal: &dyn Journal, number: u64) -> u64 {
        let register = Self::register(number);
        let entry = journal.read(&register).await.unwrap();
        let revision = entry.as_ref().map_or(0, |entry| entry.revision);
        let due = Self::due(revision).map(|due| (register, entry.unwrap(), due));
        let overdue = journal.overdue("mail", Timestamp::MAX, None, 10).await;
        let overdue = overdue.unwrap().into_iter();
        let overdue = overdue.map(|overdue| (overdue.register, overdue.entry, overdue.due));
        assert!(overdue.eq(due), "{number}, revision {revision}");
        revision
    }
}

impl Work for Due {
    type Store = dyn Journal;

    async fn open(&self, access: &Access) -> Arc<dyn Journal> {
        journal(&self.keyspaces, access).await
    }

    async fn act(&self, journal: &dyn Journal, number: u64, _life: u64) {
        let register = Self::register(number);
        let created = journal.create_due(&register, b"1", Self::due(1)).await;
        for revision in created.unwrap().entry.revision..3 {
            let value = [b'1' + u8::try_from(revision).unwrap()];
            let due = Self::due(revision + 1);
            let replaced = journal.replace_due(&register, revision, &value, due).await;
            assert_eq!(replaced.unwrap(), Some(revision + 1), "{number}");
        }
    }

    async fn look(&self, journal: &dyn Journal, number: u64) {
        Self::is_told_of(journal, number).await;
    }

    async fn check(&self, journal: &dyn Journal, number: u64) {
        assert_eq!(Self::is_told_of(journal, number).await, 3);
        let entry = journal.read(&Self::register(number)).await.unwrap();
        assert_eq!(entry.unwrap().value, b"3");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_register_is_told_of_whenever_it_is_due() {
    let keyspaces = Keyspaces::new();
    takes(12, &Due { keyspaces }).await;
}

/// Marks are taken back.
struct Unmark {
    keyspaces: Keyspaces,
}

impl Unmark {
    fn numbers(number: u64) -> [u64; 2] {
        [2 * number, 2 * number + 1]
    }

    /// What has no mark is to be published; answers how many that are.
    async fn unmarked(journal: &dyn Journal, number: u64) -> usize {
        let cells = Self::numbers(number).map(cell);
        let settled = journal.settled_many(&cells).await.unwrap().into_iter();
        let settled = settled.map(Option::unwrap);
        let unmarked = settled.filter(|settled| settled.published.is_none());
        let unmarked: Vec<_> = unmarked.map(|settled| settled.event).collect();
        assert_eq!(unpublished(journal).await, unmarked, "{number}");
        unmarked.len()
    }
}

impl Work for Unmark {
    type Store = dyn Journal;

    async fn open(&self, access: &Access) -> Arc<dyn Journal> {
        journal(&self.keyspaces, access).await
    }

    async fn prepare(&self, journal: &dyn Journal, number: u64) {
        for (own, sequence) in Self::numbers(number).into_iter().zip(10 * number + 1..) {
            settled_and_marked(journal, own, sequence).await;
        }
    }

    async fn act(&self, journal: &dyn Journal, number: u64, _life: u64) {
        let unmarked = journal.unmark(Timestamp::UNIX_EPOCH, 10 * number).await;
        unmarked.unwrap();
    }

    async fn look(&self, journal: &dyn Journal, number: u64) {
        Self::unmarked(journal, number).await;
    }

    async fn check(&self, journal: &dyn Journal, number: u64) {
        assert_eq!(Self::unmarked(journal, number).await, 2, "{number}");
        for own in Self::numbers(number) {
            let marked = journal.mark_published(cell(own), 10 * number + 3).await;
            marked.unwrap();
        }
        assert_eq!(Self::unmarked(journal, number).await, 0, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_whose_mark_is_taken_back_is_to_be_published() {
    let keyspaces = Keyspaces::new();
    takes(14, &Unmark { keyspaces }).await;
}

/// What is old is forgotten, after what is not to be was renewed.
struct Forget {
    keyspaces: Keyspaces,
    session: Session,
    renews: bool,
    before: Mutex<Timestamp>,
}

impl Forget {
    async fn new(renews: bool) -> Self {
        let session = SessionBuilder::new().known_nodes(server::access_for_wires().await.nodes);
        Self {
            keyspaces: Keyspaces::new(),
            session: session.build().await.unwrap(),
            renews,
            before: Mutex::new(Timestamp::MIN),
        }
    }

    /// Who dies after a row is gone leaves its entry in the agenda, where it is looked at for an
    /// hour: one request more each time, so that the next death would never come later.
    async fn clear_agenda(&self) {
        let agenda = format!("{}.{SERVICE}_agenda", self.keyspaces.plan.journals);
        let query = async |query: String| self.session.query_unpaged(query, ()).await.unwrap();
        let lists = query(format!("SELECT DISTINCT list, shard FROM {agenda}")).await;
        let lists = lists.into_rows_result().unwrap();
        for list in lists.rows::<(String, i32)>().unwrap() {
            let (list, shard) = list.unwrap();
            if list != "hours" {
                let of_list = format!("WHERE list = '{list}' AND shard = {shard}");
                query(format!("DELETE FROM {agenda} {of_list}")).await;
            }
        }
    }

    /// Of outcomes: marked, and old; not marked; marked later.
    fn outcomes(number: u64) -> [u64; 3] {
        [0, 1, 2].map(|own| 3 * number + own)
    }

    /// Of registers: old; written later.
    fn registers(number: u64) -> [Register; 2] {
        ["old", "late"].map(|name| Register::new("note", format!("{number} {name}")))
    }

    fn before(&self) -> Timestamp {
        *self.before.lock().unwrap()
    }

    /// Whether each is there.
    async fn there(journal: &dyn Journal, number: u64) -> ([bool; 3], [bool; 2]) {
        let cells = Self::outcomes(number).map(cell);
        let settled = journal.settled_many(&cells).await.unwrap();
        let registers = Self::registers(number);
        let [old, late] = registers.each_ref().map(|register| journal.read(register));
        let (old, late) = futures::try_join!(old, late).unwrap();
        let outcomes = [0, 1, 2].map(|own| settled[own].is_some());
        (outcomes, [old.is_some(), late.is_some()])
    }
}

impl Work for Forget {
    type Store = dyn Journal;

    async fn open(&self, access: &Access) -> Arc<dyn Journal> {
        journal(&self.keyspaces, access).await
    }

    async fn prepare(&self, journal: &dyn Journal, number: u64) {
        let [old, unmarked, late] = Self::outcomes(number);
        let [old_register, late_register] = Self::registers(number);
        settled_and_marked(journal, old, 1).await;
        journal.settle(&event(unmarked, 0, "")).await.unwrap();
        journal.create(&old_register, b"1").await.unwrap();
        *self.before.lock().unwrap() = moment().await;
        settled_and_marked(journal, late, 2).await;
        journal.create(&late_register, b"1").await.unwrap();
    }

    async fn act(&self, journal: &dyn Journal, number: u64, _life: u64) {
        if self.renews {
            let cells = Self::outcomes(number).map(cell);
            let registers = Self::registers(number);
            journal.renew(&cells, &registers).await.unwrap();
        } else {
            journal.forget(self.before()).await.unwrap();
        }
    }

    async fn look(&self, journal: &dyn Journal, number: u64) {
        let (outcomes, registers) = Self::there(journal, number).await;
        assert!(outcomes[1] && outcomes[2] && registers[1], "{number}");
        assert!(!self.renews || outcomes[0] && registers[0], "{number}");
    }

    async fn check(&self, journal: &dyn Journal, number: u64) {
        if self.renews {
            let forgotten = journal.forget(self.before()).await.unwrap();
            assert_eq!(forgotten, 0, "{number}");
        }
        let old = self.renews;
        let there = Self::there(journal, number).await;
        assert_eq!(there, ([old, true, true], [old, true]), "{number}");
        let events = unpublished(journal).await;
        let [_, unmarked, _] = Self::outcomes(number);
        assert_eq!(
            events.iter().map(Cell::of).collect::<Vec<_>>(),
            [cell(unmarked)]
        );
        // And nothing is left that nobody could forget.
        let marked = journal.mark_published(cell(unmarked), 3).await;
        marked.unwrap();
        let forgotten = journal.forget(end()).await.unwrap();
        assert_eq!(forgotten, if old { 5 } else { 3 }, "{number}");
        let there = Self::there(journal, number).await;
        assert_eq!(there, ([false; 3], [false; 2]), "{number}");
        self.clear_agenda().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_forgotten_and_nothing_else() {
    takes(20, &Forget::new(false).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renewed_is_kept_for_its_time() {
    takes(10, &Forget::new(true).await).await;
}

const SENSORS: u64 = 3;

/// Of each sensor, a second apart: more than one batch.
fn content(number: u64, seconds: std::ops::Range<i64>, write_timestamp: i64) -> Vec<Reading> {
    let rows = (0..SENSORS).flat_map(|sensor| seconds.clone().map(move |second| (sensor, second)));
    let reading = |(sensor, second)| Reading {
        sensor: sensor_of(number, sensor).into(),
        metric: "value".into(),
        time: Timestamp::from_second(second).unwrap(),
        value: value(second, write_timestamp),
        write_timestamp,
    };
    rows.map(reading).collect()
}

fn sensor_of(number: u64, sensor: u64) -> String {
    format!("{number}-{sensor}")
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn value(second: i64, write_timestamp: i64) -> f64 {
    (write_timestamp * 1_000_000 + second) as f64
}

fn file(number: u64, which: u64) -> FileId {
    FileId::from_bytes(u128::from(2 * number + which).to_be_bytes())
}

/// Second, value and file of all that is there, sensor by sensor, the oldest first.
async fn rows(readings: &dyn Readings, number: u64) -> Vec<(i64, f64, FileId)> {
    let of_sensor = async |sensor| {
        let query = Query {
            sensor: sensor_of(number, sensor),
            ..Query::default()
        };
        let page = readings.page(&query, None, 1_000).await.unwrap();
        let rows = page.into_iter().rev();
        let rows = rows.map(|row| (row.time.as_second(), row.value, row.file));
        rows.collect::<Vec<_>>()
    };
    join_all((0..SENSORS).map(of_sensor)).await.concat()
}

/// What readings are as rows, where a file wrote them.
fn rows_of(readings: &[Reading], file: FileId) -> Vec<(i64, f64, FileId)> {
    let rows = readings.iter();
    let rows = rows.map(|reading| (reading.time.as_second(), reading.value, file));
    rows.collect()
}

/// Nothing that is there is out of sight of who counts, and takes out.
async fn all_are_counted(readings: &dyn Readings, number: u64) {
    let rows = rows(readings, number).await;
    for which in 0..2 {
        let file = file(number, which);
        let there = rows.iter().filter(|(.., of)| *of == file).count() as u64;
        let counted = readings.count(file).await.unwrap();
        assert_eq!(counted, there, "{number}, file {which}");
    }
}

/// A file is written.
struct Write {
    keyspaces: Keyspaces,
}

impl Work for Write {
    type Store = dyn Readings;

    async fn open(&self, access: &Access) -> Arc<dyn Readings> {
        self.keyspaces.readings(access).await
    }

    async fn act(&self, readings: &dyn Readings, number: u64, _life: u64) {
        let written = readings.write(file(number, 0), content(number, 0..150, 1));
        written.await.unwrap();
    }

    async fn look(&self, readings: &dyn Readings, number: u64) {
        all_are_counted(readings, number).await;
        let meant = rows_of(&content(number, 0..150, 1), file(number, 0));
        let found = rows(readings, number).await;
        assert!(found.iter().all(|row| meant.contains(row)), "{number}");
    }

    async fn check(&self, readings: &dyn Readings, number: u64) {
        all_are_counted(readings, number).await;
        let meant = rows_of(&content(number, 0..150, 1), file(number, 0));
        assert_eq!(rows(readings, number).await, meant, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_whole_and_nothing_of_it_is_out_of_sight() {
    let keyspaces = Keyspaces::new();
    takes(9, &Write { keyspaces }).await;
}

/// A file is taken out, of which a later one has overridden some.
struct Retract {
    keyspaces: Keyspaces,
}

impl Retract {
    const ALL: std::ops::Range<i64> = 0..200;
    const LATER: std::ops::Range<i64> = 50..100;
}

impl Work for Retract {
    type Store = dyn Readings;

    async fn open(&self, access: &Access) -> Arc<dyn Readings> {
        self.keyspaces.readings(access).await
    }

    async fn prepare(&self, readings: &dyn Readings, number: u64) {
        for (which, seconds, timestamp) in [(0, Self::ALL, 1), (1, Self::LATER, 2)] {
            let content = content(number, seconds, timestamp);
            let written = readings.write(file(number, which), content);
            written.await.unwrap();
        }
    }

    async fn act(&self, readings: &dyn Readings, number: u64, _life: u64) {
        readings.retract(file(number, 0), 2).await.unwrap();
    }

    async fn look(&self, readings: &dyn Readings, number: u64) {
        all_are_counted(readings, number).await;
        let later = readings.count(file(number, 1)).await.unwrap();
        assert_eq!(later, 50 * SENSORS, "{number}");
    }

    async fn check(&self, readings: &dyn Readings, number: u64) {
        let meant = rows_of(&content(number, Self::LATER, 2), file(number, 1));
        assert_eq!(rows(readings, number).await, meant, "{number}");
        // Nor does it come back with what is written late.
        let late = readings.write(file(number, 0), content(number, Self::ALL, 1));
        late.await.unwrap();
        assert_eq!(rows(readings, number).await, meant, "{number}");
        all_are_counted(readings, number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_out_whole_and_nothing_else_is() {
    let keyspaces = Keyspaces::new();
    takes(25, &Retract { keyspaces }).await;
}
