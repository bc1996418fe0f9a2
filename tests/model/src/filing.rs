//! The mover: claim, copy, verify, look again, delete (`mover::progress`, `mover::filing`).
//!
//! Two movers have the message of one file, a third has that of the next upload of the same key.
//! Requests are atomic, but a copy reads at one moment and writes at a later one. Meanwhile the key
//! is uploaded to and deleted, strangers put their objects where files go, retention frees names
//! again, and a mover dies.

use stateright::{Model, Property};

/// Whatever a mover deletes or overwrites is still somewhere.
pub const KEPT: &str = "no version's last copy is removed";
/// What a mover deletes at the source is the version that it has copied.
pub const OWN: &str = "only the version that was copied is deleted";
/// A copy holds the bytes of the file whose label it has.
pub const TRUE_BYTES: &str = "no copy has another file's bytes";
/// What is not Landfall's is let alone.
pub const STRANGERS: &str = "no stranger's object is overwritten";
/// Once nobody has anything left to do, each file has an outcome, and it is true.
pub const FILED: &str = "every file is filed once, where its outcome says";
/// A file goes to its tagged name: to be seen.
pub const TAGGED: &str = "a file is filed under its tagged name";
/// A mover removes its copy, as another's outcome counts: to be seen.
pub const TIDIED: &str = "a copy that came too late is removed";

/// What the store honours, and how much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Whether the bucket keeps versions: then copies and deletes name theirs.
    pub versioned: bool,
    /// Whether the store honours `If-None-Match` on copies.
    pub if_absent: bool,
    /// Whether the file's own bytes may be uploaded again.
    pub identical: bool,
    /// Whether anything may happen between a mover's last look at the source and its delete.
    pub gap: bool,
    /// Uploads, deletes, and what strangers do.
    pub outside: u8,
    /// Strangers' objects among those.
    pub strangers: bool,
    /// Copies that retention removes.
    pub retentions: u8,
    /// Movers that die.
    pub crashes: u8,
    /// Copies that arrive with other bytes.
    pub damages: u8,
}

impl Bounds {
    /// An honest store without versions.
    pub const SMALL: Self = Self {
        versioned: false,
        if_absent: true,
        identical: false,
        gap: true,
        outside: 2,
        strangers: true,
        retentions: 0,
        crashes: 1,
        damages: 0,
    };
    /// A store that ignores `If-None-Match`; strangers are on their own there.
    pub const NOT_IF_ABSENT: Self = Self {
        if_absent: false,
        strangers: false,
        ..Self::SMALL
    };
    /// A bucket with versions, and the same bytes again and again.
    pub const VERSIONED: Self = Self {
        versioned: true,
        identical: true,
        strangers: false,
        ..Self::SMALL
    };
    /// Retention takes filed copies away.
    pub const RETENTION: Self = Self {
        outside: 1,
        strangers: false,
        retentions: 1,
        ..Self::SMALL
    };
    /// Copies arrive damaged.
    pub const DAMAGED: Self = Self {
        outside: 1,
        strangers: false,
        damages: 1,
        ..Self::SMALL
    };
    /// The same bytes are uploaded again in a bucket without versions, but not between a mover's
    /// last look and its delete.
    pub const IDENTICAL: Self = Self {
        identical: true,
        gap: false,
        strangers: false,
        crashes: 0,
        ..Self::SMALL
    };
    /// What `make test` explores.
    pub const ALL: [(&str, Self); 6] = [
        ("filing", Self::SMALL),
        ("filing, copies over others", Self::NOT_IF_ABSENT),
        ("filing, versioned", Self::VERSIONED),
        ("filing, retention", Self::RETENTION),
        ("filing, damaged", Self::DAMAGED),
        ("filing, same bytes again", Self::IDENTICAL),
    ];

    /// More of everything, for `make soak`.
    #[must_use]
    pub fn deep(self) -> Self {
        Self {
            outside: self.outside + 1,
            crashes: self.crashes.max(1),
            ..self
        }
    }
}

/// A rule that is weaker than the code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaker {
    /// The delete has no condition, or the store ignores it.
    PlainDelete,
    /// So has the read of a copy.
    PlainRead,
    /// The delete follows the copy's verification without another look: it goes by ETag alone.
    NoLastLook,
    /// The copy is taken to be whole.
    NoVerify,
    /// The destination is decided by looking.
    NoClaims,
    /// That a name was passed over is not journalled.
    ForgetPassOver,
    /// `gone` and `replaced` are said after a look at one name.
    OneName,
    /// Nobody removes a copy that the outcome does not know.
    NoTidying,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Filing {
    /// What the store honours, and how much may happen.
    pub bounds: Bounds,
    /// The rule that is not kept; none: as the code has them.
    pub weaker: Option<Weaker>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A mover makes its next request.
    Go(usize),
    /// The copy that a mover has asked for is written with other bytes.
    Damage(usize),
    /// A mover dies; a copy that it has asked for is written all the same where true.
    Crash(usize, bool),
    /// The key is uploaded to: other bytes than ever, or, where true, the first file's.
    Upload(bool),
    /// The oldest version at the source is taken away.
    Delete,
    /// A stranger puts an object where both files would go.
    Stranger,
    /// A stranger takes it away.
    StrangerLeaves,
    /// Retention removes the copy that has the whole name.
    Retention,
}

/// Which file each mover has the message of.
const FILE_OF: [usize; 3] = [0, 0, 1];
const STRANGER: u8 = 100;
const DAMAGED: u8 = 200;

/// Everything that the model knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Oldest first; without versions there is one at most.
    source: Vec<Upload>,
    time: u8,
    /// The files' versions; the second has none until it is uploaded.
    files: [Option<Upload>; 2],
    /// What has the name that both files want, and each file's tagged one.
    filed: [Option<Filed>; 3],
    /// Who has claimed the whole name, and whether it was passed over.
    claim: Option<(usize, bool)>,
    stored: [Option<Told>; 2],
    movers: [Mover; 3],
    outside: u8,
    crashes: u8,
    damages: u8,
    retentions: u8,
    strangers: usize,
    /// Whether a mover removed the file's version from the source.
    removed: [bool; 2],
    /// Whether retention took its copy.
    retired: [bool; 2],
    /// A mover has died while another had the same message: what it left behind nobody tidies.
    orphans: bool,
    tidied: bool,
    /// What must not be has been.
    lost: bool,
    not_own: bool,
}

/// A version of the source key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Upload {
    bytes: u8,
    time: u8,
}

/// An object at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Filed {
    /// The file whose copy it says it is; none for a stranger's.
    label: Option<usize>,
    bytes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Name {
    Whole,
    Tagged,
}

/// What a file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    Archived(Name),
    Replaced,
    Gone,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mover {
    /// The message is there to be taken.
    Waiting,
    Working(Progress),
    /// The store has read these bytes for a copy and has not written them yet.
    Copying(Progress, Name, bool, u8),
    /// It knows what became of the file, and goes to the journal.
    Settling(Told),
    /// It looks for copies that the stored outcome does not know.
    Tidying(Name),
    Finished,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Here,
    Replaced,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Copy {
    Absent,
    Ours,
    Damaged,
    Foreign,
}

/// What a mover has seen so far, since anything that may have changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Progress {
    using: Name,
    source: Option<Source>,
    copies: [Option<Copy>; 2],
    tried: bool,
    /// The source was seen after the copy had been found whole.
    confirmed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    LookAtSource,
    LookAtCopy(Name),
    Copy(Name, bool),
    PassOver,
    RemoveSource,
    Done(Told),
}

impl Name {
    const BOTH: [Self; 2] = [Self::Whole, Self::Tagged];

    fn index(self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Tagged => 1,
        }
    }

    fn place(self, file: usize) -> usize {
        match self {
            Self::Whole => 0,
            Self::Tagged => 1 + file,
        }
    }
}

impl Filing {
    fn is(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    /// What a mover does next: `mover::progress::Progress::next`.
    fn next(&self, seen: &Progress) -> Next {
        match seen.source {
            None => Next::LookAtSource,
            Some(Source::Here) => self.with_source(seen),
            Some(Source::Replaced) => self.without_source(seen, Told::Replaced),
            Some(Source::Gone) => self.without_source(seen, Told::Gone),
        }
    }

    fn with_source(&self, seen: &Progress) -> Next {
        let exact = self.bounds.versioned || self.is(Weaker::NoLastLook);
        match seen.copies[seen.using.index()] {
            None if self.bounds.if_absent && !seen.tried => Next::Copy(seen.using, true),
            None => Next::LookAtCopy(seen.using),
            Some(Copy::Absent) => Next::Copy(seen.using, true),
            Some(Copy::Damaged) => Next::Copy(seen.using, false),
            Some(Copy::Foreign) if seen.using == Name::Whole => Next::PassOver,
            Some(Copy::Foreign) => Next::Done(Told::Failed),
            Some(Copy::Ours) if seen.confirmed || exact => Next::RemoveSource,
            Some(Copy::Ours) => Next::LookAtSource,
        }
    }

    fn without_source(&self, seen: &Progress, how: Told) -> Next {
        let both = match seen.using {
            Name::Whole => Name::BOTH,
            Name::Tagged => [Name::Tagged, Name::Whole],
        };
        let looked: &[Name] = match self.weaker {
            Some(Weaker::OneName) => &both[..1],
            _ => &both,
        };
        let find = |copy| looked.iter().find(|name| seen.copies[name.index()] == copy);
        if let Some(name) = find(Some(Copy::Ours)) {
            return Next::Done(Told::Archived(*name));
        }
        if let Some(name) = find(None) {
            return Next::LookAtCopy(*name);
        }
        match find(Some(Copy::Damaged)) {
            Some(_) => Next::Done(Told::Failed),
            None => Next::Done(how),
        }
    }

    /// A mover's next request; answers what it is then.
    fn go(&self, state: &mut State, mover: usize) -> Mover {
        let file = FILE_OF[mover];
        match state.movers[mover] {
            Mover::Waiting => self.begin(state, file),
            Mover::Working(seen) => self.work(state, file, seen),
            Mover::Copying(mut seen, name, if_absent, bytes) => {
                let if_absent = if_absent && self.bounds.if_absent;
                let done = state.write(file, name, if_absent, bytes);
                seen.copied(done);
                if done && self.is(Weaker::NoVerify) {
                    seen.copies[name.index()] = Some(Copy::Ours);
                }
                Mover::Working(seen)
            }
            Mover::Settling(told) => {
                let stored = *state.stored[file].get_or_insert(told);
                match stored {
                    Told::Failed => Mover::Finished,
                    Told::Archived(_) if stored == told => Mover::Finished,
                    _ => self.tidying(),
                }
            }
            Mover::Tidying(name) => tidy(state, file, name),
            Mover::Finished => Mover::Finished,
        }
    }

    fn tidying(&self) -> Mover {
        if self.is(Weaker::NoTidying) {
            Mover::Finished
        } else {
            Mover::Tidying(Name::Whole)
        }
    }

    /// The message is taken: the stored outcome is obeyed, or the destination claimed.
    fn begin(&self, state: &mut State, file: usize) -> Mover {
        match state.stored[file] {
            Some(Told::Failed) => return Mover::Finished,
            Some(_) => return self.tidying(),
            None => {}
        }
        let (owner, passed_over) = *state.claim.get_or_insert((file, false));
        let whole = self.is(Weaker::NoClaims) || (owner == file && !passed_over);
        Mover::Working(Progress {
            using: if whole { Name::Whole } else { Name::Tagged },
            source: None,
            copies: [None; 2],
            tried: false,
            confirmed: false,
        })
    }

    fn work(&self, state: &mut State, file: usize, mut seen: Progress) -> Mover {
        match self.next(&seen) {
            Next::LookAtSource => {
                let source = self.look(state, file);
                let copy = seen.copies[seen.using.index()];
                seen.confirmed = source == Source::Here && copy == Some(Copy::Ours);
                seen.source = Some(source);
            }
            Next::LookAtCopy(name) => seen.copies[name.index()] = Some(state.copy(file, name)),
            Next::Copy(name, if_absent) => match self.read(state, file) {
                Some(bytes) => return Mover::Copying(seen, name, if_absent, bytes),
                None => seen.copied(false),
            },
            Next::PassOver => {
                let claim = state.claim.as_mut().filter(|claim| claim.0 == file);
                if let Some(claim) = claim.filter(|_| !self.is(Weaker::ForgetPassOver)) {
                    claim.1 = true;
                }
                seen.using = Name::Tagged;
                seen.tried = false;
                seen.confirmed = false;
            }
            Next::RemoveSource => {
                let done = self.remove(state, file);
                seen.confirmed = false;
                seen.source = done.then_some(Source::Gone);
            }
            Next::Done(told) => return Mover::Settling(told),
        }
        Mover::Working(seen)
    }

    fn look(&self, state: &State, file: usize) -> Source {
        let version = state.files[file];
        if self.bounds.versioned {
            let there = state.source.iter().any(|upload| Some(*upload) == version);
            return if there { Source::Here } else { Source::Gone };
        }
        match state.source.last() {
            None => Source::Gone,
            newest if newest.copied() == version => Source::Here,
            Some(_) => Source::Replaced,
        }
    }

    /// The store reads the source for a copy: without versions, whatever has the file's ETag.
    fn read(&self, state: &State, file: usize) -> Option<u8> {
        let version = state.files[file]?;
        let at = if self.bounds.versioned {
            state.source.iter().find(|upload| **upload == version)
        } else {
            let matches = |upload: &&Upload| upload.bytes == version.bytes;
            let newest = state.source.last();
            newest.filter(|upload| self.is(Weaker::PlainRead) || matches(upload))
        };
        at.map(|upload| upload.bytes)
    }

    fn remove(&self, state: &mut State, file: usize) -> bool {
        let Some(version) = state.files[file] else {
            return false;
        };
        let still_here = self.look(state, file) == Source::Here;
        if !self.bounds.gap && !still_here && !self.is(Weaker::NoLastLook) {
            return false;
        }
        let position = if self.bounds.versioned {
            state.source.iter().position(|upload| *upload == version)
        } else {
            let newest = state.source.len().checked_sub(1);
            newest.filter(|at| {
                self.is(Weaker::PlainDelete) || state.source[*at].bytes == version.bytes
            })
        };
        let Some(position) = position else {
            return false;
        };
        let upload = state.source.remove(position);
        state.removed[file] |= upload == version;
        state.not_own |= upload != version;
        state.must_have(upload.bytes);
        true
    }

    fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        for (mover, it) in state.movers.iter().enumerate() {
            let there = state.files[FILE_OF[mover]].is_some();
            if there && *it != Mover::Finished {
                actions.push(Action::Go(mover));
            }
        }
    }

    fn troubles(&self, state: &State, actions: &mut Vec<Action>) {
        for (mover, it) in state.movers.iter().enumerate() {
            let copying = matches!(it, Mover::Copying(..));
            if copying && state.damages > 0 {
                actions.push(Action::Damage(mover));
            }
            if state.crashes > 0 && !matches!(it, Mover::Waiting | Mover::Finished) {
                actions.push(Action::Crash(mover, false));
                actions.extend(copying.then_some(Action::Crash(mover, true)));
            }
        }
        if state.outside > 0 {
            actions.push(Action::Upload(false));
            actions.extend(self.bounds.identical.then_some(Action::Upload(true)));
            actions.extend((!state.source.is_empty()).then_some(Action::Delete));
            let free = state.filed[0].is_none();
            actions.extend((self.bounds.strangers && free).then_some(Action::Stranger));
            actions.extend((state.strangers > 0).then_some(Action::StrangerLeaves));
        }
        let of = state.filed[0].and_then(|filed| filed.label);
        let archived =
            of.is_some_and(|file| state.stored[file] == Some(Told::Archived(Name::Whole)));
        if state.retentions > 0 && archived {
            actions.push(Action::Retention);
        }
    }

    fn is_quiet(&self, state: &State) -> bool {
        let mut left = vec![];
        self.steps(state, &mut left);
        left.is_empty()
    }

    fn upload(&self, state: &mut State, identical: bool) {
        state.outside -= 1;
        state.time += 1;
        let upload = Upload {
            bytes: if identical { 0 } else { state.time },
            time: state.time,
        };
        if !self.bounds.versioned {
            state.source.clear();
        }
        state.source.push(upload);
        if !identical && state.files[1].is_none() {
            state.files[1] = Some(upload);
        }
    }

    fn crash(&self, state: &mut State, mover: usize, written: bool) {
        state.crashes -= 1;
        if written {
            self.go(state, mover);
        }
        let beside = [1, 0, 2][mover];
        state.orphans |= beside != mover && state.movers[beside] != Mover::Waiting;
        state.movers[mover] = Mover::Waiting;
    }

    /// Whether a file has one outcome, and it is true.
    fn is_filed(&self, state: &State, file: usize) -> bool {
        let Some(version) = state.files[file] else {
            return true;
        };
        let is_ours = |name: &Name| {
            state.filed[name.place(file)].is_some_and(|filed| filed.label == Some(file))
        };
        let copies = Name::BOTH.iter().filter(|name| is_ours(name)).count();
        let at_source = state.source.contains(&version);
        match state.stored[file] {
            None => false,
            Some(Told::Archived(name)) => {
                let there = state.copy(file, name) == Copy::Ours && copies == 1;
                let retired = state.retired[file] && copies == 0;
                !at_source && (there || retired || state.orphans)
            }
            Some(Told::Replaced | Told::Gone) => !at_source && (copies == 0 || state.orphans),
            // Only where a copy was damaged and the source then taken away.
            Some(Told::Failed) => state.damages < self.bounds.damages,
        }
    }
}

impl Progress {
    /// The store answered a copy; what it says of it is believed after a look.
    fn copied(&mut self, done: bool) {
        self.tried = true;
        self.copies = [None; 2];
        self.confirmed = false;
        if !done {
            self.source = None;
        }
    }
}

impl State {
    fn copy(&self, file: usize, name: Name) -> Copy {
        match self.filed[name.place(file)] {
            None => Copy::Absent,
            Some(filed) if filed.label != Some(file) => Copy::Foreign,
            Some(filed) if filed.bytes == DAMAGED => Copy::Damaged,
            Some(_) => Copy::Ours,
        }
    }

    /// The store writes what it has read for a copy.
    fn write(&mut self, file: usize, name: Name, if_absent: bool, bytes: u8) -> bool {
        let place = name.place(file);
        if if_absent && self.filed[place].is_some() {
            return false;
        }
        let before = self.filed[place].replace(Filed {
            label: Some(file),
            bytes,
        });
        if let Some(before) = before.filter(|before| before.bytes < STRANGER) {
            self.must_have(before.bytes);
        }
        true
    }

    /// Bytes that a mover has removed or overwritten must still be somewhere.
    fn must_have(&mut self, bytes: u8) {
        let at_source = self.source.iter().any(|upload| upload.bytes == bytes);
        let mut filed = self.filed.iter().flatten();
        self.lost |= !at_source && !filed.any(|filed| filed.bytes == bytes);
    }

    fn has_strangers_intact(&self) -> bool {
        let filed = self.filed.iter().flatten();
        filed.filter(|filed| filed.label.is_none()).count() == self.strangers
    }

    fn has_true_bytes(&self) -> bool {
        self.filed.iter().flatten().all(|filed| {
            let version = filed.label.and_then(|file| self.files[file]);
            version.is_none_or(|version| [version.bytes, DAMAGED].contains(&filed.bytes))
        })
    }
}

/// Removes a copy that the stored outcome does not know.
fn tidy(state: &mut State, file: usize, name: Name) -> Mover {
    let place = name.place(file);
    let keep = state.stored[file] == Some(Told::Archived(name));
    let ours = state.filed[place].is_some_and(|filed| filed.label == Some(file));
    if ours && !keep {
        state.filed[place] = None;
        state.tidied = true;
        // What somebody else took away from the source may go; what a mover did must stay.
        if let (true, Some(version)) = (state.removed[file], state.files[file]) {
            state.must_have(version.bytes);
        }
    }
    match name {
        Name::Whole => Mover::Tidying(Name::Tagged),
        Name::Tagged => Mover::Finished,
    }
}

impl Model for Filing {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let file = Upload { bytes: 0, time: 0 };
        vec![State {
            source: vec![file],
            time: 0,
            files: [Some(file), None],
            filed: [None; 3],
            claim: None,
            stored: [None; 2],
            movers: [Mover::Waiting; 3],
            outside: self.bounds.outside,
            crashes: self.bounds.crashes,
            damages: self.bounds.damages,
            retentions: self.bounds.retentions,
            strangers: 0,
            removed: [false; 2],
            retired: [false; 2],
            orphans: false,
            tidied: false,
            lost: false,
            not_own: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.troubles(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Go(mover) => state.movers[mover] = self.go(&mut state, mover),
            Action::Damage(mover) => {
                state.damages -= 1;
                if let Mover::Copying(_, _, _, bytes) = &mut state.movers[mover] {
                    *bytes = DAMAGED;
                }
            }
            Action::Crash(mover, written) => self.crash(&mut state, mover, written),
            Action::Upload(identical) => self.upload(&mut state, identical),
            Action::Delete => {
                state.outside -= 1;
                state.source.remove(0);
            }
            Action::Stranger => {
                state.outside -= 1;
                state.strangers += 1;
                state.filed[0] = Some(Filed {
                    label: None,
                    bytes: STRANGER,
                });
            }
            Action::StrangerLeaves => {
                state.outside -= 1;
                state.strangers -= 1;
                state.filed[0] = None;
            }
            Action::Retention => {
                state.retentions -= 1;
                let file = before.filed[0]?.label?;
                state.retired[file] = true;
                state.filed[0] = None;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (always, sometimes) = (Property::<Self>::always, Property::<Self>::sometimes);
        vec![
            always(KEPT, |_, state| !state.lost),
            always(OWN, |_, state| !state.not_own),
            always(TRUE_BYTES, |_, state| state.has_true_bytes()),
            always(STRANGERS, |_, state| state.has_strangers_intact()),
            always(FILED, |model, state| {
                let mut files = 0..state.files.len();
                !model.is_quiet(state) || files.all(|file| model.is_filed(state, file))
            }),
            sometimes(TAGGED, |_, state| {
                let tagged = Some(Told::Archived(Name::Tagged));
                state.stored.contains(&tagged)
            }),
            sometimes(TIDIED, |_, state| state.tidied),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{breaks, holds};

    fn finds(bounds: Bounds, weaker: Weaker, property: &'static str) {
        let weaker = Some(weaker);
        breaks(Filing { bounds, weaker }, property);
    }

    #[test]
    fn every_file_is_filed_once_and_nothing_is_lost() {
        for (name, bounds) in Bounds::ALL {
            let weaker = None;
            holds(name, Filing { bounds, weaker }, 10_000);
        }
    }

    /// The documented gap: ARCHITECTURE.md, "Known limits".
    #[test]
    fn without_versions_the_same_bytes_uploaded_in_the_gap_are_taken_for_the_first() {
        let (bounds, weaker) = (
            Bounds {
                gap: true,
                ..Bounds::IDENTICAL
            },
            None,
        );
        breaks(Filing { bounds, weaker }, OWN);
    }

    #[test]
    fn a_delete_by_etag_alone_takes_the_third_of_a_b_a() {
        finds(Bounds::IDENTICAL, Weaker::NoLastLook, OWN);
    }

    #[test]
    fn a_delete_without_condition_takes_a_version_that_nobody_has_copied() {
        finds(Bounds::SMALL, Weaker::PlainDelete, KEPT);
    }

    #[test]
    fn a_read_without_condition_files_another_versions_bytes() {
        finds(Bounds::SMALL, Weaker::PlainRead, TRUE_BYTES);
    }

    #[test]
    fn a_copy_that_is_not_verified_is_all_that_is_left() {
        finds(Bounds::DAMAGED, Weaker::NoVerify, KEPT);
    }

    #[test]
    fn a_destination_decided_by_looking_is_anothers_by_then() {
        finds(Bounds::NOT_IF_ABSENT, Weaker::NoClaims, KEPT);
    }

    #[test]
    fn a_destination_decided_by_looking_is_free_again_for_the_second_try() {
        finds(Bounds::RETENTION, Weaker::NoClaims, FILED);
    }

    #[test]
    fn a_name_passed_over_and_forgotten_is_taken_the_second_time() {
        finds(Bounds::SMALL, Weaker::ForgetPassOver, FILED);
    }

    #[test]
    fn gone_said_after_a_look_at_one_name_removes_what_lies_under_the_other() {
        finds(Bounds::SMALL, Weaker::OneName, KEPT);
    }

    #[test]
    fn without_tidying_a_file_said_to_be_gone_has_a_copy() {
        finds(Bounds::SMALL, Weaker::NoTidying, FILED);
    }
}
