//! The notifier: one mail, its row in the journal, its schedule (`notifier::row`, `notifier::wake`,
//! `notifier::hear`).
//!
//! Two workers are given `moved` and the wakes, which come early, late and twice. The mail server
//! puts the mail off, refuses it, takes it, or is cut off in the middle; a worker dies between any
//! two lines, or stands still until its claim is over. Time is the stream's, in a few ticks.

use stateright::{Model, Property};

/// The server takes one mail at most.
pub const ONE_MAIL: &str = "one mail at most is taken";
/// A body goes out under the sender's own claim.
pub const CLAIMED: &str = "no body goes out without a claim";
/// `accepted` and `refused` are what happened.
pub const TRUE: &str = "the outcome is what happened";
/// `unknown` only where a sender died, was cut off or stood still.
pub const NEEDLESS: &str = "nothing is unknown while its sender lives";
/// Once nobody has anything left to do, the mail has an outcome.
pub const ENDS: &str = "every mail ends";
/// A mail is put off and taken later: to be seen.
pub const RETRIED: &str = "a mail is taken at a later try";
/// A mail ends as unknown: to be seen.
pub const UNKNOWN: &str = "a mail ends as unknown";
/// A wake comes before its time: to be seen.
pub const EARLY: &str = "a wake is early";

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Workers that die.
    pub crashes: u8,
    /// Messages that are given to a second worker while the first has them.
    pub redeliveries: u8,
    /// How often the server puts the mail off.
    pub later: u8,
    /// Ticks for which a sender stands still.
    pub stalls: u8,
    /// Whether the connection may be cut while the body goes out.
    pub cuts: bool,
}

impl Bounds {
    /// A worker dies.
    pub const DYING: Self = Self {
        crashes: 1,
        redeliveries: 0,
        later: 1,
        stalls: 0,
        cuts: true,
    };
    /// Both workers are given one message.
    pub const DOUBLED: Self = Self {
        crashes: 0,
        redeliveries: 1,
        ..Self::DYING
    };
    /// A sender stands still.
    pub const STALLED: Self = Self {
        crashes: 0,
        later: 0,
        stalls: 2,
        ..Self::DYING
    };
    /// What `make test` explores.
    pub const ALL: [(&str, Self); 3] = [
        ("mail, dying", Self::DYING),
        ("mail, doubled", Self::DOUBLED),
        ("mail, stalled", Self::STALLED),
    ];
    /// What `make soak` explores.
    pub const DEEP: Self = Self {
        redeliveries: 1,
        ..Self::DYING
    };
}

/// A rule that is weaker than the code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaker {
    /// The claim is written whatever the row is by then.
    PlainClaim,
    /// The claim follows the body.
    BodyFirst,
    /// Whoever sees another's claim ends it as unknown.
    UnknownAtSight,
    /// A claim past its deadline is taken over, and the mail sent.
    TakeOver,
    /// After a cut in the body the mail is tried again.
    TryAfterCut,
    /// Schedules carry a message id: a second one is dropped as a duplicate.
    MessageId,
    /// A wake before its time is acknowledged, and nothing else.
    EarlyAcknowledged,
    /// Only who creates the row orders its wake.
    OrderedOnce,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Mail {
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that is not kept; none: as the code has them.
    pub weaker: Option<Weaker>,
}

/// What the mail server says before the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Send the body.
    GoOn,
    /// Not now.
    Later,
    /// Never.
    Never,
}

/// What becomes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The server took it, and says so.
    Accepted,
    /// It says: not now.
    Later,
    /// It says: never.
    Never,
    /// The connection is cut after the server took it.
    CutTaken,
    /// The connection is cut before it did.
    CutLost,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A worker is given a message; where true, while another has it.
    Deliver(usize, Input, bool),
    /// A worker does its next line.
    Go(usize),
    /// The mail server says this to a worker's offer.
    Answer(usize, Offer),
    /// A worker's body goes out, and this becomes of it.
    Send(usize, Fate),
    /// A worker dies.
    Crash(usize),
    /// The schedule's time has come.
    Fire,
    /// Time passes; where true, a sender stands still meanwhile.
    Tick(bool),
}

/// What a worker is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// The event that the mail is about.
    Moved,
    /// A wake, and when the stream stored it.
    Wake(u8),
}

/// After `moved`.
const DELAY: u8 = 1;
/// From one try to the next.
const RETRY: u8 = 2;
/// How long a claim holds.
const LIMIT: u8 = 2;

/// Everything that the model knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    now: u8,
    row: Option<Row>,
    /// When the one schedule of the mail is due.
    schedule: Option<u8>,
    /// Whether a schedule was ever ordered, where that matters.
    ordered: bool,
    /// What is not acknowledged.
    inputs: Vec<Input>,
    workers: [Option<Job>; 2],
    /// The outcome of the step.
    notified: Option<Outcome>,
    /// Mails that the server has taken.
    taken: u8,
    crashes: u8,
    redeliveries: u8,
    later: u8,
    stalls: u8,
    /// A sender died, was cut off, or stood still.
    in_doubt: bool,
    unclaimed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    phase: Phase,
    revision: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    Waiting { due: u8 },
    HandingOver { deadline: u8 },
    Ended(Outcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Outcome {
    Accepted,
    Refused,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Job {
    input: Input,
    line: Line,
}

/// A worker's next line, and the revision of the row that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Line {
    File,
    LookAtRow,
    Order(u8),
    Offer(u8),
    OrderDeadline(u8),
    Claim(u8, u8),
    /// The body is about to go out, under a claim until then.
    Body(u8, u8),
    /// Writes this in the place of what was read.
    Change(u8, Phase),
    Settle(Outcome),
    Acknowledge,
}

impl Mail {
    fn is(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        for (worker, job) in state.workers.iter().enumerate() {
            match job {
                None => {
                    let free = state.inputs.iter().filter(|input| state.is_free(**input));
                    actions.extend(free.map(|input| Action::Deliver(worker, *input, false)));
                }
                Some(Job {
                    line: Line::Offer(_),
                    ..
                }) => {
                    actions
                        .extend([Offer::GoOn, Offer::Never].map(|it| Action::Answer(worker, it)));
                }
                Some(Job {
                    line: Line::Body(_, until),
                    ..
                }) if state.now + LIMIT == *until => {
                    let fates = [Fate::Accepted, Fate::Never];
                    actions.extend(fates.map(|fate| Action::Send(worker, fate)));
                }
                Some(_) => actions.push(Action::Go(worker)),
            }
        }
        match state.schedule {
            Some(due) if due <= state.now => actions.push(Action::Fire),
            Some(_) if !self.is_watched(state) => actions.push(Action::Tick(false)),
            _ => {}
        }
    }

    fn troubles(&self, state: &State, actions: &mut Vec<Action>) {
        for (worker, job) in state.workers.iter().enumerate() {
            match job {
                None if state.redeliveries > 0 => {
                    let held = state.workers.iter().flatten().map(|it| it.input);
                    let held = held.filter(|input| state.inputs.contains(input));
                    actions.extend(held.map(|input| Action::Deliver(worker, input, true)));
                }
                None => {}
                Some(_) if state.crashes > 0 => actions.push(Action::Crash(worker)),
                Some(_) => {}
            }
            match job {
                Some(Job {
                    line: Line::Offer(_),
                    ..
                }) if state.later > 0 => {
                    actions.push(Action::Answer(worker, Offer::Later));
                }
                Some(Job {
                    line: Line::Body(_, until),
                    ..
                }) if state.now + LIMIT == *until => {
                    if state.later > 0 {
                        actions.push(Action::Send(worker, Fate::Later));
                    }
                    if self.bounds.cuts {
                        let cuts = [Fate::CutTaken, Fate::CutLost];
                        actions.extend(cuts.map(|fate| Action::Send(worker, fate)));
                    }
                }
                _ => {}
            }
        }
        let pending = state.schedule.is_some_and(|due| due > state.now);
        if pending && state.stalls > 0 && self.is_watched(state) {
            actions.push(Action::Tick(true));
        }
    }

    /// Whether time passes only where a worker stands still: between ordering the wake for a claim
    /// and the body's first byte, and up to the claim's deadline, which is later than any
    /// dialogue's end.
    fn is_watched(&self, state: &State) -> bool {
        let Some(row) = state.row else {
            return false;
        };
        let hurries = |job: &Job| match job.line {
            Line::Claim(read, _) => read == row.revision,
            Line::Body(read, until) => read == row.revision && state.now + LIMIT == until,
            _ => false,
        };
        state.is_near_a_deadline() || state.workers.iter().flatten().any(hurries)
    }

    /// A worker's next line; answers the one after it, if there is one.
    fn go(&self, state: &mut State, job: Job) -> Option<Line> {
        let Job { input, line } = job;
        Some(match line {
            Line::File => self.file(state),
            Line::LookAtRow => self.look(state, input),
            Line::Order(time) => {
                self.order(state, time);
                Line::Acknowledge
            }
            Line::OrderDeadline(revision) => {
                let deadline = state.now + LIMIT;
                self.order(state, deadline);
                Line::Claim(revision, deadline)
            }
            Line::Claim(revision, deadline) => {
                let claimed = Phase::HandingOver { deadline };
                match state.change(revision, claimed, self.is(Weaker::PlainClaim)) {
                    Some(revision) => Line::Body(revision, deadline),
                    None => Line::LookAtRow,
                }
            }
            // The claim took so long that the server may have hung up: it is undone.
            Line::Body(revision, _) => Line::Change(revision, Phase::Waiting { due: DELAY }),
            Line::Change(revision, phase) => {
                state.change(revision, phase, false);
                Line::LookAtRow
            }
            Line::Settle(outcome) => {
                state.notified.get_or_insert(outcome);
                Line::Acknowledge
            }
            Line::Acknowledge => {
                if let Some(at) = state.inputs.iter().position(|it| *it == input) {
                    state.inputs.remove(at);
                }
                return None;
            }
            Line::Offer(_) => line,
        })
    }

    /// Creates the row if it is absent, and orders the wake of the one that is stored.
    fn file(&self, state: &mut State) -> Line {
        let created = state.row.is_none();
        let fresh = Row {
            phase: Phase::Waiting { due: DELAY },
            revision: 1,
        };
        match state.row.get_or_insert(fresh).phase {
            _ if !created && self.is(Weaker::OrderedOnce) => Line::Acknowledge,
            Phase::Waiting { due: time } | Phase::HandingOver { deadline: time } => {
                Line::Order(time)
            }
            Phase::Ended(outcome) => Line::Settle(outcome),
        }
    }

    /// What a wake does about the row: `notifier::row::Row::next`.
    fn look(&self, state: &State, input: Input) -> Line {
        let (Some(Row { phase, revision }), Input::Wake(at)) = (state.row, input) else {
            return Line::Settle(Outcome::Unknown);
        };
        match phase {
            Phase::Waiting { due } if at < due => self.sleep(due),
            Phase::Waiting { .. } => Line::Offer(revision),
            Phase::HandingOver { .. } if self.is(Weaker::UnknownAtSight) => {
                Line::Change(revision, Phase::Ended(Outcome::Unknown))
            }
            Phase::HandingOver { deadline } if at < deadline => self.sleep(deadline),
            Phase::HandingOver { .. } if self.is(Weaker::TakeOver) => Line::Offer(revision),
            Phase::HandingOver { .. } => Line::Change(revision, Phase::Ended(Outcome::Unknown)),
            Phase::Ended(outcome) => Line::Settle(outcome),
        }
    }

    fn sleep(&self, until: u8) -> Line {
        if self.is(Weaker::EarlyAcknowledged) {
            Line::Acknowledge
        } else {
            Line::Order(until)
        }
    }

    /// One schedule a mail: the last one ordered counts.
    fn order(&self, state: &mut State, time: u8) {
        let dropped = state.ordered && self.is(Weaker::MessageId);
        if !dropped {
            state.schedule = Some(time);
            state.ordered = self.is(Weaker::MessageId);
        }
    }

    fn answer(&self, state: &mut State, revision: u8, offer: Offer) -> Line {
        match offer {
            Offer::GoOn if self.is(Weaker::BodyFirst) => Line::Body(revision, state.now + LIMIT),
            Offer::GoOn => Line::OrderDeadline(revision),
            Offer::Later => Line::Change(revision, state.not_now()),
            Offer::Never => Line::Change(revision, Phase::Ended(Outcome::Refused)),
        }
    }

    fn send(&self, state: &mut State, revision: u8, fate: Fate) -> Line {
        let ours =
            |row: Row| row.revision == revision && matches!(row.phase, Phase::HandingOver { .. });
        state.unclaimed |= !state.row.is_some_and(ours);
        state.taken += u8::from(matches!(fate, Fate::Accepted | Fate::CutTaken));
        let phase = match fate {
            Fate::Accepted => Phase::Ended(Outcome::Accepted),
            Fate::Never => Phase::Ended(Outcome::Refused),
            Fate::Later => state.not_now(),
            Fate::CutTaken | Fate::CutLost if self.is(Weaker::TryAfterCut) => Phase::Waiting {
                due: state.now + RETRY,
            },
            Fate::CutTaken | Fate::CutLost => {
                state.in_doubt = true;
                Phase::Ended(Outcome::Unknown)
            }
        };
        Line::Change(revision, phase)
    }

    fn is_quiet(&self, state: &State) -> bool {
        let mut left = vec![];
        self.steps(state, &mut left);
        left.is_empty()
    }
}

impl State {
    /// Whether there are more messages like this than workers who have one.
    fn is_free(&self, input: Input) -> bool {
        let inputs = self.inputs.iter().filter(|it| **it == input).count();
        let jobs = self.workers.iter().flatten();
        jobs.filter(|job| job.input == input).count() < inputs
    }

    /// Compare-and-set of the row; answers its new revision.
    fn change(&mut self, read: u8, phase: Phase, plainly: bool) -> Option<u8> {
        let row = self.row.as_mut()?;
        if row.revision != read && !plainly {
            return None;
        }
        row.phase = phase;
        row.revision += 1;
        Some(row.revision)
    }

    fn not_now(&mut self) -> Phase {
        self.later -= 1;
        Phase::Waiting {
            due: self.now + RETRY,
        }
    }

    /// Whether a worker has claimed the mail and has not written what became of it.
    fn is_claimed_by(&self, worker: usize) -> bool {
        let (Some(job), Some(row)) = (self.workers[worker], self.row) else {
            return false;
        };
        let read = match job.line {
            Line::Body(read, _) | Line::Change(read, _) => Some(read),
            _ => None,
        };
        matches!(row.phase, Phase::HandingOver { .. }) && read == Some(row.revision)
    }

    /// Whether the claim of a living sender, or the one that a worker is about to write, is over
    /// with the next tick.
    fn is_near_a_deadline(&self) -> bool {
        let Some(row) = self.row else {
            return false;
        };
        let claimed = (0..self.workers.len()).any(|worker| self.is_claimed_by(worker));
        let claiming = self.workers.iter().flatten().any(|job| match job.line {
            Line::Claim(read, deadline) => read == row.revision && self.now + 1 >= deadline,
            _ => false,
        });
        match row.phase {
            Phase::HandingOver { deadline } => claimed && self.now + 1 >= deadline,
            _ => claiming,
        }
    }
}

impl Model for Mail {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            row: None,
            schedule: None,
            ordered: false,
            inputs: vec![Input::Moved],
            workers: [None; 2],
            notified: None,
            taken: 0,
            crashes: self.bounds.crashes,
            redeliveries: self.bounds.redeliveries,
            later: self.bounds.later,
            stalls: self.bounds.stalls,
            in_doubt: false,
            unclaimed: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.troubles(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let revision = |worker: usize| match before.workers[worker]?.line {
            Line::Offer(revision) | Line::Body(revision, _) => Some(revision),
            _ => None,
        };
        match action {
            Action::Deliver(worker, input, again) => {
                state.redeliveries -= u8::from(again);
                // The cell is looked at first.
                let line = match (before.notified, input) {
                    (Some(_), _) => Line::Acknowledge,
                    (None, Input::Moved) => Line::File,
                    (None, Input::Wake(_)) => Line::LookAtRow,
                };
                state.workers[worker] = Some(Job { input, line });
            }
            Action::Go(worker) => {
                let job = before.workers[worker]?;
                let next = self.go(&mut state, job);
                state.workers[worker] = next.map(|line| Job { line, ..job });
            }
            Action::Answer(worker, offer) => {
                let line = self.answer(&mut state, revision(worker)?, offer);
                state.workers[worker] = before.workers[worker].map(|job| Job { line, ..job });
            }
            Action::Send(worker, fate) => {
                let line = self.send(&mut state, revision(worker)?, fate);
                state.workers[worker] = before.workers[worker].map(|job| Job { line, ..job });
            }
            Action::Crash(worker) => {
                state.crashes -= 1;
                state.in_doubt |= before.is_claimed_by(worker);
                state.workers[worker] = None;
            }
            Action::Fire => {
                state.schedule = None;
                state.inputs.push(Input::Wake(before.now));
                state.inputs.sort();
            }
            Action::Tick(stalled) => {
                state.stalls -= u8::from(stalled);
                state.in_doubt |= before.is_near_a_deadline();
                state.now += 1;
            }
        }
        // Workers are alike.
        state.workers.sort();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        let mut properties = vec![
            always(ONE_MAIL, |_, state| state.taken <= 1),
            always(CLAIMED, |_, state| !state.unclaimed),
            always(TRUE, |_, state| match state.notified {
                Some(Outcome::Accepted) => state.taken == 1,
                Some(Outcome::Refused) => state.taken == 0,
                Some(Outcome::Unknown) | None => true,
            }),
            always(NEEDLESS, |_, state| {
                state.notified != Some(Outcome::Unknown) || state.in_doubt
            }),
            always(ENDS, |model, state| {
                !model.is_quiet(state) || state.notified.is_some()
            }),
            sometimes(UNKNOWN, |_, state| state.notified == Some(Outcome::Unknown)),
            sometimes(EARLY, |_, state| {
                let early =
                    |job: &Job| matches!((job.input, job.line), (Input::Wake(_), Line::Order(_)));
                state.workers.iter().flatten().any(early)
            }),
        ];
        if self.bounds.later > 0 {
            properties.push(sometimes(RETRIED, |model, state| {
                let put_off = state.later < model.bounds.later;
                put_off && state.notified == Some(Outcome::Accepted)
            }));
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
        breaks(Mail { bounds, weaker }, property);
    }

    #[test]
    fn one_mail_is_sent_or_shown_as_unknown_and_every_mail_ends() {
        for (name, bounds) in Bounds::ALL {
            let weaker = None;
            holds(name, Mail { bounds, weaker }, 10_000);
        }
    }

    #[test]
    fn a_claim_written_plainly_sends_two_mails() {
        finds(Bounds::DOUBLED, Weaker::PlainClaim, ONE_MAIL);
    }

    #[test]
    fn a_body_before_its_claim_goes_out_twice() {
        finds(Bounds::DOUBLED, Weaker::BodyFirst, ONE_MAIL);
    }

    #[test]
    fn a_body_before_its_claim_has_none() {
        finds(Bounds::DOUBLED, Weaker::BodyFirst, CLAIMED);
    }

    #[test]
    fn anothers_claim_ended_at_sight_is_unknown_for_nothing() {
        finds(Bounds::DOUBLED, Weaker::UnknownAtSight, NEEDLESS);
    }

    #[test]
    fn a_claim_taken_over_sends_two_mails() {
        finds(Bounds::DYING, Weaker::TakeOver, ONE_MAIL);
    }

    #[test]
    fn a_mail_tried_again_after_a_cut_is_taken_twice() {
        finds(Bounds::DYING, Weaker::TryAfterCut, ONE_MAIL);
    }

    #[test]
    fn a_schedule_with_a_message_id_is_dropped_and_the_mail_stays() {
        finds(Bounds::DYING, Weaker::MessageId, ENDS);
    }

    #[test]
    fn an_early_wake_that_is_acknowledged_is_the_last() {
        finds(Bounds::DYING, Weaker::EarlyAcknowledged, ENDS);
    }

    #[test]
    fn a_wake_ordered_only_with_the_row_is_lost_with_its_creator() {
        finds(Bounds::DYING, Weaker::OrderedOnce, ENDS);
    }
}
