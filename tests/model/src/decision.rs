//! Ingest: decide, then write (`ingest::step`).
//!
//! Two workers have one file's message. The object may be replaced or taken away, and the
//! configuration changed, between any two of their lines; either may die; deliveries may run out
//! while one of them still works. The cell of the outcome is one line here: `outcome` looks closer.

use stateright::{Model, Property};

/// The database holds rows of the decision, read as it says, and no others.
pub const DECIDED: &str = "only rows of the decision are written";
/// `ingested`: all of the decision's rows are there.
pub const DURABLE: &str = "rows are there before ingested";
/// `rejected`: there are none.
pub const REFUSED: &str = "a refused file has written nothing";
/// `superseded` says how many there may be.
pub const SUPERSEDED: &str = "superseded says how many rows there may be";
/// Once nobody has anything left to do, there is an outcome.
pub const ENDS: &str = "every file is decided";
/// A file vanishes between its two passes, with rows in the database: to be seen.
pub const HALF_WRITTEN: &str = "a file vanishes between two passes";
/// A worker's own decision comes second, and it obeys the first: to be seen.
pub const OBEYED: &str = "a worker obeys another's decision";

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Whether the file fits in memory, so that it is written from the first pass.
    pub in_memory: bool,
    /// Whether the second profile refuses the file; otherwise it reads other rows.
    pub refuses: bool,
    /// Workers.
    pub workers: usize,
    /// Deliveries of the message.
    pub deliveries: u8,
    /// Workers that die.
    pub crashes: u8,
    /// Changes of the configuration.
    pub changes: u8,
}

impl Bounds {
    /// What `make test` explores, with both sorts of files and of profiles.
    pub const SMALL: Self = Self {
        in_memory: true,
        refuses: true,
        workers: 2,
        deliveries: 3,
        crashes: 1,
        changes: 1,
    };
    /// What `make soak` explores, likewise.
    pub const DEEP: Self = Self {
        workers: 3,
        deliveries: 5,
        crashes: 2,
        changes: 3,
        ..Self::SMALL
    };

    /// These, for each sort of file and of profile.
    pub fn sorts(self) -> [Self; 4] {
        [(true, true), (true, false), (false, true), (false, false)].map(|(in_memory, refuses)| {
            Self {
                in_memory,
                refuses,
                ..self
            }
        })
    }
}

/// A rule that is weaker than the code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaker {
    /// Each delivery decides anew.
    DecideAnew,
    /// Rows are written before the decision is.
    WriteFirst,
    /// The second pass reads by today's profile.
    ProfileOfToday,
    /// The second pass reads whatever version is there.
    AnyVersion,
    /// `ingested` is said before the rows are written.
    SayFirst,
    /// `superseded` always says that there are no rows.
    NoRows,
    /// What was read for one's own decision is written under another's.
    HeldAnyway,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Deciding {
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that is not kept; none: as the code has them.
    pub weaker: Option<Weaker>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A worker is given the message.
    Deliver(usize),
    /// Deliveries have run out, and the advisory is dealt with.
    Advise,
    /// A worker does its next line.
    Go(usize),
    /// A worker dies.
    Crash(usize),
    /// Another version is uploaded.
    Replace,
    /// The object is taken away.
    Remove,
    /// The configuration gets the other profile.
    Configure,
}

/// Everything that the model knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    source: Source,
    /// Which of two profiles the configuration has.
    profile: usize,
    decision: Option<Decision>,
    rows: Rows,
    outcome: Option<Outcome>,
    /// Deliveries so far; none: acknowledged, or given up on.
    delivered: Option<u8>,
    workers: Vec<Option<Line>>,
    crashes: u8,
    changes: u8,
    half_written: bool,
    obeyed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Ours,
    Another,
    Gone,
}

/// Rows as a set of bits: two that the first profile reads, two that the second one reads, two of
/// another version.
type Rows = u8;

const OF_PROFILE: [Rows; 2] = [0b00_00_11, 0b00_11_00];
const OF_ANOTHER: Rows = 0b11_00_00;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Decision {
    /// By this profile.
    Ingest(usize),
    Reject,
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Outcome {
    Ingested,
    Rejected,
    Superseded { up_to: u32 },
    Failed,
}

/// A worker's next line, and what it knows by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Line {
    Look,
    ReadDecision,
    FirstPass,
    Decide(Decision),
    SecondPass(usize),
    /// Writes one of these.
    Write(Rows),
    Settle(Outcome),
    Acknowledge,
}

impl Deciding {
    fn is(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        let workers = state.workers.iter().enumerate();
        for (number, line) in workers {
            match (line, state.delivered) {
                (Some(_), _) => actions.push(Action::Go(number)),
                (None, Some(times)) if times < self.bounds.deliveries => {
                    actions.push(Action::Deliver(number));
                }
                _ => {}
            }
        }
        if state.delivered == Some(self.bounds.deliveries) {
            actions.push(Action::Advise);
        }
    }

    fn troubles(&self, state: &State, actions: &mut Vec<Action>) {
        if state.crashes > 0 {
            let workers = 0..state.workers.len();
            let busy = workers.filter(|worker| state.workers[*worker].is_some());
            actions.extend(busy.map(Action::Crash));
        }
        if state.changes > 0 {
            actions.push(Action::Configure);
        }
        match state.source {
            Source::Ours => actions.extend([Action::Replace, Action::Remove]),
            Source::Another => actions.push(Action::Remove),
            Source::Gone => {}
        }
    }

    /// What the configuration makes of the file.
    fn wants(&self, profile: usize) -> Decision {
        if profile == 1 && self.bounds.refuses {
            Decision::Reject
        } else {
            Decision::Ingest(profile)
        }
    }

    /// A worker's next line; answers the one after it, if there is one.
    fn go(&self, state: &mut State, line: Line) -> Option<Line> {
        Some(match line {
            Line::Look if state.outcome.is_some() => Line::Acknowledge,
            Line::Look => Line::ReadDecision,
            Line::ReadDecision => match state.decision {
                Some(decision) if !self.is(Weaker::DecideAnew) => self.obey(decision, None),
                _ => Line::FirstPass,
            },
            Line::FirstPass => self.first_pass(state),
            Line::Decide(wanted) => self.decide(state, wanted),
            Line::SecondPass(profile) => self.second_pass(state, profile),
            Line::Write(rows) => self.write(state, rows),
            Line::Settle(outcome) => {
                state.outcome.get_or_insert(outcome);
                match state.decision {
                    Some(Decision::Ingest(profile)) if self.is(Weaker::SayFirst) => {
                        Line::Write(OF_PROFILE[profile])
                    }
                    _ => Line::Acknowledge,
                }
            }
            Line::Acknowledge => {
                state.delivered = None;
                return None;
            }
        })
    }

    /// Reads the file, if it is there, by the configuration as it is now.
    fn first_pass(&self, state: &State) -> Line {
        let wanted = match state.source {
            Source::Ours => self.wants(state.profile),
            _ => Decision::Superseded,
        };
        match wanted {
            Decision::Ingest(profile) if self.is(Weaker::WriteFirst) => {
                Line::Write(OF_PROFILE[profile])
            }
            wanted => Line::Decide(wanted),
        }
    }

    /// Create if absent; what was read for it is kept if that is what counts.
    fn decide(&self, state: &mut State, wanted: Decision) -> Line {
        if self.is(Weaker::DecideAnew) {
            state.decision = None;
        }
        let decision = *state.decision.get_or_insert(wanted);
        state.obeyed |= decision != wanted;
        let held = match wanted {
            Decision::Ingest(profile) if self.bounds.in_memory => Some(OF_PROFILE[profile]),
            _ => None,
        };
        let kept = decision == wanted || self.is(Weaker::HeldAnyway);
        self.obey(decision, held.filter(|_| kept))
    }

    fn obey(&self, decision: Decision, held: Option<Rows>) -> Line {
        match decision {
            Decision::Superseded => Line::Settle(Outcome::Superseded { up_to: 0 }),
            Decision::Reject => Line::Settle(Outcome::Rejected),
            Decision::Ingest(_) if self.is(Weaker::SayFirst) => Line::Settle(Outcome::Ingested),
            Decision::Ingest(profile) => held.map_or(Line::SecondPass(profile), Line::Write),
        }
    }

    /// Reads the file as decided, on the condition that it is still the same version.
    fn second_pass(&self, state: &State, profile: usize) -> Line {
        let profile = match self.weaker {
            Some(Weaker::ProfileOfToday) => state.profile,
            _ => profile,
        };
        match state.source {
            Source::Ours => Line::Write(OF_PROFILE[profile]),
            Source::Another if self.is(Weaker::AnyVersion) => Line::Write(OF_ANOTHER),
            _ => self.vanished(),
        }
    }

    fn vanished(&self) -> Line {
        let up_to = if self.is(Weaker::NoRows) { 0 } else { 2 };
        Line::Settle(Outcome::Superseded { up_to })
    }

    /// Writes the first of these rows. What does not fit in memory is read on from the source.
    fn write(&self, state: &mut State, rows: Rows) -> Line {
        let left = rows & (rows - 1);
        state.rows |= rows ^ left;
        let from_source = !self.bounds.in_memory && self.weaker.is_none();
        if left != 0 && from_source && state.source != Source::Ours {
            state.half_written = true;
            return self.vanished();
        }
        match left {
            0 if self.is(Weaker::SayFirst) => Line::Acknowledge,
            0 if self.is(Weaker::WriteFirst) && state.decision.is_none() => {
                Line::Decide(self.wants(state.profile))
            }
            0 => Line::Settle(Outcome::Ingested),
            left => Line::Write(left),
        }
    }

    fn is_quiet(&self, state: &State) -> bool {
        let mut left = vec![];
        self.steps(state, &mut left);
        left.is_empty()
    }
}

impl State {
    /// The rows that there may be.
    fn decided(&self) -> Rows {
        match self.decision {
            Some(Decision::Ingest(profile)) => OF_PROFILE[profile],
            _ => 0,
        }
    }
}

impl Model for Deciding {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let start = |profile| State {
            source: Source::Ours,
            profile,
            decision: None,
            rows: 0,
            outcome: None,
            delivered: Some(0),
            workers: vec![None; self.bounds.workers],
            crashes: self.bounds.crashes,
            changes: self.bounds.changes,
            half_written: false,
            obeyed: false,
        };
        vec![start(0), start(1)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.troubles(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Deliver(worker) => {
                state.delivered = before.delivered.map(|times| times + 1);
                state.workers[worker] = Some(Line::Look);
            }
            Action::Advise => {
                state.delivered = None;
                state.outcome.get_or_insert(Outcome::Failed);
            }
            Action::Go(worker) => {
                let line = before.workers[worker]?;
                state.workers[worker] = self.go(&mut state, line);
            }
            Action::Crash(worker) => {
                state.crashes -= 1;
                state.workers[worker] = None;
            }
            Action::Replace => state.source = Source::Another,
            Action::Remove => state.source = Source::Gone,
            Action::Configure => {
                state.changes -= 1;
                state.profile = 1 - before.profile;
            }
        }
        // Workers are alike.
        state.workers.sort();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        let mut properties = vec![
            always(DECIDED, |_, state| state.rows & !state.decided() == 0),
            always(DURABLE, |_, state| {
                state.outcome != Some(Outcome::Ingested) || state.rows == state.decided()
            }),
            always(REFUSED, |_, state| {
                state.outcome != Some(Outcome::Rejected) || state.rows == 0
            }),
            always(SUPERSEDED, |_, state| match state.outcome {
                Some(Outcome::Superseded { up_to }) => state.rows.count_ones() <= up_to,
                _ => true,
            }),
            always(ENDS, |model, state| {
                !model.is_quiet(state) || state.outcome.is_some()
            }),
            sometimes(OBEYED, |_, state| state.obeyed),
        ];
        if !self.bounds.in_memory {
            properties.push(sometimes(HALF_WRITTEN, |_, state| {
                let told = matches!(state.outcome, Some(Outcome::Superseded { up_to: 2 }));
                state.half_written && told
            }));
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{breaks, holds};

    const LARGE: Bounds = Bounds {
        in_memory: false,
        ..Bounds::SMALL
    };
    const READS_OTHERWISE: Bounds = Bounds {
        refuses: false,
        ..Bounds::SMALL
    };

    fn finds(bounds: Bounds, weaker: Weaker, property: &'static str) {
        let weaker = Some(weaker);
        breaks(Deciding { bounds, weaker }, property);
    }

    #[test]
    fn the_database_holds_what_was_decided_and_the_outcome_says_so() {
        for bounds in Bounds::SMALL.sorts() {
            let weaker = None;
            holds("decision", Deciding { bounds, weaker }, 1_000);
        }
    }

    #[test]
    fn deciding_anew_leaves_rows_of_a_refused_file() {
        finds(Bounds::SMALL, Weaker::DecideAnew, REFUSED);
    }

    #[test]
    fn deciding_anew_says_that_a_file_replaced_meanwhile_left_no_rows() {
        finds(Bounds::SMALL, Weaker::DecideAnew, SUPERSEDED);
    }

    #[test]
    fn rows_written_before_the_decision_are_nobodys() {
        finds(Bounds::SMALL, Weaker::WriteFirst, DECIDED);
    }

    #[test]
    fn a_second_pass_by_todays_profile_mixes_two_readings_of_a_file() {
        let bounds = Bounds {
            in_memory: false,
            ..READS_OTHERWISE
        };
        finds(bounds, Weaker::ProfileOfToday, DECIDED);
    }

    #[test]
    fn a_second_pass_over_any_version_writes_anothers_rows() {
        finds(LARGE, Weaker::AnyVersion, DECIDED);
    }

    #[test]
    fn ingested_said_first_promises_rows_that_are_not_there() {
        finds(Bounds::SMALL, Weaker::SayFirst, DURABLE);
    }

    #[test]
    fn superseded_without_a_number_hides_rows() {
        finds(Bounds::SMALL, Weaker::NoRows, SUPERSEDED);
    }

    #[test]
    fn what_was_read_for_another_decision_is_not_to_be_written() {
        finds(READS_OTHERWISE, Weaker::HeldAnyway, DECIDED);
    }
}
