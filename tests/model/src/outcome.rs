//! One step of a file's way, and the one cell that its outcome goes into.
//!
//! Two workers have the input (`runtime::consume::work`), a third process has the server's advisory
//! of its deliveries (`runtime::advisory`) and the sweep of what has no mark (`runtime::outbox`).
//! Any of them may die between any two of its lines.

use stateright::{Model, Property};

/// `FILES` never holds two different outcomes.
pub const ONE_OUTCOME: &str = "one outcome a step";
/// What `FILES` holds is what the cell holds.
pub const SAID_AS_STORED: &str = "what is published is what is stored";
/// An input is acknowledged after its outcome was published.
pub const ACKNOWLEDGED_LAST: &str = "the output is acknowledged before the input";
/// Once nobody has anything left to do, the step has an outcome, and it was published.
pub const ENDS: &str = "every step ends";
/// An outcome is published twice: allowed, and to be seen.
pub const SAID_TWICE: &str = "an outcome is published twice";
/// `failed` is settled while a slow worker is at work, and stays.
pub const FAILED_FIRST: &str = "failed comes before a slow worker's outcome";
/// The slow worker was faster, and its outcome stays.
pub const FAILED_LAST: &str = "failed comes after a slow worker's outcome";

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Workers on the input.
    pub workers: usize,
    /// Deliveries of each copy of the input (`[nats] max_deliver`).
    pub deliveries: u8,
    /// Processes that die.
    pub crashes: u8,
    /// Copies of the input that the stream loses.
    pub losses: u8,
    /// Whether the input is published once more, long after the first time.
    pub copy: bool,
}

impl Bounds {
    /// What `make test` explores.
    pub const SMALL: Self = Self {
        workers: 2,
        deliveries: 2,
        crashes: 1,
        losses: 1,
        copy: false,
    };
    /// The same with a second copy of the input in place of a loss.
    pub const COPIED: Self = Self {
        losses: 0,
        copy: true,
        ..Self::SMALL
    };
    /// What `make soak` explores.
    pub const DEEP: Self = Self {
        workers: 3,
        deliveries: 3,
        crashes: 1,
        losses: 1,
        copy: false,
    };
}

/// A rule that is weaker than the code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaker {
    /// The advisory publishes `failed` itself, beside the cell.
    FailedFromAdvisory,
    /// Whoever ran publishes its own answer, whatever is stored.
    OwnAnswer,
    /// A later outcome replaces an earlier one.
    LastWins,
    /// No cell: the stream's duplicate window is to drop what comes twice.
    WindowOnly,
    /// The input is acknowledged before the outcome is published.
    AcknowledgeFirst,
    /// The mark is written before the outcome is published.
    MarkFirst,
    /// Outcomes without a mark are left to redeliveries.
    NoSweep,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that is not kept; none: as the code has them.
    pub weaker: Option<Weaker>,
}

/// What a step may come to. Two runs may answer differently: the world has changed between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// An outcome.
    One,
    /// Another.
    Other,
    /// It gives up.
    Failed,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A worker is given a copy of the input.
    Deliver(usize, usize),
    /// The server has delivered a copy as often as it may, and says so.
    RunOut(usize),
    /// The third process takes the advisory about a copy.
    Advise(usize),
    /// The third process sweeps.
    Sweep,
    /// A worker's run comes to this.
    Run(usize, Answer),
    /// A process does its next line.
    Go(usize),
    /// A process dies.
    Crash(usize),
    /// The stream loses a copy.
    Lose(usize),
    /// The input is published again.
    Copy,
    /// The duplicate window ends.
    Forget,
}

/// Everything that the model knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    cell: Option<Cell>,
    /// The stream of the outcomes.
    files: Vec<Answer>,
    /// Whether the server still knows the message id of the outcome.
    window: bool,
    copies: [Copy; 2],
    /// The workers, and last the process for everything else.
    processes: Vec<Process>,
    crashes: u8,
    losses: u8,
    /// An acknowledgement came too early.
    early: bool,
    /// `failed` was settled while a worker ran; an advisory found an outcome.
    raced: [bool; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cell {
    answer: Answer,
    marked: bool,
}

/// A copy of the input in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Copy {
    /// Not published.
    Absent,
    /// Delivered so often.
    Open(u8),
    /// An advisory is there.
    RunOut,
    /// Acknowledged, or given up on; or lost.
    Closed,
}

/// What a process works on, and its next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Process {
    Idle,
    At(Work, Line),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Work {
    Input(usize),
    Advisory(usize),
    Sweep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Line {
    Look,
    Run,
    Settle(Answer),
    Publish(Answer),
    Mark(Answer),
    Acknowledge,
}

impl Outcome {
    fn is(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        let idle = |process: usize| state.processes[process] == Process::Idle;
        let last = self.bounds.workers;
        for (copy, it) in state.copies.iter().enumerate() {
            match *it {
                Copy::Open(times) if times < self.bounds.deliveries => {
                    let workers = (0..last).filter(|worker| idle(*worker));
                    actions.extend(workers.map(|worker| Action::Deliver(copy, worker)));
                }
                Copy::Open(_) => actions.push(Action::RunOut(copy)),
                Copy::RunOut if idle(last) => actions.push(Action::Advise(copy)),
                _ => {}
            }
        }
        let unmarked = state.cell.is_some_and(|cell| !cell.marked);
        if unmarked && idle(last) && !self.is(Weaker::NoSweep) {
            actions.push(Action::Sweep);
        }
        for (process, it) in state.processes.iter().enumerate() {
            match it {
                Process::Idle => {}
                Process::At(_, Line::Run) => {
                    let answers = [Answer::One, Answer::Other, Answer::Failed];
                    actions.extend(answers.map(|answer| Action::Run(process, answer)));
                }
                Process::At(..) => actions.push(Action::Go(process)),
            }
        }
    }

    fn troubles(&self, state: &State, actions: &mut Vec<Action>) {
        if state.crashes > 0 {
            let busy = |process: &usize| state.processes[*process] != Process::Idle;
            let processes = 0..state.processes.len();
            actions.extend(processes.filter(busy).map(Action::Crash));
        }
        for (copy, it) in state.copies.iter().enumerate() {
            if state.losses > 0 && matches!(it, Copy::Open(_) | Copy::RunOut) {
                actions.push(Action::Lose(copy));
            }
        }
        if self.bounds.copy && state.copies[1] == Copy::Absent {
            actions.push(Action::Copy);
        }
        if state.window {
            actions.push(Action::Forget);
        }
    }

    /// A process's next line; answers the one after it.
    fn go(&self, state: &mut State, work: Work, line: Line) -> Process {
        let next = match line {
            Line::Look => self.look(state, work),
            Line::Run => return Process::At(work, line),
            Line::Settle(answer) => self.settle(state, work, answer),
            Line::Publish(answer) => {
                if !state.window {
                    state.files.push(answer);
                    state.window = true;
                }
                match work {
                    Work::Input(_) if self.is(Weaker::AcknowledgeFirst) => return Process::Idle,
                    _ if self.is(Weaker::MarkFirst) => Line::Acknowledge,
                    _ => Line::Mark(answer),
                }
            }
            Line::Mark(answer) => {
                if let Some(cell) = &mut state.cell {
                    cell.marked = true;
                }
                if self.is(Weaker::MarkFirst) {
                    Line::Publish(answer)
                } else {
                    Line::Acknowledge
                }
            }
            Line::Acknowledge => return self.acknowledge(state, work),
        };
        Process::At(work, next)
    }

    fn look(&self, state: &mut State, work: Work) -> Line {
        match (work, state.cell) {
            (Work::Input(_), _) if self.is(Weaker::WindowOnly) => Line::Run,
            (Work::Advisory(_), _) if self.is(Weaker::FailedFromAdvisory) => {
                Line::Publish(Answer::Failed)
            }
            (Work::Input(_), None) => Line::Run,
            (Work::Advisory(_), None) => Line::Settle(Answer::Failed),
            (Work::Sweep, None) => Line::Acknowledge,
            (_, Some(cell)) => {
                state.raced[1] |= matches!(work, Work::Advisory(_));
                // An input from long after the outcome asks for it to be said again.
                self.obey(cell, matches!(work, Work::Input(1)))
            }
        }
    }

    fn settle(&self, state: &mut State, work: Work, answer: Answer) -> Line {
        if self.is(Weaker::LastWins) && state.cell.is_some_and(|cell| cell.answer != answer) {
            state.cell = None;
        }
        let advisory = matches!(work, Work::Advisory(_));
        let running = |it: &Process| matches!(it, Process::At(Work::Input(_), Line::Run));
        state.raced[0] |= advisory && state.cell.is_none() && state.processes.iter().any(running);
        state.raced[1] |= advisory && state.cell.is_some();
        let fresh = Cell {
            answer,
            marked: false,
        };
        let cell = *state.cell.get_or_insert(fresh);
        if self.is(Weaker::OwnAnswer) || self.is(Weaker::WindowOnly) {
            return Line::Publish(answer);
        }
        self.obey(cell, false)
    }

    /// What is done about an outcome that is stored.
    fn obey(&self, cell: Cell, again: bool) -> Line {
        if cell.marked && !again || self.is(Weaker::AcknowledgeFirst) {
            Line::Acknowledge
        } else if self.is(Weaker::MarkFirst) && !again {
            Line::Mark(cell.answer)
        } else {
            Line::Publish(cell.answer)
        }
    }

    fn acknowledge(&self, state: &mut State, work: Work) -> Process {
        state.early |= state.files.is_empty();
        match work {
            Work::Input(copy) => {
                if matches!(state.copies[copy], Copy::Open(_)) {
                    state.copies[copy] = Copy::Closed;
                }
                match state.cell {
                    Some(cell) if self.is(Weaker::AcknowledgeFirst) && !cell.marked => {
                        Process::At(work, Line::Publish(cell.answer))
                    }
                    _ => Process::Idle,
                }
            }
            Work::Advisory(copy) => {
                state.copies[copy] = Copy::Closed;
                Process::Idle
            }
            Work::Sweep => Process::Idle,
        }
    }

    fn is_quiet(&self, state: &State) -> bool {
        let mut left = vec![];
        self.steps(state, &mut left);
        left.is_empty()
    }

    /// Whether the step came to its end; the stream may have lost the input before anybody knew.
    fn is_over(&self, state: &State) -> bool {
        match state.cell {
            Some(cell) => cell.marked && state.files.contains(&cell.answer),
            None => state.losses < self.bounds.losses,
        }
    }
}

impl Model for Outcome {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            cell: None,
            files: vec![],
            window: false,
            copies: [Copy::Open(0), Copy::Absent],
            processes: vec![Process::Idle; self.bounds.workers + 1],
            crashes: self.bounds.crashes,
            losses: self.bounds.losses,
            early: false,
            raced: [false; 2],
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.troubles(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let last = self.bounds.workers;
        match action {
            Action::Deliver(copy, worker) => {
                let Copy::Open(times) = before.copies[copy] else {
                    return None;
                };
                state.copies[copy] = Copy::Open(times + 1);
                state.processes[worker] = Process::At(Work::Input(copy), Line::Look);
            }
            Action::RunOut(copy) => state.copies[copy] = Copy::RunOut,
            Action::Advise(copy) => {
                state.processes[last] = Process::At(Work::Advisory(copy), Line::Look);
            }
            Action::Sweep => state.processes[last] = Process::At(Work::Sweep, Line::Look),
            Action::Run(process, answer) => {
                let Process::At(work, _) = before.processes[process] else {
                    return None;
                };
                state.processes[process] = Process::At(work, Line::Settle(answer));
            }
            Action::Go(process) => {
                let Process::At(work, line) = before.processes[process] else {
                    return None;
                };
                state.processes[process] = self.go(&mut state, work, line);
            }
            Action::Crash(process) => {
                state.crashes -= 1;
                state.processes[process] = Process::Idle;
            }
            Action::Lose(copy) => {
                state.losses -= 1;
                state.copies[copy] = Copy::Closed;
            }
            Action::Copy => state.copies[1] = Copy::Open(0),
            Action::Forget => state.window = false,
        }
        // Workers are alike.
        state.processes[..last].sort();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        vec![
            always(ONE_OUTCOME, |_, state| {
                state.files.windows(2).all(|pair| pair[0] == pair[1])
            }),
            always(SAID_AS_STORED, |_, state| {
                let stored = state.cell.map(|cell| cell.answer);
                state.files.iter().all(|said| Some(*said) == stored)
            }),
            always(ACKNOWLEDGED_LAST, |_, state| !state.early),
            always(ENDS, |model, state| {
                !model.is_quiet(state) || model.is_over(state)
            }),
            sometimes(SAID_TWICE, |_, state| state.files.len() > 1),
            sometimes(FAILED_FIRST, |_, state| state.raced[0]),
            sometimes(FAILED_LAST, |_, state| state.raced[1]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{breaks, holds};

    fn finds(weaker: Weaker, property: &'static str) {
        let (bounds, weaker) = (Bounds::SMALL, Some(weaker));
        breaks(Outcome { bounds, weaker }, property);
    }

    #[test]
    fn a_step_has_one_outcome_whatever_dies_and_comes_again() {
        let bounds = Bounds::SMALL;
        let weaker = None;
        holds("outcome", Outcome { bounds, weaker }, 10_000);
    }

    #[test]
    fn so_it_has_where_the_input_is_published_again_long_after() {
        let bounds = Bounds::COPIED;
        let weaker = None;
        holds("outcome, copied", Outcome { bounds, weaker }, 10_000);
    }

    #[test]
    fn failed_straight_from_an_advisory_is_a_second_outcome() {
        finds(Weaker::FailedFromAdvisory, ONE_OUTCOME);
    }

    #[test]
    fn publishing_ones_own_answer_makes_two_outcomes() {
        finds(Weaker::OwnAnswer, ONE_OUTCOME);
    }

    #[test]
    fn a_cell_that_is_overwritten_belies_what_was_published() {
        finds(Weaker::LastWins, SAID_AS_STORED);
    }

    #[test]
    fn the_duplicate_window_alone_lets_two_outcomes_through() {
        finds(Weaker::WindowOnly, ONE_OUTCOME);
    }

    #[test]
    fn an_input_acknowledged_first_is_acknowledged_for_nothing() {
        finds(Weaker::AcknowledgeFirst, ACKNOWLEDGED_LAST);
    }

    #[test]
    fn a_mark_written_first_hides_what_was_never_published() {
        finds(Weaker::MarkFirst, ENDS);
    }

    #[test]
    fn without_the_sweep_an_outcome_whose_input_is_lost_is_never_published() {
        finds(Weaker::NoSweep, ENDS);
    }
}
