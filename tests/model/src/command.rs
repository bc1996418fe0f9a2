//! Commands at ingest (`ingest::step`): which one counts, what a retraction takes out.
//!
//! A file's first way has written two readings. For its second way two people order differently: a
//! replay and a retraction. A third way, a replay, is ordered once the second has ended. Two workers
//! have the messages, which come again; either dies between any two lines. A reading is a line of
//! its own, in the writing and in the taking out.

use stateright::{Model, Property};

/// Between two ways, while nobody is at work, the database holds what the outcome of the first of
/// them says.
pub const SAID: &str = "the database holds what the command that counts says";
/// A retraction says how many readings there were.
pub const COUNTED: &str = "a retraction says how many readings there were";
/// Readings of a way after a retraction stay.
pub const LATER: &str = "what a later way wrote stays";
/// Once nobody has anything left to do, every way that was ordered has ended.
pub const ENDS: &str = "every way that was ordered ends";
/// Somebody has the message of a command that does not count: to be seen.
pub const OBEYED: &str = "a worker obeys the other person's command";

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Deliveries of each message.
    pub deliveries: u8,
    /// Workers that die.
    pub crashes: u8,
}

impl Bounds {
    /// What `make test` explores.
    pub const SMALL: Self = Self {
        deliveries: 2,
        crashes: 1,
    };
    /// What `make soak` explores.
    pub const DEEP: Self = Self {
        deliveries: 3,
        crashes: 2,
    };
}

/// A rule that is weaker than the code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaker {
    /// Each message's own command is obeyed.
    EachItsOwn,
    /// A retraction takes out whatever the file has.
    Unbounded,
    /// A retraction counts anew with each try.
    CountAnew,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Commands {
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that is not kept; none: as the code has them.
    pub weaker: Option<Weaker>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A worker is given a message.
    Deliver(usize, usize),
    /// A worker does its next line.
    Go(usize),
    /// A worker dies.
    Crash(usize),
}

/// What each message orders, and for which way.
const MESSAGES: [(Command, u8); 3] = [
    (Command::Replay, 1),
    (Command::Retract, 1),
    (Command::Replay, 2),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Command {
    Replay,
    Retract,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Outcome {
    Ingested,
    Retracted(u8),
}

/// A worker's next line, and what it knows by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Line {
    Look,
    Keep,
    Write(usize),
    Count,
    Remove(usize, u8),
    Settle(Outcome),
    Acknowledge,
}

/// A cell: which way wrote it last, and whether that shows.
type Cell = (u8, bool);

/// Everything that the model knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    cells: [Cell; 2],
    /// The command that counts for each way.
    kept: [Option<Command>; 3],
    /// How many readings a retraction of each way found.
    counted: [Option<u8>; 3],
    outcomes: [Option<Outcome>; 3],
    /// Deliveries of each message so far; none: acknowledged for good.
    delivered: [Option<u8>; 3],
    workers: [Option<(usize, Line)>; 2],
    crashes: u8,
    obeyed: bool,
}

impl Commands {
    fn is(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    /// A worker's next line for a message; answers the one after it, if there is one.
    fn go(&self, state: &mut State, message: usize, line: Line) -> Option<Line> {
        let (own, way) = MESSAGES[message];
        let at = usize::from(way);
        Some(match line {
            Line::Look if state.outcomes[at].is_some() => Line::Acknowledge,
            Line::Look => Line::Keep,
            Line::Keep => {
                let kept = *state.kept[at].get_or_insert(own);
                state.obeyed |= kept != own;
                let command = if self.is(Weaker::EachItsOwn) {
                    own
                } else {
                    kept
                };
                match command {
                    Command::Replay => Line::Write(0),
                    Command::Retract => Line::Count,
                }
            }
            Line::Write(cell) => {
                // The later write timestamp stays.
                if state.cells[cell].0 < way {
                    state.cells[cell] = (way, true);
                }
                match cell {
                    0 => Line::Write(1),
                    _ => Line::Settle(Outcome::Ingested),
                }
            }
            Line::Count => {
                let all = state.cells.iter().filter(|(_, shows)| *shows).count();
                let found = u8::try_from(all).unwrap_or(u8::MAX);
                let counted = match state.counted[at] {
                    Some(counted) if !self.is(Weaker::CountAnew) => counted,
                    _ => found,
                };
                state.counted[at] = Some(counted);
                Line::Remove(0, counted)
            }
            Line::Remove(cell, counted) => {
                let (stamp, shows) = &mut state.cells[cell];
                if *stamp < way || self.is(Weaker::Unbounded) {
                    *shows = false;
                }
                match cell {
                    0 => Line::Remove(1, counted),
                    _ => Line::Settle(Outcome::Retracted(counted)),
                }
            }
            Line::Settle(outcome) => {
                state.outcomes[at].get_or_insert(outcome);
                Line::Acknowledge
            }
            Line::Acknowledge => return None,
        })
    }

    /// Whether a message is there: the third is ordered once the second way has ended.
    fn is_there(state: &State, message: usize) -> bool {
        message < 2 || state.outcomes[1].is_some()
    }

    fn is_quiet(&self, state: &State) -> bool {
        let mut actions = vec![];
        self.steps(state, &mut actions);
        actions.is_empty()
    }

    fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        for (worker, work) in state.workers.iter().enumerate() {
            if work.is_some() {
                actions.push(Action::Go(worker));
                continue;
            }
            for (message, times) in state.delivered.iter().enumerate() {
                let left = times.is_some_and(|times| times < self.bounds.deliveries);
                if left && Self::is_there(state, message) {
                    actions.push(Action::Deliver(worker, message));
                }
            }
        }
    }
}

impl Model for Commands {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            cells: [(0, true); 2],
            kept: [None; 3],
            counted: [None; 3],
            outcomes: [None; 3],
            delivered: [Some(0); 3],
            workers: [None; 2],
            crashes: self.bounds.crashes,
            obeyed: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        if state.crashes > 0 {
            let busy = state.workers.iter().enumerate();
            let busy = busy.filter(|(_, work)| work.is_some());
            actions.extend(busy.map(|(worker, _)| Action::Crash(worker)));
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Deliver(worker, message) => {
                // It may come again however often it was worked on, until its deliveries run out.
                state.delivered[message] = before.delivered[message].map(|times| times + 1);
                state.workers[worker] = Some((message, Line::Look));
            }
            Action::Go(worker) => {
                let (message, line) = before.workers[worker]?;
                let next = self.go(&mut state, message, line);
                state.workers[worker] = next.map(|line| (message, line));
            }
            Action::Crash(worker) => {
                state.crashes -= 1;
                let (message, _) = before.workers[worker]?;
                // What was held comes again.
                state.delivered[message] = before.delivered[message].map(|times| times - 1);
                state.workers[worker] = None;
            }
        }
        // Workers are alike.
        state.workers.sort();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        vec![
            always(SAID, |_, state| {
                let idle = state.workers.iter().all(Option::is_none);
                let [_, outcome, _] = state.outcomes;
                // From then on it is the third way's.
                let third = state.kept[2].is_some();
                !idle
                    || third
                    || match outcome {
                        Some(Outcome::Ingested) => state.cells == [(1, true); 2],
                        Some(Outcome::Retracted(_)) => state.cells.iter().all(|cell| !cell.1),
                        None => true,
                    }
            }),
            always(COUNTED, |_, state| {
                let retracted = |outcome: &Option<Outcome>| match outcome {
                    Some(Outcome::Retracted(counted)) => *counted == 2,
                    _ => true,
                };
                state.outcomes.iter().all(retracted)
            }),
            always(LATER, |model, state| {
                !model.is_quiet(state)
                    || state.outcomes[2].is_none()
                    || state.cells == [(2, true); 2]
            }),
            always(ENDS, |model, state| {
                let ended = state.outcomes[1..].iter().all(Option::is_some);
                !model.is_quiet(state) || ended
            }),
            sometimes(OBEYED, |_, state| state.obeyed),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{breaks, holds};

    fn finds(weaker: Weaker, property: &'static str) {
        let (bounds, weaker) = (Bounds::SMALL, Some(weaker));
        breaks(Commands { bounds, weaker }, property);
    }

    #[test]
    fn of_two_commands_one_counts_and_the_database_holds_what_it_says() {
        let (bounds, weaker) = (Bounds::SMALL, None);
        holds("command", Commands { bounds, weaker }, 1_000);
    }

    #[test]
    fn commands_that_are_each_obeyed_take_out_what_the_other_says_is_there() {
        finds(Weaker::EachItsOwn, SAID);
    }

    #[test]
    fn a_retraction_without_bounds_that_comes_late_takes_out_what_a_later_way_wrote() {
        finds(Weaker::Unbounded, LATER);
    }

    #[test]
    fn a_retraction_that_counts_anew_forgets_what_it_took_out_before_it_died() {
        finds(Weaker::CountAnew, COUNTED);
    }
}
