//! Events in words. Pure.

use anstyle::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proto::event::{
    Arrived, Command, Commanded, Failed, FoundBy, Location, MailOutcome, MoveOutcome, Moved,
    Notified, Report, Retracted, Superseded, Vanished,
};
use proto::{Data, Event};
use runtime::text::{count, counted, size};

use crate::output::{BAD, BOLD, FAINT, GOOD, plain, styled};

/// One line: when, what, of which file, and what happened in numbers.
pub(crate) fn line(event: &Event, stored: Timestamp, coloured: bool) -> String {
    let (file, replay) = event.about();
    let time = time_of_day(stored);
    let what = format!("{:<10}", event.data.what().token());
    let key = plain(&file.key);
    let replay = match replay {
        0 => String::new(),
        number => format!(" (replay {number})"),
    };
    format!(
        "{} {} {}{replay}  {}",
        styled(&time, FAINT, coloured),
        styled(&what, style(&event.data), coloured),
        styled(&key, BOLD, coloured),
        plain(&happened(&event.data)),
    )
}

/// The time of day where this machine is.
pub(crate) fn time_of_day(time: Timestamp) -> String {
    let here = time.to_zoned(TimeZone::system());
    here.strftime("%H:%M:%S").to_string()
}

/// What happened, in a few words and numbers.
pub(crate) fn happened(data: &Data) -> String {
    match data {
        Data::Arrived(data) => arrived(data),
        Data::Ingested(data) => ingested(&data.report),
        Data::Rejected(data) => format!("nothing of it is stored: {}", data.reason),
        Data::Superseded(data) => superseded(data),
        Data::Moved(data) => moved(data),
        Data::Failed(data) => failed(data),
        Data::Notified(data) => notified(data),
        Data::Commanded(data) => commanded(data),
        Data::Retracted(data) => retracted(data),
    }
}

/// Whether this is how everybody wants it: everything else deserves a look.
pub(crate) fn is_good(data: &Data) -> bool {
    match data {
        Data::Arrived(_) | Data::Ingested(_) | Data::Commanded(_) | Data::Retracted(_) => true,
        Data::Moved(data) => {
            let in_place = matches!(
                data.outcome,
                MoveOutcome::Archived | MoveOutcome::Left | MoveOutcome::Deleted
            );
            in_place && data.rejected.is_none()
        }
        Data::Notified(data) => {
            matches!(data.outcome, MailOutcome::Accepted | MailOutcome::Nobody)
        }
        Data::Rejected(_) | Data::Superseded(_) | Data::Failed(_) => false,
    }
}

/// Whether nothing follows it but a replay.
pub(crate) fn is_last(data: &Data) -> bool {
    matches!(
        data,
        Data::Notified(_) | Data::Superseded(_) | Data::Failed(_) | Data::Retracted(_)
    )
}

fn style(data: &Data) -> Style {
    if is_good(data) { GOOD } else { BAD }
}

fn arrived(data: &Arrived) -> String {
    let found = match data.found_by {
        FoundBy::Notification => "a notification",
        FoundBy::Sweep => "the sweep",
        FoundBy::Backfill => "`landfall backfill`",
    };
    format!(
        "{}, found by {found}, profile {}",
        size(data.file.size),
        data.file.profile
    )
}

fn ingested(report: &Report) -> String {
    if report.read == 0 {
        return "it holds no readings".to_owned();
    }
    let about = if report.at_least { "at most " } else { "" };
    let mut text = format!("{about}{} stored", counted(report.stored, "reading"));
    if report.rejected > 0 {
        text += &format!(
            ", {} refused in {}",
            count(report.rejected),
            counted(report.rejected_lines, "line")
        );
        if let Some(rejects) = &report.rejects {
            text += &format!(" (see {})", location(rejects));
        }
    }
    if report.duplicated > 0 {
        let least = if report.at_least { "at least " } else { "" };
        text += &format!(
            ", {least}{} overridden by later lines",
            count(report.duplicated)
        );
    }
    if let (Some(first), Some(last)) = (report.first, report.last) {
        text += &format!(", {} to {}", minute(first), minute(last));
    }
    text
}

fn superseded(data: &Superseded) -> String {
    let how = vanished(data.how);
    match data.rows_up_to {
        0 => format!("{how} before it was read; nothing of it is stored"),
        rows => format!(
            "{how} while it was read; up to {} stored",
            counted(rows, "reading")
        ),
    }
}

fn vanished(how: Vanished) -> &'static str {
    match how {
        Vanished::Gone => "it was deleted",
        Vanished::Replaced => "another version took its place",
    }
}

fn moved(data: &Moved) -> String {
    match (data.outcome, &data.destination) {
        (MoveOutcome::Archived, Some(destination)) => format!("to {}", location(destination)),
        (MoveOutcome::Archived, None) => "filed away".to_owned(),
        (MoveOutcome::Replaced, _) => "not moved: another version took its place".to_owned(),
        (MoveOutcome::Gone, _) => "not moved: it was deleted".to_owned(),
        (MoveOutcome::Left, _) => "left where it is".to_owned(),
        (MoveOutcome::Deleted, _) => "deleted, its readings being stored".to_owned(),
    }
}

fn failed(data: &Failed) -> String {
    format!(
        "{} gave up: {} (dead letter {} in {})",
        data.step, data.reason, data.dead_letter.sequence, data.dead_letter.stream
    )
}

fn notified(data: &Notified) -> String {
    let accepted: Vec<&str> = data
        .receivers
        .iter()
        .filter(|receiver| receiver.accepted)
        .map(|receiver| receiver.address.as_str())
        .collect();
    let answer = data.answer.as_deref().unwrap_or("no answer");
    let refused = data.receivers.len() - accepted.len();
    match data.outcome {
        MailOutcome::Accepted if refused > 0 => format!(
            "mail to {}; refused for {}",
            accepted.join(", "),
            counted(refused as u64, "other")
        ),
        MailOutcome::Accepted => format!("mail to {}", accepted.join(", ")),
        MailOutcome::Refused => format!("the mail was refused: {answer}"),
        MailOutcome::Unknown => format!("the mail may or may not have been taken: {answer}"),
        MailOutcome::Nobody => "no route wants a mail".to_owned(),
    }
}

fn commanded(data: &Commanded) -> String {
    let what = match data.command {
        Command::Replay { from, corrected } => {
            let profile = match corrected {
                true => format!(" with profile {}", data.file.profile),
                false => String::new(),
            };
            format!("replay {} from {}{profile}", data.replay, from.name())
        }
        Command::Retract => "retraction".to_owned(),
    };
    format!(
        "{what}, ordered by {}{}",
        data.by,
        because(data.why.as_deref())
    )
}

/// What was ordered, by whom and when.
pub(crate) fn ordered(event: &Event) -> String {
    match &event.data {
        Data::Commanded(data) => format!("{} at {}", commanded(data), time_of_day(event.time)),
        other => happened(other),
    }
}

fn retracted(data: &Retracted) -> String {
    format!(
        "{} taken out of the database, ordered by {}{}",
        counted(data.readings, "reading"),
        data.by,
        because(data.why.as_deref())
    )
}

fn because(why: Option<&str>) -> String {
    why.map_or_else(String::new, |why| format!(" ({why})"))
}

fn location(location: &Location) -> String {
    format!("{}/{}", location.bucket, location.key)
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}
