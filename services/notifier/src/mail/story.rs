//! What a mail says, before it is text or HTML: plain functions over the event.

use proto::event::{DeadLetter, Failed, Location, MoveOutcome, Moved, Reject, Replayed, Report};
use proto::{Data, Event, File, User};
use runtime::text::{count, counted};

use super::figures::{bytes, time};
use crate::visible::{name, visible};

/// What a mail says. Everything in it from outside is made visible and short enough to be shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Story {
    /// The subject.
    pub(crate) subject: String,
    /// How it went, in a word.
    pub(crate) verdict: Verdict,
    /// The file's name.
    pub(crate) name: String,
    /// What happened, and what to do about it: a sentence or two each.
    pub(crate) paragraphs: Vec<String>,
    /// What is known: label and value.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// The first refused rows.
    pub(crate) rejects: Vec<Row>,
    /// How many refused lines are not shown.
    pub(crate) more_rejects: u64,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything was stored.
    Stored,
    /// Some of it was stored.
    Partly,
    /// It holds no readings.
    Empty,
    /// Nothing was stored: the file was refused.
    Rejected,
    /// A step gave up.
    Failed,
}

/// A refused row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// `line 7`, or `line 7, column temperature`.
    pub(crate) place: String,
    /// What stood there.
    pub(crate) value: String,
    /// Why it cannot be taken.
    pub(crate) reason: String,
}

/// Room for a file's name in a subject, which phones cut early.
const MOST_NAME: usize = 60;
/// Room for a whole key: the longest that a store takes, and as much again for what is spelled out.
const MOST_KEY: usize = 2048;
/// Room for a reason.
const MOST_REASON: usize = 600;
/// Room for a cell.
const MOST_CELL: usize = 80;
/// Refused rows that are shown, whatever the event holds.
const MOST_REJECTS: usize = 10;

/// The story of a `moved` or `failed`; none for other events.
pub(crate) fn story(event: &Event) -> Option<Story> {
    match &event.data {
        Data::Moved(moved) => {
            let story = match &moved.rejected {
                Some(reason) => rejected(moved, reason),
                None => ingested(moved),
            };
            Some(story.replayed(moved.replay, moved.replayed.as_ref()))
        }
        Data::Failed(failed) => {
            let story = gave_up(failed);
            Some(story.replayed(failed.replay, failed.replayed.as_ref()))
        }
        _ => None,
    }
}

impl Story {
    /// The same, of a replay: which one, and who ordered it.
    fn replayed(mut self, replay: u32, replayed: Option<&Replayed>) -> Self {
        let Some(Replayed { from, by, why, .. }) = replayed else {
            return self;
        };
        self.subject += &format!(" (replay {replay})");
        let why = why.as_deref().map(|why| format!(": {}", sentence(why)));
        let told = format!(
            "This is replay {replay} of the file, from {}, ordered by {}{}.",
            from.name(),
            visible(by, MOST_CELL),
            why.unwrap_or_default()
        );
        self.paragraphs.insert(0, told);
        self
    }
}

impl Verdict {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Partly => "partly stored",
            Self::Empty => "no readings",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

fn ingested(moved: &Moved) -> Story {
    let report = &moved.report;
    let name = name(&moved.file.key, MOST_NAME);
    let partly = report.rejected > 0;
    let stored = counted(report.stored, "reading");
    let (subject, happened) = if report.read == 0 {
        (
            format!("{name}: no readings"),
            "The file holds no readings. Nothing was stored, and nothing was refused.".to_owned(),
        )
    } else if partly {
        (
            format!(
                "{name}: {stored} stored, {} refused",
                count(report.rejected)
            ),
            format!(
                "{} of the file's {} {} in the database. {}",
                count(report.stored),
                counted(report.read, "reading"),
                are(report.stored),
                refused(report)
            ),
        )
    } else {
        (
            format!("{name}: {stored} stored"),
            format!(
                "The file was read to its end, and its {stored} {} in the database.",
                are(report.stored)
            ),
        )
    };
    let mut paragraphs = vec![happened];
    if let (Some(rows), Some(reasons)) = (&report.rejects, report.reasons()) {
        paragraphs.push(format!(
            "The refused rows are kept in {}, and what is wrong with each is listed in {}. \
             Correct the rows, and upload them as {}: they load as they are.",
            place(rows),
            visible(&reasons.key, MOST_KEY),
            source(&moved.file)
        ));
    }
    paragraphs.extend(whereabouts(moved));
    Story {
        subject,
        verdict: match report.read {
            0 => Verdict::Empty,
            _ if partly => Verdict::Partly,
            _ => Verdict::Stored,
        },
        name,
        paragraphs,
        facts: [
            about(&moved.file),
            counts(report),
            places(moved),
            ids(&moved.file, moved.replay),
        ]
        .concat(),
        rejects: rows(&report.first_rejects),
        more_rejects: hidden(report),
    }
}

fn rejected(moved: &Moved, reason: &str) -> Story {
    let name = name(&moved.file.key, MOST_NAME);
    let report = &moved.report;
    let mut paragraphs = vec![
        format!("The file was rejected: {}.", sentence(reason)),
        format!(
            "Nothing of it {}. Correct the file, and upload it whole as {}.",
            match moved.replay {
                0 => "is in the database",
                _ => "was stored by this replay",
            },
            source(&moved.file)
        ),
    ];
    if let Some(reasons) = report.reasons() {
        paragraphs.push(format!(
            "What is wrong with each refused row is listed in {}.",
            place(&reasons)
        ));
    }
    paragraphs.extend(whereabouts(moved));
    Story {
        subject: format!("{name}: rejected"),
        verdict: Verdict::Rejected,
        name,
        paragraphs,
        facts: [
            about(&moved.file),
            counts(report),
            places(moved),
            ids(&moved.file, moved.replay),
        ]
        .concat(),
        rejects: rows(&report.first_rejects),
        more_rejects: hidden(report),
    }
}

fn gave_up(failed: &Failed) -> Story {
    let name = name(&failed.file.key, MOST_NAME);
    let so_far = match failed.step {
        User::Ingest => {
            "It was not read to its end; some of its readings may be in the database. It lies \
             where it was uploaded."
        }
        User::Mover => {
            "It was read, but could not be filed away. It lies where it was uploaded, or its copy \
             is at its destination already."
        }
        _ => "It stays where it is.",
    };
    let DeadLetter { stream, sequence } = &failed.dead_letter;
    Story {
        subject: format!("{name}: failed at {}", failed.step),
        verdict: Verdict::Failed,
        name,
        paragraphs: vec![
            format!(
                "Landfall gave up on the file at {}: {}.",
                failed.step,
                sentence(&failed.reason)
            ),
            format!("{so_far} Mend what the reason names, then upload the file again."),
        ],
        facts: [
            about(&failed.file),
            vec![(
                "Dead letter",
                format!("stream {}, message {sequence}", visible(stream, 64)),
            )],
            ids(&failed.file, failed.replay),
        ]
        .concat(),
        rejects: vec![],
        more_rejects: 0,
    }
}

/// What became of the object where it is not simply filed away.
fn whereabouts(moved: &Moved) -> Option<String> {
    let words = match moved.outcome {
        MoveOutcome::Archived => return None,
        MoveOutcome::Replaced => {
            "Before it could be filed away another upload took its place; that one is a file of \
             its own."
        }
        MoveOutcome::Gone => "Somebody deleted it before it could be filed away.",
        MoveOutcome::Left => "It stays where it was uploaded.",
        MoveOutcome::Deleted => {
            "Its readings being stored, the file was deleted, as is set for its kind."
        }
    };
    Some(words.to_owned())
}

fn about(file: &File) -> Vec<(&'static str, String)> {
    vec![
        ("File", visible(&file.key, MOST_KEY)),
        ("Bucket", visible(&file.bucket, 255)),
        ("Size", bytes(file.size)),
        ("Uploaded", time(file.version.last_modified)),
    ]
}

fn counts(report: &Report) -> Vec<(&'static str, String)> {
    let (most, least) = if report.at_least {
        ("at most ", "at least ")
    } else {
        ("", "")
    };
    let mut facts = vec![("Readings", count(report.read))];
    facts.push(("Stored", format!("{most}{}", count(report.stored))));
    if report.rejected > 0 {
        facts.push((
            "Refused",
            format!("{}{}", count(report.rejected), lines(report)),
        ));
    }
    if report.duplicated > 0 || report.at_least {
        let overridden = count(report.duplicated);
        facts.push((
            "Overridden",
            format!("{least}{overridden} by later lines of the file"),
        ));
    }
    if report.truncated_times > 0 {
        let times = count(report.truncated_times);
        facts.push((
            "Times",
            format!("{times} finer than a millisecond, cut to it"),
        ));
    }
    match (report.first, report.last) {
        (Some(first), Some(last)) if first == last => facts.push(("Reading at", time(first))),
        (Some(first), Some(last)) => {
            facts.push(("First reading", time(first)));
            facts.push(("Last reading", time(last)));
        }
        _ => {}
    }
    facts
}

fn places(moved: &Moved) -> Vec<(&'static str, String)> {
    let mut facts = vec![];
    if let Some(destination) = &moved.destination {
        facts.push(("Filed as", place(destination)));
    }
    if let Some(rejects) = &moved.report.rejects {
        facts.push(("Refused rows", place(rejects)));
    }
    if let Some(reasons) = moved.report.reasons() {
        facts.push(("Reasons", place(&reasons)));
    }
    facts
}

fn ids(file: &File, replay: u32) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Profile", visible(&file.profile, 64))];
    if replay > 0 {
        facts.push(("Replay", count(replay.into())));
    }
    facts.push(("File id", file.id.to_string()));
    facts
}

fn rows(rejects: &[Reject]) -> Vec<Row> {
    let shown = rejects.iter().take(MOST_REJECTS);
    shown
        .map(|reject| Row {
            place: match &reject.column {
                Some(column) => {
                    format!(
                        "line {}, {}",
                        count(reject.line),
                        visible(column, MOST_CELL)
                    )
                }
                None => format!("line {}", count(reject.line)),
            },
            value: visible(&reject.value, MOST_CELL),
            reason: sentence(&reject.reason),
        })
        .collect()
}

/// Refused lines that are not among the shown; several refused cells may share a line.
fn hidden(report: &Report) -> u64 {
    let mut shown: Vec<u64> = report
        .first_rejects
        .iter()
        .take(MOST_REJECTS)
        .map(|reject| reject.line)
        .collect();
    shown.dedup();
    let shown = u64::try_from(shown.len()).unwrap_or(u64::MAX);
    if shown == 0 {
        0
    } else {
        report.rejected_lines.saturating_sub(shown)
    }
}

fn refused(report: &Report) -> String {
    let what = if report.rejected == 1 {
        "1 was refused".to_owned()
    } else {
        format!("{} were refused", count(report.rejected))
    };
    format!("{what}{}.", lines(report))
}

fn are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

fn lines(report: &Report) -> String {
    match report.rejected_lines {
        0 => String::new(),
        lines => format!(" in {}", counted(lines, "line")),
    }
}

fn place(location: &Location) -> String {
    let Location { bucket, key } = location;
    format!(
        "{} in bucket {}",
        visible(key, MOST_KEY),
        visible(bucket, 255)
    )
}

/// Where it was uploaded: what is uploaded there is read by the same profile, as a file of its
/// own.
fn source(file: &File) -> String {
    let File { bucket, key, .. } = file;
    place(&Location {
        bucket: bucket.clone(),
        key: key.clone(),
    })
}

/// A reason as the end of a sentence.
fn sentence(reason: &str) -> String {
    visible(reason.trim().trim_end_matches('.'), MOST_REASON)
}

#[cfg(test)]
#[path = "story/tests.rs"]
mod tests;
