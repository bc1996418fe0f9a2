//! The whole way: the four services, coarsely, and the whole promise.
//!
//! One key is uploaded to and deleted, notifications are lost, each service dies at any line and is
//! given its messages again, also long after it was done with them. What the other models look at
//! closely (two replicas at one cell, requests of a move, the dialogue with the mail server) is a
//! line or two here.

use stateright::{Model, Property};

/// Once nobody has anything left to do, every journalled version has ended.
pub const ENDS: &str = "every journalled version ends";
/// A version has one end: notified, superseded or failed.
pub const ONE_END: &str = "no version has two ends";
/// No two different outcomes of one step were published.
pub const ONE_OUTCOME: &str = "one outcome a step";
/// The database holds the rows of the last upload that was ingested, and an outcome says of its
/// file's rows what is true.
pub const ROWS: &str = "the database holds what the outcomes say";
/// A version that the mover removed is in the archive.
pub const KEPT: &str = "no version's last copy is removed";
/// A file's mail goes out once at most, and its outcome does not belie it.
pub const ONE_MAIL: &str = "one mail, or unknown";
/// Once nobody has anything left to do, the version that is there is in the journal.
pub const KNOWN: &str = "what lies there is known";
/// Two versions are moved and told of: to be seen.
pub const BOTH: &str = "both versions are notified";

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Uploads of the key, 1 or 2.
    pub uploads: usize,
    /// Replicas of ingest, 1 or 2.
    pub ingests: usize,
    /// Deletions of the object.
    pub deletions: u8,
    /// Notifications that never come.
    pub lost: u8,
    /// Services that die.
    pub crashes: u8,
    /// Messages that come again after they were acknowledged.
    pub repeats: u8,
    /// Deliveries of a message.
    pub deliveries: u8,
}

impl Bounds {
    /// One version, and everything that may happen to it.
    pub const ONE: Self = Self {
        uploads: 1,
        ingests: 1,
        deletions: 1,
        lost: 1,
        crashes: 1,
        repeats: 1,
        deliveries: 2,
    };
    /// Two versions.
    pub const TWO: Self = Self {
        uploads: 2,
        ingests: 1,
        deletions: 0,
        lost: 1,
        crashes: 0,
        repeats: 0,
        deliveries: 2,
    };
    /// Two versions, and two replicas of ingest that read them at once.
    pub const RACING: Self = Self {
        ingests: 2,
        lost: 0,
        ..Self::TWO
    };
    /// Two versions, and a service that dies.
    pub const DYING: Self = Self {
        crashes: 1,
        lost: 0,
        ..Self::TWO
    };
    /// What `make soak` explores.
    pub const DEEP: [(&str, Self); 3] = [
        (
            "way, one version",
            Self {
                crashes: 2,
                ..Self::ONE
            },
        ),
        ("way, racing", Self::RACING),
        ("way, dying", Self::DYING),
    ];
}

/// A rule that is weaker than the code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaker {
    /// Outcomes without a mark are left to redeliveries.
    NoMark,
    /// Nobody lists.
    NoListing,
    /// A message is acknowledged when it is taken.
    AcknowledgeFirst,
    /// The advisory publishes `failed` itself, beside the cell.
    FailedFromAdvisory,
    /// Ingest decides anew with each delivery.
    DecideAnew,
    /// The row that was written last stays.
    WallClock,
    /// The mover deletes, then copies what it has read.
    DeleteFirst,
    /// A claim that was left is taken over.
    TakeOver,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that is not kept; none: as the code has them.
    pub weaker: Option<Weaker>,
}

/// Who does a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Hears notifications, and lists.
    Watcher,
    /// Hears `arrived`.
    Ingest,
    /// Hears `ingested` and `rejected`.
    Mover,
    /// Hears `moved` and `failed`, and wakes.
    Notifier,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next version is uploaded; where true, its notification is lost.
    Upload(bool),
    /// The object is deleted.
    Delete,
    /// The watcher takes a version's notification.
    Hear(usize),
    /// The watcher lists, and finds what it does not know.
    List,
    /// A process takes its service's message about a version.
    Deliver(usize, usize),
    /// The deliveries of a service's message have run out, and its advisory is dealt with.
    Advise(Service, usize),
    /// The notifier takes the wake for a version's mail.
    Wake(usize),
    /// A process does its next line.
    Go(usize),
    /// The first pass of a process of ingest's refuses the file.
    Refuse(usize),
    /// The body goes out, and the connection is cut.
    Cut,
    /// A process dies.
    Crash(usize),
    /// A service publishes its outcome that has no mark.
    Sweep(Service, usize),
    /// A service's message comes again, long after it was acknowledged.
    Repeat(Service, usize),
}

const SERVICES: [Service; 4] = [
    Service::Watcher,
    Service::Ingest,
    Service::Mover,
    Service::Notifier,
];

/// The processes, by their service: one each, and a second one of ingest's.
const PROCESSES: [Service; 5] = [
    Service::Watcher,
    Service::Ingest,
    Service::Mover,
    Service::Notifier,
    Service::Ingest,
];

/// Everything that the model knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The version that is there.
    source: Option<usize>,
    uploaded: usize,
    /// The upload whose row the database holds.
    database: Option<usize>,
    /// What each process does.
    jobs: [Option<Job>; 5],
    versions: [Version; 2],
    deletions: u8,
    lost: u8,
    crashes: u8,
    repeats: u8,
}

/// What is known of a version, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Version {
    notification: bool,
    /// The messages about it, to the services that hear events.
    inputs: [Input; 4],
    cells: [Option<Cell>; 4],
    /// What each service has published: one, and another.
    said: [(Option<Outcome>, bool); 4],
    decision: Option<Decision>,
    written: bool,
    archived: bool,
    /// The mover has deleted it.
    removed: bool,
    mail: Mail,
    wake: bool,
    sent: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Input {
    Absent,
    Open(u8),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cell {
    outcome: Outcome,
    marked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Arrived,
    Ingested,
    Rejected,
    /// Whether there may be rows.
    Superseded(bool),
    Moved,
    /// Whether it is known that the mail went out.
    Notified(bool),
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Decision {
    Ingest,
    Reject,
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mail {
    Absent,
    Waiting,
    HandingOver,
    /// Whether it is known that it went out.
    Ended(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Job {
    version: usize,
    line: Line,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Line {
    Look,
    Read,
    Decide(Decision),
    /// The rows: those that are held from the first pass, or what a second one reads.
    Write(bool),
    Copy,
    Delete,
    /// Writes the mail's row and orders its wake.
    File,
    LookAtMail,
    Send,
    EndMail(bool),
    AcknowledgeWake,
    Settle(Outcome),
    /// And marks it.
    Publish,
    Acknowledge,
}

impl Service {
    fn index(self) -> usize {
        match self {
            Self::Watcher => 0,
            Self::Ingest => 1,
            Self::Mover => 2,
            Self::Notifier => 3,
        }
    }
}

impl Way {
    fn is(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        for process in 0..self.processes() {
            match state.jobs[process] {
                Some(job) => {
                    actions.push(Action::Go(process));
                    actions.extend((job.line == Line::Read).then_some(Action::Refuse(process)));
                }
                None => self.begins(state, process, actions),
            }
        }
        for (version, it) in state.versions.iter().enumerate() {
            for service in SERVICES {
                if it.inputs[service.index()] == Input::Open(self.bounds.deliveries) {
                    actions.push(Action::Advise(service, version));
                }
                let unmarked = it.cells[service.index()].is_some_and(|cell| !cell.marked);
                // What a process has just settled it is about to publish: the sweep leaves it to it.
                let in_hand = |job: &Option<Job>, of: &Service| {
                    *of == service && job.is_some_and(|job| job.version == version)
                };
                let mut jobs = state.jobs.iter().zip(&PROCESSES);
                let in_hand = jobs.any(|(job, of)| in_hand(job, of));
                if unmarked && !in_hand && !self.is(Weaker::NoMark) {
                    actions.push(Action::Sweep(service, version));
                }
            }
        }
    }

    fn processes(&self) -> usize {
        3 + self.bounds.ingests
    }

    /// What an idle process can begin.
    fn begins(&self, state: &State, process: usize, actions: &mut Vec<Action>) {
        let service = PROCESSES[process];
        let versions = state.versions.iter().enumerate();
        if service == Service::Watcher {
            let heard = versions.filter(|(_, it)| it.notification);
            actions.extend(heard.map(|(version, _)| Action::Hear(version)));
            let unknown = |version: usize| state.versions[version].cells[0].is_none();
            if state.source.is_some_and(unknown) && !self.is(Weaker::NoListing) {
                actions.push(Action::List);
            }
            return;
        }
        for (version, it) in versions {
            match it.inputs[service.index()] {
                Input::Open(times) if times < self.bounds.deliveries => {
                    actions.push(Action::Deliver(process, version));
                }
                _ => {}
            }
            if service == Service::Notifier && it.wake {
                actions.push(Action::Wake(version));
            }
        }
    }

    fn troubles(&self, state: &State, actions: &mut Vec<Action>) {
        if state.uploaded < self.bounds.uploads {
            actions.push(Action::Upload(false));
            actions.extend((state.lost > 0).then_some(Action::Upload(true)));
        }
        if state.deletions > 0 && state.source.is_some() {
            actions.push(Action::Delete);
        }
        for (process, job) in state.jobs.iter().enumerate() {
            if state.crashes > 0 && job.is_some() {
                actions.push(Action::Crash(process));
            }
            if job.is_some_and(|job| job.line == Line::Send) {
                actions.push(Action::Cut);
            }
        }
        for (version, it) in state.versions.iter().enumerate() {
            for service in SERVICES {
                if state.repeats > 0 && it.inputs[service.index()] == Input::Done {
                    actions.push(Action::Repeat(service, version));
                }
            }
        }
    }

    /// A process's next line; answers the one after it, if there is one.
    fn go(&self, state: &mut State, service: Service, job: Job) -> Option<Line> {
        let Job { version, line } = job;
        let source = state.source;
        let there = source == Some(version);
        let it = &mut state.versions[version];
        let cell = &mut it.cells[service.index()];
        Some(match line {
            Line::Look => match (*cell, service) {
                (Some(cell), _) if cell.marked => Line::Acknowledge,
                (Some(_), _) => Line::Publish,
                (None, Service::Watcher) => Line::Settle(Outcome::Arrived),
                (None, Service::Ingest) => match it.decision {
                    Some(decision) if !self.is(Weaker::DecideAnew) => obey(decision, false),
                    _ => Line::Read,
                },
                (None, Service::Mover) if self.is(Weaker::DeleteFirst) => Line::Delete,
                (None, Service::Mover) => Line::Copy,
                (None, Service::Notifier) => Line::File,
            },
            Line::Read if there => Line::Decide(Decision::Ingest),
            Line::Read => Line::Decide(Decision::Superseded),
            Line::Decide(wanted) if self.is(Weaker::DecideAnew) => obey(wanted, true),
            Line::Decide(wanted) => {
                let decision = *it.decision.get_or_insert(wanted);
                obey(decision, decision == wanted)
            }
            // What is not held is read a second time: it may have vanished by now.
            Line::Write(false) if !there => Line::Settle(Outcome::Superseded(true)),
            Line::Write(_) => {
                it.written = true;
                let latest = state.database.max(Some(version));
                let wall_clock = self.is(Weaker::WallClock);
                state.database = if wall_clock { Some(version) } else { latest };
                Line::Settle(Outcome::Ingested)
            }
            Line::Copy => {
                let copies = there || (it.removed && self.is(Weaker::DeleteFirst));
                it.archived |= copies;
                if self.is(Weaker::DeleteFirst) || !there {
                    Line::Settle(Outcome::Moved)
                } else {
                    Line::Delete
                }
            }
            Line::Delete => {
                if there {
                    it.removed = true;
                    state.source = None;
                }
                if self.is(Weaker::DeleteFirst) {
                    Line::Copy
                } else {
                    Line::Settle(Outcome::Moved)
                }
            }
            Line::File => {
                if it.mail == Mail::Absent {
                    it.mail = Mail::Waiting;
                }
                match it.mail {
                    Mail::Ended(known) => told(it, known).unwrap_or(Line::Acknowledge),
                    _ => {
                        it.wake = true;
                        Line::Acknowledge
                    }
                }
            }
            Line::LookAtMail => match it.mail {
                Mail::Ended(known) => told(it, known).unwrap_or(Line::AcknowledgeWake),
                // Whoever had claimed it is dead: there is one notifier here.
                Mail::HandingOver if !self.is(Weaker::TakeOver) => Line::EndMail(false),
                _ => {
                    it.mail = Mail::HandingOver;
                    Line::Send
                }
            },
            Line::Send => {
                it.sent += 1;
                Line::EndMail(true)
            }
            Line::EndMail(known) => {
                it.mail = Mail::Ended(known);
                told(it, known).unwrap_or(Line::AcknowledgeWake)
            }
            Line::AcknowledgeWake => {
                it.wake = false;
                return None;
            }
            Line::Settle(outcome) => {
                cell.get_or_insert(Cell {
                    outcome,
                    marked: false,
                });
                Line::Publish
            }
            Line::Publish => {
                if let Some(cell) = *cell {
                    it.say(service, cell.outcome);
                    it.cells[service.index()] = Some(Cell {
                        marked: true,
                        ..cell
                    });
                }
                Line::Acknowledge
            }
            Line::Acknowledge => {
                it.acknowledge(service);
                return None;
            }
        })
    }

    fn advise(&self, it: &mut Version, service: Service) {
        it.inputs[service.index()] = Input::Done;
        if self.is(Weaker::FailedFromAdvisory) {
            it.say(service, Outcome::Failed);
            return;
        }
        // Without a mark, it is published by the sweep.
        it.cells[service.index()].get_or_insert(Cell {
            outcome: Outcome::Failed,
            marked: false,
        });
    }

    fn is_quiet(&self, state: &State) -> bool {
        let mut left = vec![];
        self.steps(state, &mut left);
        left.is_empty()
    }
}

fn obey(decision: Decision, held: bool) -> Line {
    match decision {
        Decision::Ingest => Line::Write(held),
        Decision::Reject => Line::Settle(Outcome::Rejected),
        Decision::Superseded => Line::Settle(Outcome::Superseded(false)),
    }
}

/// What is said of a mail that has ended: nothing where it is about `failed`.
fn told(it: &Version, known: bool) -> Option<Line> {
    let moved = it.said[Service::Mover.index()].0 == Some(Outcome::Moved);
    moved.then_some(Line::Settle(Outcome::Notified(known)))
}

impl Version {
    fn say(&mut self, service: Service, outcome: Outcome) {
        let (said, other) = &mut self.said[service.index()];
        *other |= said.is_some_and(|said| said != outcome);
        said.get_or_insert(outcome);
        let hears = match outcome {
            Outcome::Arrived => Service::Ingest,
            Outcome::Ingested | Outcome::Rejected => Service::Mover,
            // What is the notifier's own is shown, and not mailed.
            Outcome::Failed if service == Service::Notifier => return,
            Outcome::Moved | Outcome::Failed => Service::Notifier,
            Outcome::Superseded(_) | Outcome::Notified(_) => return,
        };
        self.inputs[hears.index()] = Input::Open(0);
    }

    fn acknowledge(&mut self, service: Service) {
        match service {
            Service::Watcher => self.notification = false,
            // A wake that has led to the outcome goes with it.
            Service::Notifier if self.cells[service.index()].is_some() => {
                self.wake = false;
                self.inputs[service.index()] = Input::Done;
            }
            _ => self.inputs[service.index()] = Input::Done,
        }
    }

    /// In how many ways it has ended, as the cells say. A mail about `failed` that fails as well
    /// is no other end.
    fn ends(&self) -> usize {
        let outcomes = || self.cells.iter().flatten().map(|cell| cell.outcome);
        let failed = outcomes().any(|it| it == Outcome::Failed);
        let superseded = outcomes().any(|it| matches!(it, Outcome::Superseded(_)));
        let notified = outcomes().any(|it| matches!(it, Outcome::Notified(_)));
        [failed, superseded, notified]
            .into_iter()
            .filter(|it| *it)
            .count()
    }

    fn has_true_rows(&self) -> bool {
        match self.cells[Service::Ingest.index()].map(|cell| cell.outcome) {
            Some(Outcome::Ingested) => self.written,
            Some(Outcome::Rejected | Outcome::Superseded(false)) => !self.written,
            _ => true,
        }
    }

    fn has_true_mail(&self) -> bool {
        let outcome = self.cells[Service::Notifier.index()].map(|cell| cell.outcome);
        self.sent <= 1 && (outcome != Some(Outcome::Notified(true)) || self.sent == 1)
    }
}

const NEW: Version = Version {
    notification: false,
    inputs: [Input::Absent; 4],
    cells: [None; 4],
    said: [(None, false); 4],
    decision: None,
    written: false,
    archived: false,
    removed: false,
    mail: Mail::Absent,
    wake: false,
    sent: 0,
};

impl Model for Way {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            source: None,
            uploaded: 0,
            database: None,
            jobs: [None; 5],
            versions: [NEW; 2],
            deletions: self.bounds.deletions,
            lost: self.bounds.lost,
            crashes: self.bounds.crashes,
            repeats: self.bounds.repeats,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.troubles(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let begin = |version, line| Some(Job { version, line });
        match action {
            Action::Upload(lost) => {
                let version = before.uploaded;
                state.uploaded += 1;
                state.source = Some(version);
                state.versions[version].notification = !lost;
                state.lost -= u8::from(lost);
            }
            Action::Delete => {
                state.deletions -= 1;
                state.source = None;
            }
            Action::Hear(version) => match before.source {
                // An event of the past.
                None => state.versions[version].notification = false,
                Some(found) => {
                    // What is there is handled in the place of what was announced.
                    if found != version {
                        state.versions[version].notification = false;
                        state.versions[found].notification = true;
                    }
                    state.jobs[0] = begin(found, Line::Look);
                }
            },
            Action::List => state.jobs[0] = begin(before.source?, Line::Look),
            Action::Deliver(process, version) => {
                let service = PROCESSES[process].index();
                let input = &mut state.versions[version].inputs[service];
                *input = match *input {
                    Input::Open(_) if self.is(Weaker::AcknowledgeFirst) => Input::Done,
                    Input::Open(times) => Input::Open(times + 1),
                    other => other,
                };
                state.jobs[process] = begin(version, Line::Look);
            }
            Action::Advise(service, version) => self.advise(&mut state.versions[version], service),
            Action::Wake(version) => {
                let settled = before.versions[version].cells[3].is_some();
                let line = if settled {
                    Line::Look
                } else {
                    Line::LookAtMail
                };
                state.jobs[3] = begin(version, line);
            }
            Action::Go(process) => {
                let job = before.jobs[process]?;
                let next = self.go(&mut state, PROCESSES[process], job);
                state.jobs[process] = next.map(|line| Job { line, ..job });
            }
            Action::Refuse(process) => {
                let job = before.jobs[process]?;
                if before.source != Some(job.version) {
                    return None;
                }
                state.jobs[process] = begin(job.version, Line::Decide(Decision::Reject));
            }
            Action::Cut => {
                let version = before.jobs[3]?.version;
                state.versions[version].sent += 1;
                state.jobs[3] = begin(version, Line::EndMail(false));
            }
            Action::Crash(process) => {
                state.crashes -= 1;
                state.jobs[process] = None;
            }
            Action::Sweep(service, version) => {
                let it = &mut state.versions[version];
                let cell = it.cells[service.index()].as_mut()?;
                cell.marked = true;
                let outcome = cell.outcome;
                it.say(service, outcome);
            }
            Action::Repeat(service, version) => {
                state.repeats -= 1;
                state.versions[version].inputs[service.index()] = Input::Open(0);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        let mut properties = vec![
            always(ENDS, |model, state| {
                let mut journalled = state.versions.iter().filter(|it| it.cells[0].is_some());
                !model.is_quiet(state) || journalled.all(|it| it.ends() == 1)
            }),
            always(ONE_END, |_, state| {
                state.versions.iter().all(|it| it.ends() <= 1)
            }),
            always(ONE_OUTCOME, |_, state| {
                let mut said = state.versions.iter().flat_map(|it| it.said);
                said.all(|(_, other)| !other)
            }),
            always(ROWS, |_, state| {
                let last = state.versions.iter().rposition(|it| it.written);
                state.database == last && state.versions.iter().all(Version::has_true_rows)
            }),
            always(KEPT, |model, state| {
                let dangling = |service: &Option<Job>| {
                    service.is_some_and(|job| job.line == Line::Copy) && !model.is_quiet(state)
                };
                let kept = |it: &Version| !it.removed || it.archived;
                dangling(&state.jobs[2]) || state.versions.iter().all(kept)
            }),
            always(ONE_MAIL, |_, state| {
                state.versions.iter().all(Version::has_true_mail)
            }),
            always(KNOWN, |model, state| {
                let known = |version: usize| state.versions[version].cells[0].is_some();
                !model.is_quiet(state) || state.source.is_none_or(known)
            }),
        ];
        if self.bounds.uploads > 1 {
            properties.push(sometimes(BOTH, |_, state| {
                let notified = |it: &Version| {
                    it.cells[3].is_some_and(|cell| cell.outcome == Outcome::Notified(true))
                };
                state.versions.iter().all(notified)
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
        breaks(Way { bounds, weaker }, property);
    }

    #[test]
    fn a_version_ends_once_whatever_happens_to_it() {
        let (bounds, weaker) = (Bounds::ONE, None);
        holds("way, one version", Way { bounds, weaker }, 10_000);
    }

    #[test]
    fn two_versions_of_a_key_end_once_each_and_the_later_wins() {
        let (bounds, weaker) = (Bounds::TWO, None);
        holds("way, two versions", Way { bounds, weaker }, 10_000);
    }

    #[test]
    fn without_marks_a_journalled_version_never_ends() {
        finds(Bounds::DYING, Weaker::NoMark, ENDS);
    }

    #[test]
    fn without_listings_a_version_stays_unknown() {
        finds(Bounds::ONE, Weaker::NoListing, KNOWN);
    }

    #[test]
    fn a_message_acknowledged_first_leaves_its_file_on_the_way() {
        finds(Bounds::ONE, Weaker::AcknowledgeFirst, ENDS);
    }

    #[test]
    fn failed_straight_from_an_advisory_is_a_second_outcome() {
        finds(Bounds::ONE, Weaker::FailedFromAdvisory, ONE_OUTCOME);
    }

    #[test]
    fn deciding_anew_says_that_there_are_no_rows_where_there_are() {
        finds(Bounds::ONE, Weaker::DecideAnew, ROWS);
    }

    #[test]
    fn rows_by_the_wall_clock_let_an_earlier_upload_win() {
        finds(Bounds::RACING, Weaker::WallClock, ROWS);
    }

    #[test]
    fn a_delete_before_the_copy_loses_the_version_with_the_mover() {
        finds(Bounds::ONE, Weaker::DeleteFirst, KEPT);
    }

    #[test]
    fn a_claim_taken_over_sends_two_mails() {
        finds(Bounds::ONE, Weaker::TakeOver, ONE_MAIL);
    }
}
