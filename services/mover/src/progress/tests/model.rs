//! A store, a journal and movers, small enough to try everything that can happen.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use objects::archive::name::Name;
use proto::event::MoveOutcome;

use super::super::{Copy, Next, Progress, Source};

/// What the store honours, and how much may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) copy_if_absent: bool,
    pub(super) copy_source_if_match: bool,
    pub(super) delete_if_match: bool,
    pub(super) versioned: bool,
    /// Whether destinations are claimed in the journal.
    pub(super) claims: bool,
    /// How many uploads, deletes and strangers' objects.
    pub(super) outside: u8,
    pub(super) crashes: u8,
    /// How many copies arrive with other bytes than they were read with.
    pub(super) damages: u8,
    /// Whether the file's own bytes may be uploaded again.
    pub(super) identical: bool,
    /// Whether somebody else may put an object where the file would go.
    pub(super) strangers: bool,
}

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// A mover deleted bytes that are nowhere else.
    LastCopyRemoved,
    /// A copy has one file's label and other bytes.
    WrongBytes,
    /// A stranger's object was overwritten.
    StrangerHurt,
    /// At the end a file is not in exactly one place, or its outcome says something else.
    NotFiledOnce,
}

/// A violation and the shortest way to it.
#[derive(Debug)]
#[expect(dead_code, reason = "printed where a test fails")]
pub(super) struct Found {
    pub(super) what: Violation,
    way: Vec<Step>,
}

/// Which file each mover has the message of.
const FILE_OF: [usize; 3] = [0, 0, 1];
const STRANGER: u8 = 100;
const DAMAGED: u8 = 200;

/// A version of the one source key.
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

/// What a file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    Archived(Name),
    Replaced,
    Gone,
    /// A person has to look: not terminal.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    /// Oldest first; without versions there is one at most.
    source: Vec<Upload>,
    time: u8,
    /// The files' versions; the second has none until it is uploaded.
    files: [Option<Upload>; 2],
    /// The name that both files want, and each file's tagged one.
    filed: [Option<Filed>; 3],
    /// Who has claimed the whole name, and whether it was passed over.
    claim: Option<(usize, bool)>,
    stored: [Option<Told>; 2],
    movers: [Mover; 3],
    outside: u8,
    crashes: u8,
    damages: u8,
    strangers: usize,
    /// Whether it was a mover that removed a file's version from the source.
    removed: [bool; 2],
    /// A mover has crashed while another had the same message, or was done with it: what it left
    /// behind nobody tidies.
    orphans: bool,
}

/// What can happen next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A mover makes its next request.
    Mover(usize),
    /// The copy that a mover has asked for is written with other bytes.
    Damage(usize),
    /// A mover ends; a copy that it has asked for is written all the same, or not.
    Crash(usize, bool),
    Upload(u8),
    Delete,
    Stranger,
    StrangerLeaves,
}

/// Tries everything, and answers how many worlds there are, or the first violation.
pub(super) fn explore(rules: Rules) -> Result<usize, Found> {
    let mut open = VecDeque::from([(World::new(rules), 0)]);
    let mut ways: Vec<(usize, Option<Step>)> = vec![(0, None)];
    let mut seen = HashSet::new();
    while let Some((world, node)) = open.pop_front() {
        let steps = world.steps(rules);
        let idle = !steps.iter().any(|step| matches!(step, Step::Mover(_)));
        if idle && !world.filed_once(rules) {
            return Err(found(Violation::NotFiledOnce, &ways, node));
        }
        for step in steps {
            let mut after = world.clone();
            ways.push((node, Some(step)));
            let here = ways.len() - 1;
            after
                .take(step, rules)
                .and_then(|()| after.check(rules))
                .map_err(|what| found(what, &ways, here))?;
            if seen.insert(digest(&after)) {
                open.push_back((after, here));
            } else {
                ways.pop();
            }
        }
    }
    Ok(seen.len())
}

fn digest(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

fn found(what: Violation, ways: &[(usize, Option<Step>)], mut node: usize) -> Found {
    let mut way = vec![];
    while let (before, Some(step)) = ways[node] {
        way.push(step);
        node = before;
    }
    way.reverse();
    Found { what, way }
}

impl World {
    fn new(rules: Rules) -> Self {
        let file = Upload { bytes: 0, time: 0 };
        Self {
            source: vec![file],
            time: 0,
            files: [Some(file), None],
            filed: [None; 3],
            claim: None,
            stored: [None; 2],
            movers: [const { Mover::Waiting }; 3],
            outside: rules.outside,
            crashes: rules.crashes,
            damages: rules.damages,
            strangers: 0,
            removed: [false; 2],
            orphans: false,
        }
    }

    fn steps(&self, rules: Rules) -> Vec<Step> {
        let mut steps = vec![];
        for (mover, state) in self.movers.iter().enumerate() {
            let there = self.files[FILE_OF[mover]].is_some();
            if there && !matches!(state, Mover::Finished) {
                steps.push(Step::Mover(mover));
            }
            let copying = matches!(state, Mover::Copying(..));
            if copying && self.damages > 0 {
                steps.push(Step::Damage(mover));
            }
            if self.crashes > 0 && !matches!(state, Mover::Waiting | Mover::Finished) {
                steps.push(Step::Crash(mover, false));
                if copying {
                    steps.push(Step::Crash(mover, true));
                }
            }
        }
        if self.outside > 0 {
            steps.push(Step::Upload(1));
            steps.extend(rules.identical.then_some(Step::Upload(0)));
            steps.extend((!self.source.is_empty()).then_some(Step::Delete));
            let free = self.filed[0].is_none();
            steps.extend((rules.strangers && free).then_some(Step::Stranger));
            steps.extend((self.strangers > 0).then_some(Step::StrangerLeaves));
        }
        steps
    }

    fn take(&mut self, step: Step, rules: Rules) -> Result<(), Violation> {
        match step {
            Step::Mover(mover) => return self.go_on(mover, rules),
            Step::Damage(mover) => {
                self.damages -= 1;
                if let Mover::Copying(_, _, _, bytes) = &mut self.movers[mover] {
                    *bytes = DAMAGED;
                }
            }
            Step::Crash(mover, written) => {
                self.crashes -= 1;
                if written {
                    self.go_on(mover, rules)?;
                }
                let beside = [1, 0, 2][mover];
                self.orphans |= beside != mover && self.movers[beside] != Mover::Waiting;
                self.movers[mover] = Mover::Waiting;
            }
            Step::Upload(bytes) => {
                self.outside -= 1;
                self.time += 1;
                let upload = Upload {
                    bytes,
                    time: self.time,
                };
                if !rules.versioned {
                    self.source.clear();
                }
                self.source.push(upload);
                if bytes == 1 && self.files[1].is_none() {
                    self.files[1] = Some(upload);
                }
            }
            Step::Delete => {
                self.outside -= 1;
                self.source.remove(0);
            }
            Step::Stranger => {
                self.outside -= 1;
                self.strangers += 1;
                self.filed[0] = Some(Filed {
                    label: None,
                    bytes: STRANGER,
                });
            }
            Step::StrangerLeaves => {
                self.outside -= 1;
                self.strangers -= 1;
                self.filed[0] = None;
            }
        }
        Ok(())
    }

    /// One request of a mover.
    fn go_on(&mut self, mover: usize, rules: Rules) -> Result<(), Violation> {
        let file = FILE_OF[mover];
        let state = std::mem::replace(&mut self.movers[mover], Mover::Finished);
        self.movers[mover] = match state {
            Mover::Waiting => self.begin(file, rules),
            Mover::Working(progress) => self.work(file, progress, rules)?,
            Mover::Copying(mut progress, name, if_absent, bytes) => {
                progress.copied(self.write(
                    file,
                    name,
                    if_absent && rules.copy_if_absent,
                    bytes,
                )?);
                Mover::Working(progress)
            }
            Mover::Settling(told) => {
                let stored = *self.stored[file].get_or_insert(told);
                match stored {
                    Told::Failed => Mover::Finished,
                    Told::Archived(_) if stored == told => Mover::Finished,
                    _ => Mover::Tidying(Name::Whole),
                }
            }
            Mover::Tidying(name) => self.tidy(file, name)?,
            Mover::Finished => Mover::Finished,
        };
        Ok(())
    }

    fn begin(&mut self, file: usize, rules: Rules) -> Mover {
        if let Some(stored) = self.stored[file] {
            return match stored {
                Told::Failed => Mover::Finished,
                _ => Mover::Tidying(Name::Whole),
            };
        }
        let (owner, passed_over) = *self.claim.get_or_insert((file, false));
        let whole = !rules.claims || (owner == file && !passed_over);
        Mover::Working(Progress::new(whole, rules.copy_if_absent, rules.versioned))
    }

    fn work(
        &mut self,
        file: usize,
        mut progress: Progress,
        rules: Rules,
    ) -> Result<Mover, Violation> {
        match progress.next() {
            Next::LookAtSource => progress.saw_source(self.look(file, rules)),
            Next::LookAtCopy(name) => progress.saw_copy(name, self.look_at(file, name)),
            Next::Copy(name) => return Ok(self.read(file, progress, name, true, rules)),
            Next::CopyAgain(name) => return Ok(self.read(file, progress, name, false, rules)),
            Next::PassOver => {
                if let Some(claim) = self.claim.as_mut().filter(|claim| claim.0 == file) {
                    claim.1 = true;
                }
                progress.passed_over();
            }
            Next::RemoveSource => progress.source_removed(self.remove(file, rules)?),
            Next::Done(MoveOutcome::Archived, Some(name)) => {
                return Ok(Mover::Settling(Told::Archived(name)));
            }
            Next::Done(MoveOutcome::Replaced, _) => return Ok(Mover::Settling(Told::Replaced)),
            Next::Done(..) => return Ok(Mover::Settling(Told::Gone)),
            Next::Lost(_) | Next::NoName => return Ok(Mover::Settling(Told::Failed)),
        }
        Ok(Mover::Working(progress))
    }

    fn look(&self, file: usize, rules: Rules) -> Source {
        let version = self.files[file];
        if rules.versioned {
            let there = self.source.iter().any(|upload| Some(*upload) == version);
            return if there { Source::Here } else { Source::Gone };
        }
        match self.source.last() {
            None => Source::Gone,
            newest if newest.copied() == version => Source::Here,
            Some(_) => Source::Replaced,
        }
    }

    fn look_at(&self, file: usize, name: Name) -> Copy {
        match self.filed[place(file, name)] {
            None => Copy::Absent,
            Some(filed) if filed.label != Some(file) => Copy::Foreign,
            Some(filed) if filed.bytes == DAMAGED => Copy::Damaged,
            Some(_) => Copy::Ours,
        }
    }

    /// The store reads the source for a copy.
    fn read(
        &self,
        file: usize,
        mut progress: Progress,
        name: Name,
        if_absent: bool,
        rules: Rules,
    ) -> Mover {
        let version = self.files[file];
        let source = if rules.versioned {
            self.source.iter().find(|upload| Some(**upload) == version)
        } else {
            // An entity tag is one of the bytes.
            self.source.last().filter(|newest| {
                !rules.copy_source_if_match
                    || version.is_some_and(|version| version.bytes == newest.bytes)
            })
        };
        if let Some(source) = source {
            return Mover::Copying(progress, name, if_absent, source.bytes);
        }
        progress.copied(false);
        Mover::Working(progress)
    }

    /// The store writes what it has read.
    fn write(
        &mut self,
        file: usize,
        name: Name,
        if_absent: bool,
        bytes: u8,
    ) -> Result<bool, Violation> {
        let filed = &mut self.filed[place(file, name)];
        if if_absent && filed.is_some() {
            return Ok(false);
        }
        let before = filed.replace(Filed {
            label: Some(file),
            bytes,
        });
        self.must_have_kept(before)?;
        Ok(true)
    }

    fn remove(&mut self, file: usize, rules: Rules) -> Result<bool, Violation> {
        let version = self.files[file];
        let position = if rules.versioned {
            self.source
                .iter()
                .position(|upload| Some(*upload) == version)
        } else {
            let newest = self.source.len().checked_sub(1);
            newest.filter(|newest| {
                !rules.delete_if_match
                    || version.is_some_and(|version| version.bytes == self.source[*newest].bytes)
            })
        };
        let Some(position) = position else {
            return Ok(false);
        };
        let upload = self.source.remove(position);
        self.removed[file] |= Some(upload) == version;
        self.must_have(upload.bytes)?;
        Ok(true)
    }

    /// Removes a copy that the stored outcome does not know, in one request: the look before it is
    /// guarded by its own tag.
    fn tidy(&mut self, file: usize, name: Name) -> Result<Mover, Violation> {
        let told = self.stored[file];
        let filed = &mut self.filed[place(file, name)];
        if told != Some(Told::Archived(name)) && filed.is_some_and(|it| it.label == Some(file)) {
            *filed = None;
            // What somebody else took away from the source may go; what a mover did must stay.
            if let (true, Some(Upload { bytes, .. })) = (self.removed[file], self.files[file]) {
                self.must_have(bytes)?;
            }
        }
        Ok(match name {
            Name::Whole => Mover::Tidying(Name::Tagged),
            Name::Tagged => Mover::Finished,
        })
    }

    /// Bytes that a mover has removed or overwritten must still be somewhere.
    fn must_have(&self, bytes: u8) -> Result<(), Violation> {
        let kept = self.source.iter().any(|upload| upload.bytes == bytes)
            || self
                .filed
                .iter()
                .flatten()
                .any(|filed| filed.bytes == bytes);
        kept.then_some(()).ok_or(Violation::LastCopyRemoved)
    }

    fn must_have_kept(&self, overwritten: Option<Filed>) -> Result<(), Violation> {
        match overwritten {
            Some(Filed { bytes, .. }) if bytes < STRANGER => self.must_have(bytes),
            _ => Ok(()),
        }
    }

    fn check(&self, rules: Rules) -> Result<(), Violation> {
        let of_strangers = |filed: &&Filed| filed.label.is_none();
        if rules.copy_if_absent
            && self.filed.iter().flatten().filter(of_strangers).count() != self.strangers
        {
            return Err(Violation::StrangerHurt);
        }
        let wrong = |filed: &Filed| {
            let own = filed.label.and_then(|file| self.files[file]);
            own.is_some_and(|own| filed.bytes != own.bytes && filed.bytes != DAMAGED)
        };
        if self.filed.iter().flatten().any(wrong) {
            return Err(Violation::WrongBytes);
        }
        Ok(())
    }

    /// Once nobody has anything left to do: every file has an outcome, and it is true.
    fn filed_once(&self, rules: Rules) -> bool {
        (0..2).all(|file| {
            let Some(version) = self.files[file] else {
                return true;
            };
            let copies = [Name::Whole, Name::Tagged]
                .into_iter()
                .filter(|name| {
                    self.filed[place(file, *name)].is_some_and(|it| it.label == Some(file))
                })
                .collect::<Vec<_>>();
            let at_source = self.source.contains(&version);
            match self.stored[file] {
                Some(Told::Archived(name)) => {
                    !at_source
                        && self.look_at(file, name) == Copy::Ours
                        && (copies.len() == 1 || self.orphans)
                }
                Some(Told::Replaced | Told::Gone) => {
                    !at_source && (copies.is_empty() || self.orphans)
                }
                // Only where a copy was damaged and the source then taken away.
                Some(Told::Failed) => rules.damages > 0 && self.damages == 0,
                None => false,
            }
        })
    }
}

fn place(file: usize, name: Name) -> usize {
    match name {
        Name::Whole => 0,
        Name::Tagged => 1 + file,
    }
}
