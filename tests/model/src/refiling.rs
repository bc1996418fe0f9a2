//! The move of a replay (`mover::refiling`), beside one of the first way that comes late.
//!
//! The first way was given up on at any of its lines: its file is at the source, or filed, or both.
//! A replica may be at that move still, which copies from the source alone. Two replicas have the
//! replay's message; either dies. Its destination is the first way's, or another. A copy is one
//! request: what is told apart within it, `filing` looks at.

use stateright::{Model, Property};

/// At any time the file's bytes are somewhere where a replay looks.
pub const KEPT: &str = "the bytes are never nowhere";
/// Once nobody has anything left to do, the replay was filed.
pub const FOUND: &str = "a replay finds the file wherever it is";
/// Once nobody has anything left to do, there is one copy, the replay's, and no source.
pub const FILED: &str = "one copy is left, and it is the replay's";
/// The late move of the first way copies once more beside the replay: to be seen.
pub const BESIDE: &str = "a late move copies beside the replay's";

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Replicas that have the replay's message.
    pub movers: usize,
    /// Replicas that die.
    pub crashes: u8,
}

impl Bounds {
    /// What `make test` explores.
    pub const SMALL: Self = Self {
        movers: 2,
        crashes: 1,
    };
    /// What `make soak` explores.
    pub const DEEP: Self = Self {
        movers: 3,
        crashes: 2,
    };
}

/// A rule that is weaker than the code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaker {
    /// A replay looks at the source only.
    SourceOnly,
    /// A replay looks at the copies only.
    CopyOnly,
    /// Lower copies are removed before the replay's own is there.
    TidyFirst,
    /// Lower copies are removed before the source is.
    TidyBeforeSource,
    /// Lower copies are never removed.
    NoTidying,
    /// The first way has not ended: it may find that it was gone, and tidies up by its bytes.
    OnItsWay,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Refiling {
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that is not kept; none: as the code has them.
    pub weaker: Option<Weaker>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The first way's mover makes its next request.
    Late,
    /// A replay's mover makes its next request.
    Go(usize),
    /// One dies, and begins again.
    Crash(usize),
}

/// Names of copies: two destinations, and the first way's other name.
const NAMES: usize = 3;
const FIRST: usize = 0;
const OTHER: usize = 2;

/// The first way's mover, before its next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Late {
    Copy(usize),
    Confirm(usize),
    Remove,
    /// It says `gone`, and removes what it takes for a copy of its own that came too late.
    Tidy(bool),
    Over,
}

/// A replay's mover, before its next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Again {
    Look,
    /// From the source, or from a copy.
    Copy(Option<usize>),
    RemoveSource,
    Tidy,
    Done,
    /// It found the file nowhere.
    Missing,
}

/// Everything that the model knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    source: bool,
    /// Which way each copy says that it is of.
    copies: [Option<u8>; NAMES],
    /// Where the replay files it.
    destination: usize,
    late: Late,
    movers: Vec<Again>,
    crashes: u8,
    beside: bool,
}

impl Refiling {
    fn is(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    fn late(&self, state: &State) -> (State, Late) {
        let mut state = state.clone();
        let next = match state.late {
            Late::Copy(_) if !state.source => Late::Over,
            Late::Copy(name) => match state.copies[name] {
                // Another's, for all it knows: its other name.
                Some(1) if name == FIRST => Late::Copy(OTHER),
                _ => {
                    state.beside |= state.movers.iter().any(|mover| *mover != Again::Look);
                    state.copies[name] = Some(0);
                    Late::Confirm(name)
                }
            },
            Late::Confirm(name) if state.copies[name] == Some(0) && state.source => Late::Remove,
            Late::Confirm(_) => Late::Over,
            Late::Remove => {
                state.source = false;
                Late::Over
            }
            // Bytes tell no two copies apart.
            Late::Tidy(true) => {
                state.copies[FIRST] = None;
                Late::Over
            }
            Late::Tidy(false) if state.copies[FIRST] == Some(0) => Late::Tidy(true),
            Late::Tidy(false) | Late::Over => Late::Over,
        };
        (state, next)
    }

    /// The next request of a replay's mover; answers the one after it.
    fn go(&self, state: &mut State, line: Again) -> Again {
        let own = state.destination;
        match line {
            Again::Look if state.copies[own] == Some(1) => self.filed(),
            Again::Look => {
                let source = state.source && !self.is(Weaker::CopyOnly);
                let searched = !self.is(Weaker::SourceOnly);
                let copy = (0..NAMES).find(|name| state.copies[*name] == Some(0));
                match copy.filter(|_| searched) {
                    _ if source => self.begin(state, None),
                    Some(name) => self.begin(state, Some(name)),
                    None => Again::Missing,
                }
            }
            Again::Copy(from) => {
                let there = from.map_or(state.source, |name| state.copies[name].is_some());
                if there {
                    state.copies[own] = Some(1);
                }
                Again::Look
            }
            Again::RemoveSource => {
                state.source = false;
                match self.weaker {
                    Some(Weaker::TidyBeforeSource | Weaker::NoTidying) => Again::Done,
                    _ => Again::Tidy,
                }
            }
            Again::Tidy => {
                tidy(state);
                match self.weaker {
                    Some(Weaker::TidyBeforeSource) => Again::RemoveSource,
                    _ => Again::Done,
                }
            }
            Again::Done | Again::Missing => line,
        }
    }

    fn begin(&self, state: &mut State, from: Option<usize>) -> Again {
        if self.is(Weaker::TidyFirst) {
            tidy(state);
        }
        Again::Copy(from)
    }

    fn filed(&self) -> Again {
        match self.weaker {
            Some(Weaker::TidyBeforeSource) => Again::Tidy,
            _ => Again::RemoveSource,
        }
    }

    fn is_quiet(state: &State) -> bool {
        let over = |mover: &Again| matches!(mover, Again::Done | Again::Missing);
        state.late == Late::Over && state.movers.iter().all(over)
    }
}

/// Removes the copies of lower ways.
fn tidy(state: &mut State) {
    for copy in &mut state.copies {
        if *copy == Some(0) {
            *copy = None;
        }
    }
}

impl Model for Refiling {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut states = vec![];
        for destination in [FIRST, 1] {
            for (source, copy) in [(true, None), (true, Some(0)), (false, Some(0))] {
                let mut late = vec![Late::Over, Late::Copy(FIRST)];
                if source && copy.is_some() {
                    late.extend([Late::Confirm(FIRST), Late::Remove]);
                }
                if self.is(Weaker::OnItsWay) {
                    late.push(Late::Tidy(false));
                }
                states.extend(late.into_iter().map(|late| State {
                    source,
                    copies: [copy, None, None],
                    destination,
                    late,
                    movers: vec![Again::Look; self.bounds.movers],
                    crashes: self.bounds.crashes,
                    beside: false,
                }));
            }
        }
        states
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.late != Late::Over {
            actions.push(Action::Late);
        }
        for (number, mover) in state.movers.iter().enumerate() {
            if matches!(mover, Again::Done | Again::Missing) {
                continue;
            }
            actions.push(Action::Go(number));
            if state.crashes > 0 && *mover != Again::Look {
                actions.push(Action::Crash(number));
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Late => {
                let (after, late) = self.late(before);
                state = State { late, ..after };
            }
            Action::Go(number) => {
                state.movers[number] = self.go(&mut state, before.movers[number]);
            }
            Action::Crash(number) => {
                state.crashes -= 1;
                state.movers[number] = Again::Look;
            }
        }
        // Movers are alike.
        state.movers.sort();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        vec![
            always(KEPT, |_, state| {
                state.source || state.copies.iter().any(Option::is_some)
            }),
            always(FOUND, |_, state| !state.movers.contains(&Again::Missing)),
            always(FILED, |_, state| {
                let copies = state.copies.iter().flatten().count();
                let own = state.copies[state.destination] == Some(1);
                !Self::is_quiet(state) || (own && copies == 1 && !state.source)
            }),
            sometimes(BESIDE, |_, state| state.beside),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{breaks, holds};

    fn finds(weaker: Weaker, property: &'static str) {
        let (bounds, weaker) = (Bounds::SMALL, Some(weaker));
        breaks(Refiling { bounds, weaker }, property);
    }

    #[test]
    fn a_replay_beside_a_late_move_leaves_one_copy_and_loses_none() {
        let (bounds, weaker) = (Bounds::SMALL, None);
        holds("refiling", Refiling { bounds, weaker }, 200);
    }

    #[test]
    fn a_replay_that_looks_at_the_source_only_misses_the_copy() {
        finds(Weaker::SourceOnly, FOUND);
    }

    #[test]
    fn a_replay_that_looks_at_the_copies_only_misses_the_source() {
        finds(Weaker::CopyOnly, FOUND);
    }

    #[test]
    fn lower_copies_removed_first_are_the_last() {
        finds(Weaker::TidyFirst, KEPT);
    }

    #[test]
    fn lower_copies_removed_before_the_source_come_back() {
        finds(Weaker::TidyBeforeSource, FILED);
    }

    #[test]
    fn lower_copies_never_removed_lie_beside_the_replays() {
        finds(Weaker::NoTidying, FILED);
    }

    #[test]
    fn a_replay_beside_a_way_that_tidies_up_loses_the_copy() {
        finds(Weaker::OnItsWay, KEPT);
    }
}
