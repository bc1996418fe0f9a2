//! Every file lies where it is said to lie, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use proto::FileId;
use runtime::text::{count, counted};

use crate::event::{File, Move, Place, Said, Stage, Step};
use crate::facts::{Cell, Facts, Filed, Source, Upload};
use crate::violation::{Rule, Violation};

const REPORT: &str = "this is an error of Landfall's; keep the journals and report it";

pub(super) fn judge(facts: &Facts, found: &mut Vec<Violation>) {
    let archived = archived(facts);
    for (id, (cell, place)) in &archived {
        if let Some(file) = facts.file(*id) {
            copy(facts, file, *cell, place, found);
        }
    }
    shared(facts, &archived, found);
    for (place, filed) in &facts.filed {
        filed_rightly(facts, &archived, place, filed, found);
    }
    if let Some(uploads) = &facts.uploads {
        for id in &facts.chosen {
            if let Some(file) = facts.file(*id) {
                strictly(facts, file, &archived, uploads, found);
            }
        }
        if facts.whole {
            known(facts, uploads, found);
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

/// An archived file's copy is there, its own and whole, and its source is not there any more.
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
    if facts.sources.get(&file.id) == Some(&Source::This) {
        let what = format!("it was archived to {shown}, and lies at its source still");
        let next = "delete it there if the copy is whole: nobody else will (were the same bytes \
                    uploaded twice within a second?)";
        wrong(Rule::Source, what, next);
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

/// Nothing of a file is lost but by somebody else's doing, as the list of uploads tells.
fn strictly(
    facts: &Facts,
    file: &File,
    archived: &BTreeMap<FileId, (Cell, &Place)>,
    uploads: &[Upload],
    found: &mut Vec<Violation>,
) {
    let mut wrong =
        |rule, what: String, next: &str| found.push(Violation::new(rule, what, next).of(file));
    let ours = |upload: &Upload| is(upload, file);
    let Some(first) = uploads.iter().position(ours) else {
        let what = "it was never uploaded".to_owned();
        wrong(Rule::Upload, what, "is the list of uploads whole?");
        return;
    };
    let same_key = |upload: &&Upload| upload.place == file.place();
    let others = uploads[first + 1..].iter().filter(same_key).count() > 0;
    let deleted = uploads[first..]
        .iter()
        .filter(same_key)
        .any(|upload| upload.deleted);
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
    let copies = facts.filed.values();
    let copies = copies.filter(|filed| filed.file == Some(file.id)).count();
    let at_source = facts.sources.get(&file.id) == Some(&Source::This);
    let by_somebody = deleted || others;
    let nowhere = copies == 0 && !at_source;
    if nowhere && !by_somebody && !archived.contains_key(&file.id) {
        let what = "it lies nowhere any more, and nobody replaced or deleted it".to_owned();
        wrong(Rule::LastCopy, what, REPORT);
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
fn known(facts: &Facts, uploads: &[Upload], found: &mut Vec<Violation>) {
    let files: BTreeSet<FileId> = facts.ways.keys().map(|(id, _)| *id).collect();
    let files: Vec<&File> = files.iter().filter_map(|id| facts.file(*id)).collect();
    let mut by_place: BTreeMap<Place, Vec<&File>> = BTreeMap::new();
    for file in files {
        by_place.entry(file.place()).or_default().push(file);
    }
    for (at, upload) in uploads.iter().enumerate() {
        let journalled = by_place.get(&upload.place);
        let is_known = journalled.is_some_and(|files| files.iter().any(|file| is(upload, file)));
        let replaced = uploads[at + 1..]
            .iter()
            .any(|later| later.place == upload.place);
        if facts.settled && !is_known && !replaced && !upload.deleted {
            let what = format!("the upload with the tag {} was never seen", upload.etag);
            let next = "does it lie there still? Then look at the watcher's log";
            found.push(Violation::new(Rule::Upload, what, next).at(&upload.place));
        }
    }
}

fn is(upload: &Upload, file: &File) -> bool {
    upload.place == file.place()
        && upload.etag == file.version.etag
        && (upload.version.is_none() || upload.version == file.version.id)
}
