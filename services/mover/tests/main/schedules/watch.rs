//! What must never be, looked for in the store itself.

use proto::event::{Location, MoveOutcome, Moved};
use proto::{File, Version};

/// A version with bytes, as it lies in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lying {
    pub(super) at: Location,
    pub(super) version: Version,
    pub(super) bytes: Vec<u8>,
    /// The file id that it carries, if any.
    pub(super) label: Option<String>,
    /// Whether it is what its key shows.
    pub(super) newest: bool,
}

/// A version that somebody uploaded, and that Landfall was told of.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) file: File,
    pub(super) bytes: Vec<u8>,
    came: u64,
    /// Somebody else took it away from its source, or wrote over it.
    taken: bool,
    /// It had the bytes of an earlier upload, came after that one's last look, and was deleted in
    /// its place: what a bucket without versions has no way to prevent.
    mistaken: bool,
    /// Its message was given up half way while another replica had it, or a request outlived who
    /// made it: then a copy too many may be left.
    pub(super) orphans: bool,
}

/// Who has done something, and on which grounds.
#[derive(Clone, Debug)]
pub(super) struct Doer {
    /// Whose message it works on.
    pub(super) upload: usize,
    /// The moment of its last look at the source.
    pub(super) looked: u64,
    /// What it has deleted, if that is what it did.
    pub(super) deleted: Option<Location>,
}

/// What was uploaded, and what lay in the store last.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) uploads: Vec<Upload>,
    copies_if_absent: bool,
    seen: Vec<Lying>,
    moment: u64,
}

impl Watch {
    /// Over a store with nothing in it. `copies_if_absent`: whether it keeps a copy off what is
    /// there already.
    pub(super) fn new(copies_if_absent: bool) -> Self {
        Self {
            uploads: vec![],
            copies_if_absent,
            seen: vec![],
            moment: 0,
        }
    }

    /// Counts what others do.
    pub(super) fn moment(&self) -> u64 {
        self.moment
    }

    /// Somebody else has done something. Answers nothing: they may do what they like.
    pub(super) fn others_did(&mut self, now: Vec<Lying>) {
        self.moment += 1;
        for upload in &mut self.uploads {
            upload.taken |= upload.lies_in(&self.seen) && !upload.lies_in(&now);
        }
        self.seen = now;
    }

    /// What they did was an upload. Answers its number.
    pub(super) fn uploaded(&mut self, file: File, bytes: &[u8]) -> usize {
        self.uploads.push(Upload {
            file,
            bytes: bytes.to_vec(),
            came: self.moment,
            taken: false,
            mistaken: false,
            orphans: false,
        });
        self.uploads.len() - 1
    }

    /// A replica has done something.
    pub(super) fn landfall_did(&mut self, now: Vec<Lying>, doer: &Doer) -> Result<(), String> {
        self.check_bytes_are_kept(&now, doer)?;
        self.check_labels(&now)?;
        self.check_strangers(&now, doer)?;
        self.check_sources(&now, doer)?;
        self.seen = now;
        Ok(())
    }

    /// No bytes that were somewhere are nowhere; only a copy of what somebody else took away may
    /// go, where the outcome says that it went.
    fn check_bytes_are_kept(&self, now: &[Lying], doer: &Doer) -> Result<(), String> {
        let somewhere = |lying: &[Lying], upload: &Upload| {
            lying.iter().any(|lying| lying.bytes == upload.bytes)
        };
        let tidies = doer.deleted.as_ref().is_some_and(|at| !self.is_source(at));
        for upload in &self.uploads {
            let lost = somewhere(&self.seen, upload) && !somewhere(now, upload);
            if lost && !(tidies && upload.taken) {
                return Err(format!("the last copy of {upload} was removed"));
            }
        }
        Ok(())
    }

    /// No version's bytes are under another's name, and nothing is filed without a name.
    fn check_labels(&self, now: &[Lying]) -> Result<(), String> {
        for lying in now.iter().filter(|lying| !self.seen.contains(lying)) {
            let label = lying.label.as_deref();
            let labelled = |upload: &&Upload| label == Some(&*upload.file.id.to_string());
            match self.uploads.iter().find(labelled) {
                Some(upload) if upload.bytes == lying.bytes => {}
                Some(upload) => return Err(format!("{lying:?} has the label of {upload}")),
                // What is uncovered was there before.
                None if self.seen.iter().any(|seen| seen.is(lying)) => {}
                None => return Err(format!("{lying:?} has no upload's label")),
            }
        }
        Ok(())
    }

    /// Nobody else's object among the filed ones is deleted, or written over where the store can
    /// prevent that.
    fn check_strangers(&self, now: &[Lying], doer: &Doer) -> Result<(), String> {
        if doer.deleted.is_none() && !self.copies_if_absent {
            return Ok(());
        }
        let strangers = self
            .seen
            .iter()
            .filter(|lying| lying.label.is_none() && !self.is_source(&lying.at));
        for stranger in strangers {
            if !now.iter().any(|lying| lying.is(stranger)) {
                return Err(format!("somebody else's {stranger:?} is gone"));
            }
        }
        Ok(())
    }

    /// Nothing is put where uploads go. What is taken away from there has been copied, and is the
    /// version that it was about.
    fn check_sources(&mut self, now: &[Lying], doer: &Doer) -> Result<(), String> {
        let put = now.iter().find(|lying| {
            self.is_source(&lying.at) && !self.seen.iter().any(|seen| seen.is(lying))
        });
        if let Some(put) = put {
            return Err(format!("{put:?} was put where uploads go"));
        }
        let own = self.uploads[doer.upload].clone();
        for (index, upload) in self.uploads.iter_mut().enumerate() {
            if !upload.lies_in(&self.seen) || upload.lies_in(now) {
                continue;
            }
            if !own.is_copied_in(now) {
                return Err(format!("{upload} was deleted for {own}, which has no copy"));
            }
            if index == doer.upload {
                continue;
            }
            let versioned = upload.file.version.id.is_some();
            if versioned || upload.bytes != own.bytes || upload.came <= doer.looked {
                return Err(format!("{upload} was deleted for {own}"));
            }
            upload.mistaken = true;
        }
        Ok(())
    }

    /// Once nobody has anything left to do: what the outcomes say is so, and of what nobody else
    /// took away there is exactly one copy.
    pub(super) fn check_end(&self, told: impl Fn(&File) -> Option<Moved>) -> Result<(), String> {
        for upload in &self.uploads {
            let moved = told(&upload.file).ok_or_else(|| format!("{upload} has no outcome"))?;
            let copies: Vec<&Lying> = self
                .seen
                .iter()
                .filter(|lying| lying.newest && upload.is_label_of(lying))
                .collect();
            let is_told = |lying: &&Lying| Some(&lying.at) == moved.destination.as_ref();
            let wrong = match moved.outcome {
                _ if upload.lies_in(&self.seen) => Some("still at its source"),
                MoveOutcome::Archived if !copies.iter().any(is_told) => Some("not there"),
                MoveOutcome::Archived if copies.len() > 1 && !upload.orphans => Some("there twice"),
                MoveOutcome::Archived => None,
                _ if !upload.taken && !upload.mistaken => Some("taken by nobody else"),
                _ if !copies.is_empty() && !upload.orphans => Some("there all the same"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                return Err(format!(
                    "{upload} is told {moved:?}, and is {wrong}: {copies:?}"
                ));
            }
        }
        Ok(())
    }

    fn is_source(&self, at: &Location) -> bool {
        self.uploads.iter().any(|upload| upload.came_to(at))
    }
}

impl Upload {
    fn came_to(&self, at: &Location) -> bool {
        (&self.file.bucket, &self.file.key) == (&at.bucket, &at.key)
    }

    /// Whether it is at its source.
    fn lies_in(&self, lying: &[Lying]) -> bool {
        let is = |lying: &Lying| self.came_to(&lying.at) && lying.version == self.file.version;
        lying.iter().any(is)
    }

    fn is_label_of(&self, lying: &Lying) -> bool {
        lying.label.as_deref() == Some(&*self.file.id.to_string())
    }

    fn is_copied_in(&self, lying: &[Lying]) -> bool {
        let is = |lying: &Lying| self.is_label_of(lying) && lying.bytes == self.bytes;
        lying.iter().any(is)
    }
}

impl Lying {
    /// Whether it is the same version, shown or not.
    fn is(&self, other: &Self) -> bool {
        (&self.at, &self.version, &self.bytes) == (&other.at, &other.version, &other.bytes)
    }
}

impl std::fmt::Display for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, bytes, .. } = self;
        let bytes = String::from_utf8_lossy(bytes);
        write!(f, "{bytes:?} ({}/{})", file.bucket, file.id)
    }
}
