//! The watcher's sweep over one file that lies at the source and whose `arrived` was published
//! (`watcher::sweep::verdict`): whether it waits, has ended, or is stuck.
//!
//! Ingest and mover each acknowledge what they are done with, and say their outcome again when they
//! are asked long after it (`runtime::consume::work::is_asked_again`). The stream may lose what
//! nobody has read yet, together with what was said in it before: it was made anew.

use stateright::{Model, Property};

/// `arrived` is published three times at most.
pub const THREE_TIMES: &str = "arrived is published three times at most";
/// What somebody still has, or will have, is not published again.
pub const WAITING: &str = "what merely waits is not published again";
/// What has ended is not published again.
pub const ENDED: &str = "what has ended is not published again";
/// Once nobody has anything left to do, the file has ended, or a person was told.
pub const ENDS: &str = "every file ends, or is noted as stuck";
/// A stream that loses no more than once leaves nothing stuck.
pub const MADE_UP: &str = "what the stream lost once is made up for";
/// A file was stuck, and came to its end: to be seen.
pub const RESCUED: &str = "a stuck file ends";

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How often the stream loses everything.
    pub losses: u8,
    /// Readers and sweeps that die.
    pub crashes: u8,
}

impl Bounds {
    /// What `make test` explores.
    pub const SMALL: Self = Self {
        losses: 1,
        crashes: 0,
    };
    /// Where the sweep has to give up.
    pub const DEEP: Self = Self {
        losses: 4,
        crashes: 2,
    };
}

/// A rule that is weaker than the code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaker {
    /// The sweep publishes again whatever it sees, each time it comes round.
    Everything,
    /// It looks at the age of a file's last event, and not whether that was acknowledged.
    AgeAlone,
    /// It asks whether a file's last event was acknowledged, and not whether those before it were.
    LastAlone,
    /// It does not ask whether the file has ended.
    EndedToo,
    /// It does not count.
    Uncounted,
    /// It counts after it has published.
    CountedLast,
    /// A step that has an outcome says it no more.
    NeverAgain,
    /// Nobody asks what became of known files.
    NoSweep,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that is not kept; none: as the code has them.
    pub weaker: Option<Weaker>,
}

/// Who reads the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reader {
    /// Reads `arrived`.
    Ingest,
    /// Reads `ingested`.
    Mover,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A reader takes its next event.
    Take(Reader),
    /// It is done: it goes on, or, where true, it gives up.
    Finish(Reader, bool),
    /// It dies, and is given the event again.
    Crash(Reader),
    /// A long time passes.
    Age,
    /// The stream is made anew, and is empty.
    Lose,
    /// The sweep comes round.
    Look,
    /// The sweep does its next line.
    Go,
    /// The sweep dies.
    Die,
}

/// Everything that the model knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The file's events in the stream.
    files: Vec<Said>,
    readers: [Position; 2],
    /// The outcomes of both readers' steps, and whether each is old.
    cells: [Option<(What, bool)>; 2],
    /// Whether the mark of `arrived` is of a stream that is gone.
    lost: bool,
    /// How often the sweep has counted it.
    counted: u8,
    given_up: bool,
    /// What the sweep is about to do.
    sweeping: Option<Line>,
    /// How often `arrived` was published.
    arrived: u8,
    losses: u8,
    crashes: u8,
    /// It was taken for stuck while it waited; after it had ended.
    wrong: [bool; 2],
}

/// An event in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Said {
    what: What,
    /// It was published a long time ago.
    old: bool,
    /// It was published long after its reader's outcome.
    late: bool,
}

/// How far a reader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Position {
    /// So many events are acknowledged.
    done: usize,
    /// What it works on.
    held: Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Held {
    Nothing,
    /// Its next event.
    Next,
    /// An event that the stream has lost since.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    Arrived,
    Ingested,
    Moved,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Line {
    Count,
    Publish,
    CountLast,
}

impl Reader {
    fn index(self) -> usize {
        match self {
            Self::Ingest => 0,
            Self::Mover => 1,
        }
    }

    fn reads(self) -> What {
        match self {
            Self::Ingest => What::Arrived,
            Self::Mover => What::Ingested,
        }
    }

    fn says(self) -> What {
        match self {
            Self::Ingest => What::Ingested,
            Self::Mover => What::Moved,
        }
    }
}

const READERS: [Reader; 2] = [Reader::Ingest, Reader::Mover];

impl State {
    /// Where in the stream the reader's next event is.
    fn next(&self, reader: Reader) -> Option<usize> {
        let done = self.readers[reader.index()].done;
        let mut after = self.files.iter().enumerate().skip(done);
        after
            .find(|(_, said)| said.what == reader.reads())
            .map(|(at, _)| at)
    }

    fn has_ended(&self) -> bool {
        let ends = |said: &Said| matches!(said.what, What::Moved | What::Failed);
        self.files.iter().any(ends)
    }

    /// Whether a step has settled an end, wherever that was said.
    fn has_come_to_an_end(&self) -> bool {
        let ends = |(what, _): &(What, bool)| matches!(what, What::Moved | What::Failed);
        self.cells.iter().flatten().any(ends)
    }

    /// Whether somebody has the file's next event, or will have it.
    fn waits(&self) -> bool {
        READERS.iter().any(|reader| self.next(*reader).is_some())
    }

    fn say(&mut self, what: What) {
        self.arrived += u8::from(what == What::Arrived);
        let reader = READERS.iter().find(|reader| reader.reads() == what);
        let outcome = reader.and_then(|reader| self.cells[reader.index()]);
        self.files.push(Said {
            what,
            old: false,
            late: outcome.is_some_and(|(_, old)| old),
        });
    }
}

impl Sweep {
    fn is(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    /// Whether the sweep takes the file for stuck.
    fn is_stuck(&self, state: &State) -> bool {
        if self.is(Weaker::Everything) {
            return true;
        }
        if state.has_ended() && !self.is(Weaker::EndedToo) {
            return false;
        }
        let Some(last) = state.files.last() else {
            return state.lost;
        };
        let reader = match last.what {
            What::Arrived => Reader::Ingest,
            _ => Reader::Mover,
        };
        let acknowledged = match self.weaker {
            Some(Weaker::AgeAlone) => true,
            Some(Weaker::LastAlone) => state.next(reader).is_none(),
            _ => !state.waits(),
        };
        last.old && acknowledged
    }

    /// What the mover has moved is in no listing any more.
    fn sees_stuck(&self, state: &State) -> bool {
        let listed = !matches!(state.cells[1], Some((What::Moved, _)));
        let endless = self.weaker.is_some() && state.arrived > 3;
        let looks = listed && !endless && !self.is(Weaker::NoSweep);
        looks && !state.given_up && self.is_stuck(state)
    }

    fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        for reader in READERS {
            if state.readers[reader.index()].held != Held::Nothing {
                actions.push(Action::Finish(reader, false));
                if state.cells[reader.index()].is_none() {
                    actions.push(Action::Finish(reader, true));
                }
            } else if state.next(reader).is_some() {
                actions.push(Action::Take(reader));
            }
        }
        if state.sweeping.is_some() {
            actions.push(Action::Go);
        } else if self.sees_stuck(state) {
            actions.push(Action::Look);
        }
        let young = state.files.last().is_some_and(|said| !said.old);
        if young || state.cells.iter().flatten().any(|(_, old)| !old) {
            actions.push(Action::Age);
        }
    }

    fn troubles(&self, state: &State, actions: &mut Vec<Action>) {
        if state.losses > 0 && !state.files.is_empty() {
            actions.push(Action::Lose);
        }
        if state.crashes > 0 {
            let busy = |reader: &Reader| state.readers[reader.index()].held != Held::Nothing;
            let busy = READERS.into_iter().filter(busy);
            actions.extend(busy.map(Action::Crash));
            actions.extend(state.sweeping.map(|_| Action::Die));
        }
    }

    /// A reader is done with what it holds: the first time it says its outcome; a copy that comes
    /// soon after is not answered, one that was published long after asks for it again.
    fn finish(&self, state: &mut State, reader: Reader, gives_up: bool) {
        let index = reader.index();
        let at = match state.readers[index].held {
            Held::Next => state.next(reader),
            _ => None,
        };
        let late = at.is_some_and(|at| state.files[at].late) && !self.is(Weaker::NeverAgain);
        let stored = state.cells[index];
        let answer = if gives_up {
            What::Failed
        } else {
            reader.says()
        };
        let (what, _) = *state.cells[index].get_or_insert((answer, false));
        if stored.is_none() || late {
            state.say(what);
        }
        state.readers[index] = Position {
            done: at.map_or(state.readers[index].done, |at| at + 1),
            held: Held::Nothing,
        };
    }

    fn go(&self, state: &mut State, line: Line) -> Option<Line> {
        match line {
            Line::Count => {
                let counts = !self.is(Weaker::Uncounted) && !self.is(Weaker::Everything);
                if state.counted >= 2 && counts {
                    state.given_up = true;
                    return None;
                }
                state.counted = (state.counted + 1).min(2);
                Some(Line::Publish)
            }
            Line::Publish => {
                state.say(What::Arrived);
                self.is(Weaker::CountedLast).then_some(Line::CountLast)
            }
            Line::CountLast => {
                state.counted += 1;
                None
            }
        }
    }

    fn first_line(&self, state: &State) -> Line {
        if self.is(Weaker::CountedLast) && state.counted < 2 {
            Line::Publish
        } else {
            Line::Count
        }
    }

    fn is_quiet(&self, state: &State) -> bool {
        let mut left = vec![];
        self.steps(state, &mut left);
        left.is_empty()
    }
}

impl Model for Sweep {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let start = Position {
            done: 0,
            held: Held::Nothing,
        };
        let mut state = State {
            files: vec![],
            readers: [start; 2],
            cells: [None; 2],
            lost: false,
            counted: 0,
            given_up: false,
            sweeping: None,
            arrived: 0,
            losses: self.bounds.losses,
            crashes: self.bounds.crashes,
            wrong: [false; 2],
        };
        state.say(What::Arrived);
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.troubles(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Take(reader) => state.readers[reader.index()].held = Held::Next,
            Action::Finish(reader, gives_up) => self.finish(&mut state, reader, gives_up),
            Action::Crash(reader) => {
                state.crashes -= 1;
                state.readers[reader.index()].held = Held::Nothing;
            }
            Action::Age => {
                state.files.iter_mut().for_each(|said| said.old = true);
                let cells = state.cells.iter_mut().flatten();
                cells.for_each(|(_, old)| *old = true);
            }
            Action::Lose => {
                state.losses -= 1;
                state.lost = true;
                state.files.clear();
                for position in &mut state.readers {
                    position.done = 0;
                    if position.held == Held::Next {
                        position.held = Held::Lost;
                    }
                }
            }
            Action::Look => {
                state.wrong[0] |= before.waits();
                state.wrong[1] |= before.has_ended();
                state.sweeping = Some(self.first_line(before));
            }
            Action::Go => {
                let line = before.sweeping?;
                state.sweeping = self.go(&mut state, line);
            }
            Action::Die => {
                state.crashes -= 1;
                state.sweeping = None;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        let mut properties = vec![
            always(THREE_TIMES, |_, state| state.arrived <= 3),
            always(WAITING, |_, state| !state.wrong[0]),
            always(ENDED, |_, state| !state.wrong[1]),
            always(ENDS, |model, state| {
                !model.is_quiet(state) || state.has_come_to_an_end() || state.given_up
            }),
            sometimes(RESCUED, |_, state| {
                state.arrived > 1 && state.has_come_to_an_end()
            }),
        ];
        if self.bounds.losses == 1 && self.bounds.crashes == 0 {
            properties.push(always(MADE_UP, |_, state| !state.given_up));
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
        breaks(Sweep { bounds, weaker }, property);
    }

    #[test]
    fn what_the_stream_lost_is_said_again_and_nothing_else_is() {
        let (bounds, weaker) = (Bounds::SMALL, None);
        holds("sweep", Sweep { bounds, weaker }, 100);
    }

    #[test]
    fn however_much_is_lost_it_is_said_three_times_at_most() {
        let (bounds, weaker) = (Bounds::DEEP, None);
        holds("sweep, giving up", Sweep { bounds, weaker }, 1_000);
    }

    #[test]
    fn a_sweep_that_publishes_whatever_it_sees_does_so_without_end() {
        finds(Bounds::SMALL, Weaker::Everything, THREE_TIMES);
    }

    #[test]
    fn a_sweep_that_looks_at_the_age_alone_repeats_what_waits() {
        finds(Bounds::SMALL, Weaker::AgeAlone, WAITING);
    }

    #[test]
    fn a_sweep_that_looks_at_the_last_event_alone_repeats_what_waits_for_the_mover() {
        finds(Bounds::SMALL, Weaker::LastAlone, WAITING);
    }

    #[test]
    fn a_sweep_that_does_not_ask_for_the_end_repeats_what_has_failed() {
        finds(Bounds::SMALL, Weaker::EndedToo, ENDED);
    }

    #[test]
    fn a_sweep_that_does_not_count_repeats_without_end() {
        finds(Bounds::DEEP, Weaker::Uncounted, THREE_TIMES);
    }

    #[test]
    fn a_sweep_that_counts_last_forgets_to_when_it_dies() {
        finds(Bounds::DEEP, Weaker::CountedLast, THREE_TIMES);
    }

    #[test]
    fn a_step_that_says_its_outcome_once_cannot_make_up_for_a_loss() {
        finds(Bounds::SMALL, Weaker::NeverAgain, MADE_UP);
    }

    #[test]
    fn without_the_sweep_what_the_stream_lost_stays_lost() {
        finds(Bounds::SMALL, Weaker::NoSweep, ENDS);
    }
}
