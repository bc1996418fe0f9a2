//! The watcher: which version is there, and its place among the versions of its key.
//!
//! Two watchers take notifications of one key (`watcher::look`), which come late, twice or not at
//! all, while the key is uploaded to, deleted, and, in a versioned bucket, uncovered. The sweep
//! looks where nobody told (`watcher::sweep`); the runtime publishes what has no mark.

use stateright::{Model, Property};

/// Whatever is uploaded later has the later order time.
pub const LATER: &str = "later uploads have later order times";
/// Once nobody has anything left to do, the version that is there is in the journal.
pub const KNOWN: &str = "what lies there is known";
/// Once nobody has anything left to do, whatever is in the journal was published.
pub const SAID: &str = "what is journalled is published";
/// `FILES` holds the stored event, and no other.
pub const SAID_AS_STORED: &str = "what is published is what is stored";
/// A notification is acknowledged after what it led to was published.
pub const ACKNOWLEDGED_LAST: &str = "the output is acknowledged before the input";
/// A watcher lost the key's row to another and looks again: allowed, and to be seen.
pub const TURNED_AWAY: &str = "a watcher loses the row to a faster one";
/// A version's event is published twice: allowed, and to be seen.
pub const SAID_TWICE: &str = "an event is published twice";
/// A version that was covered is ordered before the one that covered it.
pub const BACK_AGAIN: &str = "a version comes to light again";

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The versions' `Last-Modified`, in quarters of a second; the first is there from the start.
    pub uploads: &'static [u8],
    /// Whether the bucket keeps versions.
    pub versioned: bool,
    /// Deletions; in a versioned bucket, of the newest version.
    pub deletions: u8,
    /// Watchers that die.
    pub crashes: u8,
    /// Notifications that never come.
    pub lost: u8,
    /// Notifications that come twice.
    pub doubled: u8,
}

impl Bounds {
    /// Two uploads of one second.
    pub const SMALL: Self = Self {
        uploads: &[40, 42],
        versioned: false,
        deletions: 1,
        crashes: 1,
        lost: 1,
        doubled: 1,
    };
    /// The same in a versioned bucket, a second apart: there versions of one second cannot be
    /// told apart once one comes to light again.
    pub const VERSIONED: Self = Self {
        uploads: &[40, 44],
        versioned: true,
        doubled: 0,
        ..Self::SMALL
    };
    /// What `make soak` explores.
    pub const DEEP: Self = Self {
        uploads: &[40, 42, 44],
        doubled: 0,
        ..Self::SMALL
    };
    /// What `make soak` explores of a versioned bucket.
    pub const DEEP_VERSIONED: Self = Self {
        uploads: &[40, 44, 48],
        ..Self::VERSIONED
    };
}

/// A rule that is weaker than the code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaker {
    /// `HEAD` before the key's row is read.
    HeadFirst,
    /// The order time is the version's own time, in whole seconds or finer, and need not exceed
    /// the key's last.
    OwnTime,
    /// The key's row is written whoever wrote it meanwhile.
    PlainWrite,
    /// The outcome is settled before the row is written.
    SettleFirst,
    /// What a notification says is there is taken to be there.
    NoHead,
    /// Whoever looked publishes its own event, whatever is stored.
    OwnEvent,
    /// Outcomes without a mark are left to redeliveries and listings.
    NoMark,
    /// Nobody lists.
    NoSweep,
    /// The notification is acknowledged before the event is published.
    AcknowledgeFirst,
    /// A version that comes to light again counts as the latest.
    BackIsLast,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that is not kept; none: as the code has them.
    pub weaker: Option<Weaker>,
}

/// How often a version is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// As it should be.
    Once,
    /// The notification is lost.
    Never,
    /// It comes twice.
    Twice,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next version is uploaded, and told of so often.
    Upload(Told),
    /// The newest version is taken away.
    Delete,
    /// A watcher takes a notification about a version.
    Hear(usize, usize),
    /// A watcher sweeps, and finds something that it does not know.
    Sweep(usize),
    /// A watcher does its next line.
    Go(usize),
    /// A watcher dies.
    Crash(usize),
    /// The runtime publishes a version's outcome that has no mark.
    Publish(usize),
}

/// Everything that the model knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    uploaded: usize,
    /// The versions that are there, newest last.
    there: Vec<usize>,
    /// The key's row, and how often it was written.
    row: Option<(Row, u8)>,
    cells: Vec<Option<Cell>>,
    /// The events that were published for a version, without repetitions.
    said: Vec<Vec<Event>>,
    twice: bool,
    /// Notifications of a version that were not acknowledged.
    notifications: Vec<u8>,
    watchers: [Option<Watcher>; 2],
    deletions: u8,
    crashes: u8,
    lost: u8,
    doubled: u8,
    /// An acknowledgement came too early.
    early: bool,
    turned_away: bool,
    back: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Row {
    version: usize,
    order: u8,
}

/// `arrived`, as two watchers would write it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Event {
    order: u8,
    /// Found by the sweep.
    swept: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cell {
    event: Event,
    marked: bool,
}

/// A watcher at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Watcher {
    /// What it heard of; none: it sweeps.
    announced: Option<usize>,
    line: Line,
}

/// Its next line, and what it knows by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Line {
    ReadRow,
    Head(Option<(Row, u8)>),
    /// The weaker order of the first two.
    HeadFirst,
    RowSecond(usize),
    Look(Option<(Row, u8)>, usize),
    WriteRow(Option<(Row, u8)>, usize, u8),
    Settle(usize, u8),
    Publish(usize, Event),
    Mark(usize),
    Acknowledge(Option<usize>),
    /// The weaker order: the row last.
    LateRow(usize, Event),
}

impl Order {
    fn is(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    /// `Last-Modified`: whole seconds.
    fn last_modified(&self, version: usize) -> u8 {
        self.bounds.uploads[version] / 4
    }

    /// The place of a version that no cell knows (`watcher::order::place`): its order time, and
    /// whether the row is to be written.
    fn place(&self, row: Option<Row>, version: usize, announced: Option<usize>) -> (u8, bool) {
        if self.is(Weaker::OwnTime) {
            // The notification's time is finer than `Last-Modified`.
            let fine = announced == Some(version);
            let own = self.last_modified(version) * 4;
            return (if fine { own + 1 } else { own }, true);
        }
        let own = self.last_modified(version);
        let Some(row) = row else {
            return (own, true);
        };
        if row.version == version {
            return (row.order, false);
        }
        let back = self.bounds.versioned && own < self.last_modified(row.version);
        if back && !self.is(Weaker::BackIsLast) {
            return (own.min(row.order - 1), false);
        }
        (own.max(row.order + 1), true)
    }

    fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, watcher) in state.watchers.iter().enumerate() {
            if watcher.is_some() {
                actions.push(Action::Go(number));
                continue;
            }
            let heard = (0..state.uploaded).filter(|it| state.notifications[*it] > 0);
            // One delivery at a time: what is held is not delivered again while its holder lives.
            let held = |version: usize| {
                let others = state.watchers.iter().flatten();
                others.filter(|it| it.announced == Some(version)).count()
            };
            let free = heard.filter(|it| held(*it) < usize::from(state.notifications[*it]));
            actions.extend(free.map(|version| Action::Hear(number, version)));
            let unknown = state
                .there
                .last()
                .is_some_and(|it| state.cells[*it].is_none());
            let sweeping = state
                .watchers
                .iter()
                .flatten()
                .any(|it| it.announced.is_none());
            if unknown && !sweeping && !self.is(Weaker::NoSweep) {
                actions.push(Action::Sweep(number));
            }
        }
        if !self.is(Weaker::NoMark) {
            let cells = state.cells.iter().enumerate();
            let unmarked = cells.filter(|(_, cell)| cell.is_some_and(|cell| !cell.marked));
            actions.extend(unmarked.map(|(version, _)| Action::Publish(version)));
        }
    }

    fn troubles(&self, state: &State, actions: &mut Vec<Action>) {
        if state.uploaded < self.bounds.uploads.len() {
            actions.push(Action::Upload(Told::Once));
            actions.extend((state.lost > 0).then_some(Action::Upload(Told::Never)));
            actions.extend((state.doubled > 0).then_some(Action::Upload(Told::Twice)));
        }
        if state.deletions > 0 && !state.there.is_empty() {
            actions.push(Action::Delete);
        }
        if state.crashes > 0 {
            let busy = (0..2).filter(|watcher| state.watchers[*watcher].is_some());
            actions.extend(busy.map(Action::Crash));
        }
    }

    fn upload(&self, state: &mut State, told: Told) {
        if !self.bounds.versioned {
            state.there.clear();
        }
        let version = state.uploaded;
        state.there.push(version);
        state.uploaded += 1;
        state.notifications[version] = match told {
            Told::Once => 1,
            Told::Never => {
                state.lost -= 1;
                0
            }
            Told::Twice => {
                state.doubled -= 1;
                2
            }
        };
    }

    fn first_line(&self, announced: Option<usize>) -> Line {
        match announced {
            Some(version) if self.is(Weaker::NoHead) => Line::RowSecond(version),
            _ if self.is(Weaker::HeadFirst) => Line::HeadFirst,
            _ => Line::ReadRow,
        }
    }

    /// A watcher's next line; answers the one after it, if there is one.
    fn go(&self, state: &mut State, announced: Option<usize>, line: Line) -> Option<Line> {
        Some(match line {
            Line::ReadRow => Line::Head(state.row),
            Line::Head(row) => match state.there.last() {
                None => Line::Acknowledge(None),
                Some(version) => Line::Look(row, *version),
            },
            Line::HeadFirst => match state.there.last() {
                None => Line::Acknowledge(None),
                Some(version) => Line::RowSecond(*version),
            },
            Line::RowSecond(version) => Line::Look(state.row, version),
            Line::Look(row, version) => self.look(state, announced, row, version),
            Line::WriteRow(row, version, order) => {
                self.write_row(state, announced, row, version, order)
            }
            Line::Settle(version, order) => {
                let own = Event {
                    order,
                    swept: announced.is_none(),
                };
                let fresh = Cell {
                    event: own,
                    marked: false,
                };
                let cell = *state.cells[version].get_or_insert(fresh);
                let said = match self.weaker {
                    Some(Weaker::OwnEvent) => own,
                    _ => cell.event,
                };
                match cell.marked {
                    _ if self.is(Weaker::SettleFirst) => Line::LateRow(version, cell.event),
                    _ if self.is(Weaker::AcknowledgeFirst) => Line::Acknowledge(Some(version)),
                    true if !self.is(Weaker::OwnEvent) => Line::Acknowledge(Some(version)),
                    _ => Line::Publish(version, said),
                }
            }
            Line::LateRow(version, event) => {
                let order = event.order;
                let revision = state.row.map_or(0, |(_, revision)| revision);
                state.row = Some((Row { version, order }, revision + 1));
                Line::Publish(version, event)
            }
            Line::Publish(version, event) => {
                publish(state, version, event);
                Line::Mark(version)
            }
            Line::Mark(version) => {
                if let Some(cell) = &mut state.cells[version] {
                    cell.marked = true;
                }
                if self.is(Weaker::AcknowledgeFirst) {
                    return None;
                }
                Line::Acknowledge(Some(version))
            }
            Line::Acknowledge(found) => return self.acknowledge(state, announced, found),
        })
    }

    /// Looks for the outcome of the version that was found.
    fn look(
        &self,
        state: &mut State,
        announced: Option<usize>,
        row: Option<(Row, u8)>,
        version: usize,
    ) -> Line {
        if let Some(cell) = state.cells[version] {
            // A notification is not acknowledged before its outcome is; a sweep leaves it to the
            // runtime.
            return if cell.marked || announced.is_none() {
                Line::Acknowledge(announced.and(Some(version)))
            } else {
                Line::Publish(version, cell.event)
            };
        }
        let last = row.map(|(row, _)| row);
        let (order, written) = self.place(last, version, announced);
        state.back |= last.is_some_and(|last| order < last.order);
        if written && !self.is(Weaker::SettleFirst) {
            Line::WriteRow(row, version, order)
        } else {
            Line::Settle(version, order)
        }
    }

    fn write_row(
        &self,
        state: &mut State,
        announced: Option<usize>,
        row: Option<(Row, u8)>,
        version: usize,
        order: u8,
    ) -> Line {
        let revision = |row: Option<(Row, u8)>| row.map_or(0, |(_, revision)| revision);
        if revision(row) != revision(state.row) && !self.is(Weaker::PlainWrite) {
            state.turned_away = true;
            return self.first_line(announced);
        }
        state.row = Some((Row { version, order }, revision(state.row) + 1));
        Line::Settle(version, order)
    }

    fn acknowledge(
        &self,
        state: &mut State,
        announced: Option<usize>,
        found: Option<usize>,
    ) -> Option<Line> {
        let said = |version: usize| !state.said[version].is_empty();
        if let Some(heard) = announced {
            state.early |= found.is_some_and(|version| !said(version));
            state.notifications[heard] -= 1;
        }
        let version = found.filter(|_| self.is(Weaker::AcknowledgeFirst))?;
        let cell = state.cells[version].filter(|cell| !cell.marked)?;
        Some(Line::Publish(version, cell.event))
    }

    fn is_quiet(&self, state: &State) -> bool {
        let mut left = vec![];
        self.steps(state, &mut left);
        left.is_empty()
    }
}

fn publish(state: &mut State, version: usize, event: Event) {
    let said = &mut state.said[version];
    state.twice |= !said.is_empty();
    if !said.contains(&event) {
        said.push(event);
    }
}

/// Whether order times increase with the uploads, as far as they are settled.
fn in_order(state: &State) -> bool {
    let cells = state.cells.iter().flatten();
    let orders: Vec<u8> = cells.map(|cell| cell.event.order).collect();
    orders.windows(2).all(|pair| pair[0] < pair[1])
}

impl Model for Order {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let versions = self.bounds.uploads.len();
        vec![State {
            uploaded: 0,
            there: vec![],
            row: None,
            cells: vec![None; versions],
            said: vec![vec![]; versions],
            twice: false,
            notifications: vec![0; versions],
            watchers: [None; 2],
            deletions: self.bounds.deletions,
            crashes: self.bounds.crashes,
            lost: self.bounds.lost,
            doubled: self.bounds.doubled,
            early: false,
            turned_away: false,
            back: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.troubles(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let work = |announced| {
            let line = self.first_line(announced);
            Some(Watcher { announced, line })
        };
        match action {
            Action::Upload(told) => self.upload(&mut state, told),
            Action::Delete => {
                state.deletions -= 1;
                state.there.pop();
            }
            Action::Hear(number, version) => state.watchers[number] = work(Some(version)),
            Action::Sweep(number) => state.watchers[number] = work(None),
            Action::Go(number) => {
                let Watcher { announced, line } = before.watchers[number]?;
                let next = self.go(&mut state, announced, line);
                state.watchers[number] = next.map(|line| Watcher { announced, line });
            }
            Action::Crash(number) => {
                state.crashes -= 1;
                state.watchers[number] = None;
            }
            Action::Publish(version) => {
                let cell = before.cells[version]?;
                publish(&mut state, version, cell.event);
                state.cells[version] = Some(Cell {
                    marked: true,
                    ..cell
                });
            }
        }
        // Watchers are alike.
        state.watchers.sort();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        let mut properties = vec![
            always(LATER, |_, state| in_order(state)),
            always(KNOWN, |model, state| {
                let known = |version: &usize| state.cells[*version].is_some();
                !model.is_quiet(state) || state.there.last().is_none_or(known)
            }),
            always(SAID, |model, state| {
                let mut cells = state.cells.iter().zip(&state.said);
                !model.is_quiet(state)
                    || cells.all(|(cell, said)| cell.is_none() || !said.is_empty())
            }),
            always(SAID_AS_STORED, |_, state| {
                let mut cells = state.cells.iter().zip(&state.said);
                cells.all(|(cell, said)| {
                    let stored = cell.map(|cell| cell.event);
                    said.iter().all(|event| Some(*event) == stored)
                })
            }),
            always(ACKNOWLEDGED_LAST, |_, state| !state.early),
            sometimes(TURNED_AWAY, |_, state| state.turned_away),
            sometimes(SAID_TWICE, |_, state| state.twice),
        ];
        if self.bounds.versioned {
            properties.push(sometimes(BACK_AGAIN, |_, state| state.back));
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{breaks, holds};

    fn finds(bounds: Bounds, weaker: Weaker, property: &'static str) {
        let weaker = Some(weaker);
        breaks(Order { bounds, weaker }, property);
    }

    #[test]
    fn versions_are_known_once_and_ordered_as_they_were_uploaded() {
        let bounds = Bounds::SMALL;
        let weaker = None;
        holds("order", Order { bounds, weaker }, 10_000);
    }

    #[test]
    fn so_they_are_in_a_versioned_bucket() {
        let bounds = Bounds::VERSIONED;
        let weaker = None;
        holds("order, versioned", Order { bounds, weaker }, 10_000);
    }

    #[test]
    fn a_head_before_the_row_gives_the_earlier_version_the_later_order_time() {
        finds(Bounds::SMALL, Weaker::HeadFirst, LATER);
    }

    #[test]
    fn order_times_of_their_own_let_an_earlier_version_win() {
        finds(Bounds::SMALL, Weaker::OwnTime, LATER);
    }

    #[test]
    fn a_row_written_whoever_wrote_it_meanwhile_orders_two_versions_alike() {
        finds(Bounds::SMALL, Weaker::PlainWrite, LATER);
    }

    #[test]
    fn an_outcome_settled_before_the_row_leaves_no_trace_of_its_order_time() {
        finds(Bounds::SMALL, Weaker::SettleFirst, LATER);
    }

    #[test]
    fn a_late_notification_taken_at_its_word_comes_after_what_replaced_it() {
        finds(Bounds::SMALL, Weaker::NoHead, LATER);
    }

    #[test]
    fn publishing_ones_own_event_tells_of_one_version_in_two_ways() {
        finds(Bounds::SMALL, Weaker::OwnEvent, SAID_AS_STORED);
    }

    #[test]
    fn without_marks_a_journalled_version_that_was_replaced_is_never_published() {
        finds(Bounds::SMALL, Weaker::NoMark, SAID);
    }

    #[test]
    fn without_the_sweep_a_lost_notification_leaves_a_version_unknown() {
        finds(Bounds::SMALL, Weaker::NoSweep, KNOWN);
    }

    #[test]
    fn a_notification_acknowledged_first_is_acknowledged_for_nothing() {
        finds(Bounds::SMALL, Weaker::AcknowledgeFirst, ACKNOWLEDGED_LAST);
    }

    #[test]
    fn a_version_that_comes_to_light_again_is_not_the_latest() {
        finds(Bounds::VERSIONED, Weaker::BackIsLast, LATER);
    }
}
