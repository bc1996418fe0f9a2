//! Every way in which two watchers can look at one key while it is uploaded to, and one of them
//! dies: the real code over a model of journal, store and stream, one step at a time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use objects::Head;
use proptest::prelude::*;
use proto::{Data, Event, User, Version};

use super::*;

const BUCKET: &str = "sensors";
const KEY: &str = "incoming/a.csv";
const NOON: i64 = 1_795_348_800;

/// What happens beside the watchers.
#[derive(Clone, Debug)]
enum Outside {
    /// The key gets its next version.
    Upload,
    /// The object is deleted.
    Delete,
    /// In a versioned bucket the newest version goes, and the one before it is back.
    Uncover,
}

/// What is tried in every order.
#[derive(Clone, Debug)]
struct Scenario {
    /// The versions of the key, in the order of their upload; the first is there from the start.
    versions: Vec<Version>,
    /// What happens outside, in this order.
    outside: Vec<Outside>,
    /// What each watcher heard before it looks.
    looks: Vec<Announced>,
    /// How many watchers may die.
    deaths: usize,
    /// Whether settling, publishing and marking are steps of their own.
    fine: bool,
}

#[derive(Default)]
struct State {
    fine: bool,
    versions: Vec<Version>,
    /// Versions that are there, the newest last. Without version ids there is at most one.
    there: Vec<usize>,
    uploaded: usize,
    row: Option<(Row, u64)>,
    cells: BTreeMap<FileId, Settled>,
    files: Vec<Event>,
    /// In the order of their settling.
    settled: Vec<FileId>,
}

struct Model(Mutex<State>);

impl Model {
    fn new(scenario: &Scenario) -> Self {
        let mut state = State {
            fine: scenario.fine,
            versions: scenario.versions.clone(),
            ..State::default()
        };
        state.upload();
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// What the outbox does with a settled outcome.
    async fn publish(&self, file: FileId) -> Settled {
        let fine = self.state().fine;
        if fine {
            step().await;
        }
        let event = self.state().cells[&file].event.clone();
        let sequence = {
            let mut state = self.state();
            state.files.push(event);
            u64::try_from(state.files.len()).unwrap()
        };
        if fine {
            step().await;
        }
        let mut state = self.state();
        let cell = state.cells.get_mut(&file).unwrap();
        cell.published = Some(sequence);
        cell.clone()
    }
}

impl State {
    fn upload(&mut self) {
        if self.versions[self.uploaded].id.is_none() {
            self.there.clear();
        }
        self.there.push(self.uploaded);
        self.uploaded += 1;
    }

    fn happen(&mut self, outside: &Outside) {
        match outside {
            Outside::Upload => self.upload(),
            Outside::Delete => self.there.clear(),
            Outside::Uncover => drop(self.there.pop()),
        }
    }

    fn file(&self, version: usize) -> FileId {
        FileId::of(BUCKET, KEY, &self.versions[version])
    }
}

/// One step of a watcher: whatever comes after it happens when the watcher is next polled.
async fn step() {
    let mut came_back = false;
    std::future::poll_fn(move |_| {
        if std::mem::replace(&mut came_back, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[async_trait]
impl World for Model {
    async fn row(&self, _: &str, _: &str) -> Result<Option<(Row, u64)>, Trouble> {
        step().await;
        Ok(self.state().row)
    }

    async fn head(&self, _: &str, _: &str) -> Result<Option<Head>, Trouble> {
        step().await;
        let state = self.state();
        Ok(state.there.last().map(|&version| Head {
            version: state.versions[version].clone(),
            size: 1,
            content_type: None,
            content_encoding: None,
            content_language: None,
            content_disposition: None,
            cache_control: None,
            expires: None,
            metadata: BTreeMap::new(),
            digests: BTreeMap::new(),
        }))
    }

    async fn settled(&self, file: FileId) -> Result<Option<Settled>, Trouble> {
        step().await;
        Ok(self.state().cells.get(&file).cloned())
    }

    async fn write_row(
        &self,
        _: &str,
        _: &str,
        revision: Option<u64>,
        row: &Row,
    ) -> Result<bool, Trouble> {
        step().await;
        let mut state = self.state();
        if state.row.map(|(_, revision)| revision) != revision {
            return Ok(false);
        }
        state.row = Some((*row, revision.unwrap_or_default() + 1));
        Ok(true)
    }

    async fn settle(&self, arrived: Arrived) -> Result<Settled, Trouble> {
        step().await;
        let file = arrived.file.id;
        let event = Event::new(User::Watcher, Data::Arrived(arrived), self.now());
        let settled = {
            let mut state = self.state();
            if !state.cells.contains_key(&file) {
                state.settled.push(file);
            }
            let published = None;
            let cell = state.cells.entry(file);
            cell.or_insert(Settled { event, published }).clone()
        };
        if settled.published.is_some() {
            return Ok(settled);
        }
        Ok(self.publish(file).await)
    }

    async fn repeat(&self, file: FileId) -> Result<(), Trouble> {
        self.publish(file).await;
        Ok(())
    }

    fn profile(&self, _: &str, _: &str) -> &str {
        "default"
    }

    fn now(&self) -> Timestamp {
        second(60)
    }
}

/// Decides what happens next: one of so many choices.
trait Scheduler {
    fn choose(&mut self, choices: usize) -> usize;
}

type Watcher<'a> = Pin<Box<dyn Future<Output = Result<Look, Trouble>> + 'a>>;

/// One life of a scenario; answers what is left when all is quiet and a last sweep was made.
fn live(scenario: &Scenario, scheduler: &mut dyn Scheduler) -> State {
    let model = Model::new(scenario);
    let found_by = FoundBy::Notification;
    let watch = |announced| Box::pin(look(&model, BUCKET, KEY, announced, found_by));
    let mut watchers: Vec<Watcher<'_>> = vec![];
    for announced in &scenario.looks {
        let mut watcher: Watcher<'_> = watch(announced);
        // Up to its first step, which has no effect yet.
        assert!(poll(&mut watcher).is_none());
        watchers.push(watcher);
    }
    let mut outside = scenario.outside.iter();
    let mut deaths = scenario.deaths;
    while !watchers.is_empty() || !outside.as_slice().is_empty() {
        let can_step = watchers.len();
        let can_happen = usize::from(!outside.as_slice().is_empty());
        let can_die = if deaths > 0 { watchers.len() } else { 0 };
        let choice = scheduler.choose(can_step + can_happen + can_die);
        if choice < can_step {
            if let Some(look) = poll(&mut watchers[choice]) {
                look.unwrap();
                drop(watchers.remove(choice));
            }
        } else if choice < can_step + can_happen {
            model.state().happen(outside.next().unwrap());
        } else {
            drop(watchers.remove(choice - can_step - can_happen));
            deaths -= 1;
        }
    }
    drop(watchers);
    // The runtime publishes what has no mark, and a sweep looks at what is there.
    let unmarked: Vec<FileId> = {
        let state = model.state();
        let cells = state.cells.iter();
        let unmarked = cells.filter(|(_, settled)| settled.published.is_none());
        unmarked.map(|(file, _)| *file).collect()
    };
    for file in unmarked {
        finish(model.repeat(file)).unwrap();
    }
    let nothing = Announced::default();
    finish(watch(&nothing)).unwrap();
    // From now on there is nothing to be done, and nothing is.
    let traces = || {
        let state = model.state();
        (state.row, state.files.len(), state.cells.clone())
    };
    let before = traces();
    let again = finish(watch(&nothing)).unwrap();
    assert!(!matches!(again.seen, Seen::Arrived(_)));
    assert_eq!(traces(), before);
    model.0.into_inner().unwrap()
}

fn poll<T>(future: &mut Pin<Box<dyn Future<Output = T> + '_>>) -> Option<T> {
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

fn finish<'a, T>(future: impl Future<Output = T> + 'a) -> T {
    let mut future: Pin<Box<dyn Future<Output = T> + 'a>> = Box::pin(future);
    loop {
        if let Some(done) = poll(&mut future) {
            return done;
        }
    }
}

/// What must be true in the end.
fn check(state: &State) {
    for (file, settled) in &state.cells {
        assert!(settled.published.is_some(), "{file} has no mark");
        let said: Vec<&Event> = state.files.iter().filter(|e| e.subject == *file).collect();
        assert!(!said.is_empty(), "{file} was never said");
        for event in said {
            assert_eq!(*event, settled.event, "something else was said");
        }
    }
    if let Some(&version) = state.there.last() {
        let file = state.file(version);
        assert!(
            state.cells.contains_key(&file),
            "what is there is not known"
        );
    }
    let orders: Vec<(usize, Timestamp)> = (0..state.uploaded)
        .filter_map(|version| {
            let settled = state.cells.get(&state.file(version))?;
            Some((version, settled.event.about().0.order))
        })
        .collect();
    for pair in orders.windows(2) {
        assert!(
            pair[0].1 < pair[1].1,
            "version {} has order time {}, the later {} has {}",
            pair[0].0,
            pair[0].1,
            pair[1].0,
            pair[1].1
        );
    }
    for (version, order) in orders {
        assert!(order >= state.versions[version].last_modified);
    }
}

/// Takes each choice in turn, deepest first.
#[derive(Default)]
struct Exhaustive {
    /// The choice taken at each point, and how many there were.
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Scheduler for Exhaustive {
    fn choose(&mut self, choices: usize) -> usize {
        if self.at == self.taken.len() {
            self.taken.push((0, choices));
        }
        self.at += 1;
        self.taken[self.at - 1].0
    }
}

impl Exhaustive {
    /// Goes on to the next life; false when all were lived.
    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((taken, choices)) = self.taken.pop() {
            if taken + 1 < choices {
                self.taken.push((taken + 1, choices));
                return true;
            }
        }
        false
    }
}

fn check_all(scenario: &Scenario) {
    let mut scheduler = Exhaustive::default();
    let mut lives = 0_u32;
    loop {
        check(&live(scenario, &mut scheduler));
        lives += 1;
        if !scheduler.next() {
            break;
        }
    }
    assert!(lives > 10_000, "{lives} lives are too few to say anything");
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(NOON + second).unwrap()
}

fn version(etag: &str, last_modified: i64) -> Version {
    Version::new(etag, second(last_modified), None)
}

fn announced(etag: &str, time: i64) -> Announced {
    Announced {
        etag: Some(etag.to_owned()),
        version_id: None,
        time: Some(second(time)),
    }
}

#[test]
fn two_watchers_that_look_at_one_version_settle_it_once_whenever_one_dies() {
    check_all(&Scenario {
        versions: vec![version("a", 10)],
        outside: vec![],
        looks: vec![announced("a", 12), Announced::default()],
        deaths: 1,
        fine: true,
    });
}

#[test]
fn a_version_that_comes_while_another_is_looked_at_is_ordered_after_it() {
    // In one second, and with a notification's time that is later than the next one's.
    check_all(&Scenario {
        versions: vec![version("a", 10), version("b", 10)],
        outside: vec![Outside::Upload],
        looks: vec![announced("a", 12), announced("b", 10)],
        deaths: 0,
        fine: true,
    });
}

#[test]
fn a_watcher_that_dies_leaves_the_order_of_versions_as_it_was() {
    check_all(&Scenario {
        versions: vec![version("a", 10), version("b", 10)],
        outside: vec![Outside::Upload],
        looks: vec![announced("a", 12), announced("b", 10)],
        deaths: 1,
        fine: false,
    });
}

#[test]
fn three_versions_are_ordered_as_they_were_uploaded() {
    check_all(&Scenario {
        versions: vec![version("a", 10), version("b", 10), version("c", 11)],
        outside: vec![Outside::Upload, Outside::Upload],
        looks: vec![announced("a", 10), Announced::default()],
        deaths: 0,
        fine: false,
    });
}

#[test]
fn a_deletion_in_between_leaves_nothing_half_done() {
    check_all(&Scenario {
        versions: vec![version("a", 10), version("b", 11)],
        outside: vec![Outside::Delete, Outside::Upload],
        looks: vec![announced("a", 10), announced("b", 11)],
        deaths: 0,
        fine: false,
    });
}

#[test]
fn a_version_that_comes_to_light_again_is_ordered_before_what_covered_it() {
    let versioned =
        |etag: &str, last_modified, id| Version::new(etag, second(last_modified), Some(id));
    check_all(&Scenario {
        versions: vec![versioned("a", 10, "v1"), versioned("b", 11, "v2")],
        outside: vec![Outside::Upload, Outside::Uncover],
        looks: vec![Announced::default(), Announced::default()],
        deaths: 0,
        fine: false,
    });
}

/// Choices as they come, the same again after the last.
struct Given<'a>(std::iter::Cycle<std::slice::Iter<'a, u8>>);

impl Scheduler for Given<'_> {
    fn choose(&mut self, choices: usize) -> usize {
        usize::from(*self.0.next().unwrap()) % choices
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// More of everything than can be tried exhaustively.
    #[test]
    fn any_number_of_watchers_uploads_and_deaths_ends_well(
        seconds in prop::collection::vec(0_i64..4, 1..6),
        outside in prop::collection::vec(any::<bool>(), 0..4),
        looks in prop::collection::vec((0_usize..6, 0_i64..8), 1..5),
        deaths in 0_usize..3,
        choices in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let mut seconds = seconds;
        seconds.sort_unstable();
        let versions: Vec<Version> = seconds
            .iter()
            .enumerate()
            .map(|(index, second)| version(&format!("e{index}"), *second))
            .collect();
        let mut uploads = versions.len() - 1;
        let mut script = vec![];
        for delete in outside {
            script.push(if delete || uploads == 0 { Outside::Delete } else { uploads -= 1; Outside::Upload });
        }
        script.extend(std::iter::repeat_n(Outside::Upload, uploads));
        let scenario = Scenario {
            looks: looks
                .into_iter()
                .map(|(version, time)| announced(&format!("e{version}"), time))
                .collect(),
            versions,
            outside: script,
            deaths,
            fine: true,
        };
        check(&live(&scenario, &mut Given(choices.iter().cycle())));
    }
}
