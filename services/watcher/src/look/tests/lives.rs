//! One life of a scenario after the other.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use proto::event::FoundBy;
use proto::{Event, FileId};
use runtime::Trouble;

use super::model::{BUCKET, KEY, Model, Scenario, State};
use crate::look::{Look, Seen, World, look};
use crate::notification::Announced;

/// Decides what happens next: one of so many choices.
pub(super) trait Scheduler {
    fn choose(&mut self, choices: usize) -> usize;
}

type Watcher<'a> = Pin<Box<dyn Future<Output = Result<Look, Trouble>> + 'a>>;

/// One life of a scenario; answers what is left when all is quiet and a last sweep was made.
pub(super) fn live(scenario: &Scenario, scheduler: &mut dyn Scheduler) -> State {
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
    model.into_state()
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
pub(super) fn check(state: &State) {
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
pub(super) struct Exhaustive {
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
    pub(super) fn next(&mut self) -> bool {
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
