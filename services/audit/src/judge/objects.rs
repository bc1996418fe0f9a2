//! Every file lies where it is said to lie, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use proto::FileId;
use runtime::text::{count, counted};

use crate::event::{File, Move, Place, Said, Stage, Step, Vanished};
use crate::facts::{Cell, Facts, Filed, Source, Upload, Way};
use crate::violation::{Rule, Violation};

const REPORT: &str = "this is an error of Landfall's; keep the journals and report it";

pub(super) fn judge(facts: &Facts, found: &mut Vec<Violation>) {
    let archived = archived(facts);
    for (id, (cell, place)) in &archived {
        if let Some(file) = facts.file(*id) {
            copy(facts, file, *cell, place, found);
        }
    }
    let deleted = deleted(facts);
    for id in &facts.chosen {
        if let Some(file) = facts.file(*id) {
            let archived = archived.get(id).map(|(_, place)| *place);
            source(facts, file, archived, deleted.contains(id), found);
        }
    }
    shared(facts, &archived, found);
    for (place, filed) in &facts.filed {
        filed_rightly(facts, &archived, place, filed, found);
    }
    if let Some(uploads) = &facts.uploads {
        let uploads = by_place(uploads);
        let copies = copies(facts);
        for id in &facts.chosen {
            if let Some(file) = facts.file(*id) {
                let accounted = archived.contains_key(id) || deleted.contains(id);
                let ours = uploads.get(&file.place()).map_or(&[][..], Vec::as_slice);
                let copies = copies.get(id).copied().unwrap_or_default();
                strictly(facts, file, accounted, ours, copies, found);
            }
        }
        if facts.whole {
            known(facts, &uploads, found);
        }
    }
}

/// Where each judged file is archived, by its last way on which it was moved: one that was only told
/// of again has taken that over.
fn archived(facts: &Facts) -> BTreeMap<FileId, (Cell, &Place)> {
    let moved = facts.judged();
    let moved = moved.filter(|(_, way)| way.from() != Some(Stage::Notify));
    let ways = moved.filter_map(|(cell, way)| match way.said(Step::Mover) {
        Some(Said::Moved {
            outcome: Move::Archived,
            destination: Some(place),
        }) => Some((cell.0, (*cell, place))),
        _ => None,
    });
    ways.collect()
}

/// The files that were deleted by choice.
fn deleted(facts: &Facts) -> BTreeSet<FileId> {
    let is_deleted = |way: &Way| {
        let outcome = match way.said(Step::Mover) {
            Some(Said::Moved { outcome, .. }) => Some(*outcome),
            _ => None,
        };
        outcome == Some(Move::Deleted)
    };
    let ways = facts.judged().filter(|(_, way)| is_deleted(way));
    ways.map(|(cell, _)| cell.0).collect()
}

/// How a file is said to have left its source without Landfall, by the last way that tells.
fn vanished(facts: &Facts, id: FileId) -> Option<Vanished> {
    let mut ways = facts.ways_of(id).rev();
    let told = ways.find_map(
        |(_, way)| match (way.said(Step::Ingest), way.said(Step::Mover)) {
            (Some(Said::Superseded { how, .. }), _) => Some(Some(*how)),
            (_, Some(Said::Moved { outcome, .. })) => Some(match outcome {
                Move::Replaced => Some(Vanished::Replaced),
                Move::Gone => Some(Vanished::Gone),
                Move::Archived | Move::Left | Move::Deleted => None,
            }),
            _ => None,
        },
    );
    told.flatten()
}

/// What is said to have left its source does not lie there still.
fn source(
    facts: &Facts,
    file: &File,
    archived: Option<&Place>,
    deleted: bool,
    found: &mut Vec<Violation>,
) {
    if facts.sources.get(&file.id) != Some(&Source::This) {
        return;
    }
    const TWICE: &str = "(were the same bytes uploaded twice within a second?)";
    let (said, next) = match (archived, vanished(facts, file.id)) {
        (Some(place), _) => (
            format!("it was archived to {}", place.shown()),
            format!("delete it there if the copy is whole: nobody else will {TWICE}"),
        ),
        _ if deleted => (
            "it was deleted by choice".to_owned(),
            "delete it there: nobody else will".to_owned(),
        ),
        (None, Some(how)) => (
            format!("it is said to be {}", how.word()),
            format!("upload it again, and report this {TWICE}"),
        ),
        (None, None) => return,
    };
    let what = format!("{said}, and lies at its source still");
    found.push(Violation::new(Rule::Source, what, &next).of(file));
}

/// An archived file's copy is there, its own and whole.
fn copy(facts: &Facts, file: &File, cell: Cell, place: &Place, found: &mut Vec<Violation>) {
    let mut wrong =
        |rule, what: String, next: &str| found.push(Violation::new(rule, what, next).of(file));
    let shown = place.shown();
    let restore = "restore it from a backup, or upload the file again";
    match facts.filed.get(place) {
        None => wrong(
            Rule::Copy,
            format!("its copy {shown} is not there"),
            restore,
        ),
        Some(filed) if filed.file.is_none() && filed.size == file.size => {
            let what = format!("what lies at {shown} does not say in its metadata whose it is");
            let next = format!(
                "if somebody restored it, give it the metadata landfall-file-id={} and \
                 landfall-replay={}; else {restore}",
                file.id, cell.1
            );
            wrong(Rule::Copy, what, &next);
        }
        Some(filed) if filed.file != Some(file.id) => {
            let whose = filed
                .file
                .map_or("nobody's".to_owned(), |id| id.to_string());
            let what = format!("what lies at {shown} is not its copy, but {whose}");
            wrong(Rule::Copy, what, restore);
        }
        Some(filed) if filed.replay != Some(cell.1) && !moving_on(facts, file, cell, filed) => {
            let what = format!("its copy {shown} is not of replay {}", cell.1);
            wrong(Rule::Copy, what, REPORT);
        }
        Some(filed) if filed.size != file.size => {
            let what = format!(
                "its copy {shown} has {}, and the file had {}",
                counted(filed.size, "byte"),
                count(file.size)
            );
            wrong(Rule::Copy, what, restore);
        }
        Some(_) => {}
    }
}

/// Whether a later replay has put it there that is on its way still, or was given up on.
fn moving_on(facts: &Facts, file: &File, cell: Cell, filed: &Filed) -> bool {
    let later = filed.replay.filter(|replay| *replay > cell.1);
    let way = later.and_then(|replay| facts.ways.get(&(file.id, replay)));
    way.is_some_and(|way| !matches!(way.said(Step::Mover), Some(Said::Moved { .. })))
}

/// No two files have one destination.
fn shared(facts: &Facts, archived: &BTreeMap<FileId, (Cell, &Place)>, found: &mut Vec<Violation>) {
    let mut owners: BTreeMap<&Place, FileId> = BTreeMap::new();
    for (id, (_, place)) in archived {
        if let Some(other) = owners.insert(place, *id) {
            let what = format!("{other} was archived to the same {}", place.shown());
            let new = Violation::new(Rule::Destination, what, REPORT);
            found.push(new.about((*id, 0), facts.file(*id)));
        }
    }
}

/// An object in the archive is of a file that the journals know and that was to lie there.
fn filed_rightly(
    facts: &Facts,
    archived: &BTreeMap<FileId, (Cell, &Place)>,
    place: &Place,
    filed: &Filed,
    found: &mut Vec<Violation>,
) {
    // Objects without the mark are somebody else's, who may put them there.
    let Some(id) = filed.file else { return };
    let mut wrong = |what: String, next: &str| {
        found.push(Violation {
            file: Some(id.to_string()),
            ..Violation::new(Rule::Filed, what, next).at(place)
        });
    };
    let Some((_, way)) = facts.last_way(id) else {
        if facts.whole && filed.modified >= facts.horizon {
            let what = "an object in the archive names a file that nobody knows".to_owned();
            wrong(what, "find out who put it there, and remove it");
        }
        return;
    };
    if !facts.chosen.contains(&id) {
        return;
    }
    // Whose place it is lacks its copy, and that is told.
    let taken = |(other, (_, own)): (&FileId, &(Cell, &Place))| *other != id && *own == place;
    if archived.iter().any(taken) && archived.get(&id).is_none_or(|(_, own)| *own != place) {
        return;
    }
    let remove = "compare the two, and remove the one that is too many";
    if let (Some((cell, _)), Some(file)) = (archived.get(&id), facts.file(id))
        && moving_on(facts, file, *cell, filed)
    {
        return;
    }
    match (archived.get(&id), way.said(Step::Mover)) {
        (Some((_, own)), _) if *own != place => {
            let what = format!(
                "a copy of it lies here, and it was archived to {}",
                own.shown()
            );
            wrong(what, remove);
        }
        (Some(_), _) => {}
        (None, Some(Said::Moved { outcome, .. })) => {
            let what = match outcome {
                Move::Replaced => "a copy of it lies here, and it was replaced before it was moved",
                Move::Left => "a copy of it lies here, and it was left where it was",
                Move::Deleted => "a copy of it lies here, and it was deleted by choice",
                _ => "a copy of it lies here, and it was gone before it was moved",
            };
            wrong(
                what.to_owned(),
                "look whether it is whole; keep it elsewhere, or remove it",
            );
        }
        // On its way, or given up on: it may lie where it has a claim.
        (None, _) if facts.claims.get(place) == Some(&id) => {}
        (None, _) => wrong(
            "a copy of it lies here, and the mover's journal gives the place to another".to_owned(),
            remove,
        ),
    }
}

/// The uploads to each place, in the order in which they were made.
fn by_place(uploads: &[Upload]) -> BTreeMap<&Place, Vec<&Upload>> {
    let mut places: BTreeMap<&Place, Vec<&Upload>> = BTreeMap::new();
    for upload in uploads {
        places.entry(&upload.place).or_default().push(upload);
    }
    places
}

/// How many copies of each file there are in the archive.
fn copies(facts: &Facts) -> BTreeMap<FileId, usize> {
    let mut copies = BTreeMap::new();
    for file in facts.filed.values().filter_map(|filed| filed.file) {
        *copies.entry(file).or_default() += 1;
    }
    copies
}

/// Nothing of a file is lost but by somebody else's doing, as the uploads to its place tell.
/// `accounted`: it is archived, and so judged already, or was deleted by choice.
fn strictly(
    facts: &Facts,
    file: &File,
    accounted: bool,
    uploads: &[&Upload],
    copies: usize,
    found: &mut Vec<Violation>,
) {
    let mut wrong =
        |rule, what: String, next: &str| found.push(Violation::new(rule, what, next).of(file));
    let Some(first) = uploads.iter().position(|upload| is(upload, file)) else {
        let what = "it was never uploaded".to_owned();
        wrong(Rule::Upload, what, "is the list of uploads whole?");
        return;
    };
    let others = first + 1 < uploads.len();
    let deleted = uploads[first..].iter().any(|upload| upload.deleted);
    let content = uploads[first].sha256.as_deref();
    if let (Some(content), Some(recount)) = (content, facts.recounts.get(&file.id))
        && let Ok(counted) = &recount.counted
        && counted.sha256 != content
    {
        let what = "its copy holds other bytes than were uploaded".to_owned();
        wrong(
            Rule::Copy,
            what,
            "restore it from a backup, or upload the file again",
        );
    }
    let at_source = facts.sources.get(&file.id) == Some(&Source::This);
    let by_somebody = deleted || others;
    let nowhere = copies == 0 && !at_source;
    if nowhere && !by_somebody && !accounted {
        let what = "it lies nowhere any more, and nobody replaced or deleted it".to_owned();
        wrong(Rule::LastCopy, what, REPORT);
    }
    let replaced = vanished(facts, file.id) == Some(Vanished::Replaced);
    if replaced && deleted && !others {
        let what = "it is said to be replaced, and nobody uploaded its key again".to_owned();
        wrong(Rule::Source, what, REPORT);
    }
    let failed = facts.last_way(file.id).is_some_and(|(_, way)| {
        way.ends()
            .iter()
            .any(|end| matches!(end.event.said, Said::Failed { .. }))
    });
    // A move that was given up on between its copy and its delete leaves both, and says so.
    if failed && copies > 1 {
        let what = format!("it failed, and {copies} copies of it are in the archive");
        wrong(
            Rule::LastCopy,
            what,
            "compare them, and remove those that are too many",
        );
    }
}

/// Every upload is known, or somebody replaced or deleted it before it was seen.
fn known(facts: &Facts, uploads: &BTreeMap<&Place, Vec<&Upload>>, found: &mut Vec<Violation>) {
    let files: BTreeSet<FileId> = facts.ways.keys().map(|(id, _)| *id).collect();
    let files: Vec<&File> = files.iter().filter_map(|id| facts.file(*id)).collect();
    let mut journalled: BTreeMap<Place, Vec<&File>> = BTreeMap::new();
    for file in files {
        journalled.entry(file.place()).or_default().push(file);
    }
    // The others were replaced.
    for upload in uploads.values().filter_map(|uploads| uploads.last()) {
        let files = journalled.get(&upload.place);
        let is_known = files.is_some_and(|files| files.iter().any(|file| is(upload, file)));
        if facts.settled && !is_known && !upload.deleted {
            let what = format!("the upload with the tag {} was never seen", upload.etag);
            let next = "does it lie there still? Then look at the watcher's log";
            found.push(Violation::new(Rule::Upload, what, next).at(&upload.place));
        }
    }
}

/// Whether an upload to a file's place was of that file.
fn is(upload: &Upload, file: &File) -> bool {
    upload.etag == file.version.etag
        && (upload.version.is_none() || upload.version == file.version.id)
}
