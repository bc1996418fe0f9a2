//! The move as a plain function: from what has been seen to what is done next.
//!
//! Copy, verify, look again, delete: in this order whatever happens, so that no version is without
//! a copy at any moment. Whoever starts over (a redelivery, after a crash between any two
//! requests) looks first and goes on from what is there. The tests beside it try every
//! interleaving of two movers, crashes, uploads and deletes.

use objects::archive::name::Name;
use proto::event::MoveOutcome;

use crate::source::Source;

/// What is at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Copy {
    /// Nothing.
    Absent,
    /// This file's copy, and it is whole.
    Ours,
    /// This file's copy by its label, and not its bytes.
    Damaged,
    /// Something else.
    Foreign,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// `HEAD` the source.
    LookAtSource,
    /// `HEAD` a destination.
    LookAtCopy(Name),
    /// Copy, if the source is still this version and nothing is at the destination.
    Copy(Name),
    /// Copy over a damaged copy of our own, if the source is still this version.
    CopyAgain(Name),
    /// Give up the whole name for the tagged one, for good.
    PassOver,
    /// Delete the source, if it is still this version.
    RemoveSource,
    /// It ended; with the copy's name where it is archived.
    Done(MoveOutcome, Option<Name>),
    /// The copy is not the file's bytes, and the source is not there to copy from.
    Lost(Name),
    /// Something that is not Landfall's has both names.
    NoName,
}

/// What has been seen so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// Whether the store honours `If-None-Match` on copies. Where not, it is looked first.
    conditional: bool,
    /// Whether the source has a version id: a delete by it can only mean this version, and needs
    /// no look before it.
    exact: bool,
    using: Name,
    /// None: not looked yet, or something has happened since.
    source: Option<Source>,
    whole: Option<Copy>,
    tagged: Option<Copy>,
    /// Whether a copy was tried: its answer is believed only after a look.
    tried: bool,
    /// Whether the source was seen after the copy had been found whole.
    confirmed: bool,
}

impl Progress {
    /// A move that has seen nothing yet. `whole`: whether the whole name is claimed for the file
    /// and was not passed over.
    pub fn new(whole: bool, conditional: bool, exact: bool) -> Self {
        Self {
            conditional,
            exact,
            using: if whole { Name::Whole } else { Name::Tagged },
            source: None,
            whole: None,
            tagged: None,
            tried: false,
            confirmed: false,
        }
    }

    /// What to do next.
    pub fn next(&self) -> Next {
        match self.source {
            None => Next::LookAtSource,
            Some(Source::Here) => self.with_source(),
            Some(Source::Replaced) => self.without_source(MoveOutcome::Replaced),
            Some(Source::Gone) => self.without_source(MoveOutcome::Gone),
        }
    }

    fn with_source(&self) -> Next {
        match self.at(self.using) {
            None if self.conditional && !self.tried => Next::Copy(self.using),
            None => Next::LookAtCopy(self.using),
            Some(Copy::Absent) => Next::Copy(self.using),
            Some(Copy::Damaged) => Next::CopyAgain(self.using),
            Some(Copy::Foreign) if self.using == Name::Whole => Next::PassOver,
            Some(Copy::Foreign) => Next::NoName,
            Some(Copy::Ours) if self.confirmed || self.exact => Next::RemoveSource,
            Some(Copy::Ours) => Next::LookAtSource,
        }
    }

    /// The source is not there: it was archived if there is a copy under either name, by whomever.
    fn without_source(&self, how: MoveOutcome) -> Next {
        let names = [self.using, self.using.other()];
        let find = |copy: Option<Copy>| names.into_iter().find(|name| self.at(*name) == copy);
        if let Some(name) = find(Some(Copy::Ours)) {
            return Next::Done(MoveOutcome::Archived, Some(name));
        }
        if let Some(name) = find(None) {
            return Next::LookAtCopy(name);
        }
        if let Some(name) = find(Some(Copy::Damaged)) {
            return Next::Lost(name);
        }
        Next::Done(how, None)
    }

    fn at(&self, name: Name) -> Option<Copy> {
        match name {
            Name::Whole => self.whole,
            Name::Tagged => self.tagged,
        }
    }

    /// A look at the source showed this.
    pub fn saw_source(&mut self, source: Source) {
        self.confirmed = source == Source::Here && self.at(self.using) == Some(Copy::Ours);
        self.source = Some(source);
    }

    /// A look at a destination showed this.
    pub fn saw_copy(&mut self, name: Name, copy: Copy) {
        match name {
            Name::Whole => self.whole = Some(copy),
            Name::Tagged => self.tagged = Some(copy),
        }
    }

    /// The store answered a copy: `done`, or that a precondition was not met, which may be about
    /// either side.
    pub fn copied(&mut self, done: bool) {
        self.tried = true;
        self.whole = None;
        self.tagged = None;
        self.confirmed = false;
        if !done {
            self.source = None;
        }
    }

    /// The whole name is given up.
    pub fn passed_over(&mut self) {
        self.using = Name::Tagged;
        self.tried = false;
        self.confirmed = false;
    }

    /// The store answered the delete of the source: `done`, or that its precondition was not met.
    pub fn source_removed(&mut self, done: bool) {
        self.confirmed = false;
        self.source = done.then_some(Source::Gone);
    }
}

#[cfg(test)]
mod tests;
