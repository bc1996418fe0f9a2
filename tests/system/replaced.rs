//! A source that is replaced between any two steps of ingest and of the mover.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use proto::event::{MoveOutcome, Vanished};
use proto::{Data, User, What};
use tests::python::{self, Csv};
use tests::rows::difference;
use tests::{Builder, Installation, PATIENCE, Upload, is_killed, run, sample};

/// What becomes of a file that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// `superseded`, and nothing of it was read.
    Unread,
    /// `superseded`, and its readings were going to be written.
    Decided,
    /// `superseded`, and those of its first part were written.
    Begun,
    /// `superseded`, and its readings were written.
    Written,
    /// `ingested`, and not archived.
    Ingested,
    /// Archived.
    Archived,
}

/// The calls of ingest that are about one file, and what becomes of a file that is replaced after
/// each.
const INGEST: &[(&str, Ending)] = &[
    ("journal.settled.MOMENT@ID", Ending::Unread),
    ("journal.read.MOMENT@decision/ID", Ending::Unread),
    ("objects.get.MOMENT@KEY", Ending::Unread),
    ("journal.create.MOMENT@decision/ID", Ending::Decided),
    ("readings.write.MOMENT@ID", Ending::Written),
    ("objects.head.MOMENT@KEY", Ending::Written),
    (
        "journal.create.MOMENT@rejects/BUCKET/rejected-rows/KEY",
        Ending::Written,
    ),
    ("objects.put.MOMENT@KEY", Ending::Written),
    ("objects.put.MOMENT:2@KEY", Ending::Written),
    ("journal.settle.MOMENT@ingested/KEY", Ending::Ingested),
    ("publish.MOMENT@ingested/KEY", Ending::Ingested),
    ("journal.mark_published.MOMENT@ID", Ending::Ingested),
];

/// The same where a file is read in two passes, of which the second writes it in two parts.
const INGEST_TWICE: &[(&str, Ending)] = &[
    ("journal.settled.MOMENT@ID", Ending::Unread),
    ("journal.read.MOMENT@decision/ID", Ending::Unread),
    ("objects.get.MOMENT@KEY", Ending::Unread),
    ("journal.create.MOMENT@decision/ID", Ending::Decided),
    ("objects.get.MOMENT:2@KEY", Ending::Decided),
    ("readings.write.MOMENT@ID", Ending::Begun),
    ("readings.write.MOMENT:2@ID", Ending::Written),
    ("objects.head.MOMENT@KEY", Ending::Written),
    (
        "journal.create.MOMENT@rejects/BUCKET/rejected-rows/KEY",
        Ending::Written,
    ),
    ("objects.put.MOMENT@KEY", Ending::Written),
    ("objects.put.MOMENT:2@KEY", Ending::Written),
    ("journal.settle.MOMENT@ingested/KEY", Ending::Ingested),
    ("publish.MOMENT@ingested/KEY", Ending::Ingested),
    ("journal.mark_published.MOMENT@ID", Ending::Ingested),
];

/// The same of the mover.
const MOVER: &[(&str, Ending)] = &[
    ("journal.settled.MOMENT@ID", Ending::Ingested),
    ("journal.create.MOMENT@shelf/ID", Ending::Ingested),
    (
        "journal.create.MOMENT@destination/BUCKET/processed/KEY",
        Ending::Ingested,
    ),
    ("objects.head.MOMENT@KEY", Ending::Ingested),
    ("objects.copy.MOMENT@KEY", Ending::Archived),
    ("objects.head.MOMENT:2@KEY", Ending::Archived),
    ("objects.head.MOMENT:3@KEY", Ending::Archived),
    ("objects.delete.MOMENT@KEY", Ending::Archived),
    ("journal.settle.MOMENT@moved/KEY", Ending::Archived),
    ("publish.MOMENT@moved/KEY", Ending::Archived),
    ("journal.mark_published.MOMENT@ID", Ending::Archived),
];

/// A few rows may be refused, so that ingest puts them aside.
const PROFILE: &str = "[[profiles]]\nname = \"lenient\"\nkey = \"incoming/**\"\n\
    values = [\"value\"]\nbudget = \"50%\"";

const LINES: [u32; 2] = [6, 4];

/// Readings of a part, where files are read in two passes: the first version has one more, the
/// second has fewer.
const PART: u32 = 5;

const WHOLE: [What; 4] = [What::Arrived, What::Ingested, What::Moved, What::Notified];

#[test]
fn a_source_that_is_replaced_at_any_step_of_ingest_leaves_the_new_one_its_own_way() {
    let builder = Installation::builder();
    run(replaced_at_every_step(builder, User::Ingest, INGEST));
}

#[test]
fn a_source_that_is_replaced_at_any_step_of_two_passes_leaves_the_new_one_its_own_way() {
    let builder = Installation::builder().set("ingest.in_memory", PART);
    run(replaced_at_every_step(builder, User::Ingest, INGEST_TWICE));
}

#[test]
fn a_source_that_is_replaced_at_any_step_of_the_mover_leaves_the_new_one_its_own_way() {
    let builder = Installation::builder();
    run(replaced_at_every_step(builder, User::Mover, MOVER));
}

/// Of each file, the service is killed at another point, and the next version comes while it is
/// dead. What it held comes again beside the files after it.
async fn replaced_at_every_step(
    builder: Builder,
    user: User,
    steps: &[(&str, Ending)],
) -> Result<()> {
    let mut landfall = builder
        .without(User::Ingest)
        .without(User::Mover)
        .config(PROFILE)
        .set("notifier.delay", "100ms")
        .set("nats.ack_wait", "1s")
        .set("nats.max_deliver", 10_000)
        .start()
        .await?;
    if user == User::Mover {
        landfall.add(User::Ingest).await?;
    }
    let whole = nothing_is_left_out(&mut landfall, user, steps).await?;
    // After one call is before the next.
    let first = [("before", &steps[0])];
    let points = first
        .into_iter()
        .chain(steps.iter().map(|step| ("after", step)));
    let mut pairs = vec![];
    for (moment, (step, ending)) in points {
        let point = step.replace("MOMENT", moment);
        let pair = Pair::put(&mut landfall, user, pairs.len(), &point, *ending).await;
        pairs.push(pair.with_context(|| point)?);
    }
    if user == User::Ingest {
        landfall.add(User::Ingest).await?;
        // Moved away before that, the later ones would leave nothing to be replaced by.
        for pair in pairs.iter().filter(|pair| pair.ending < Ending::Ingested) {
            landfall.ended(&pair.one).await?;
        }
    }
    landfall.add(User::Mover).await?;

    landfall.ended(&whole).await?;
    for pair in &pairs {
        let ended = pair.has_ended(&landfall).await;
        ended.with_context(|| format!("replaced at {}", pair.point))?;
    }
    readings_are_right(&landfall, &pairs)?;
    let told = |pair: &Pair| 1 + usize::from(pair.ending >= Ending::Ingested);
    let expected = 1 + pairs.iter().map(told).sum::<usize>();
    let mails = landfall.mails()?.len();
    ensure!(mails == expected, "{mails} mails, not {expected}");
    landfall.finish().await
}

/// Whether the service makes a call on a file's way that the steps do not have. Answers the file.
async fn nothing_is_left_out(
    landfall: &mut Installation,
    user: User,
    steps: &[(&str, Ending)],
) -> Result<Upload> {
    let upload = landfall
        .put("incoming/first.csv", content("first", 0))
        .await?;
    landfall.said(&upload, input(user)).await?;
    let service = landfall.arm(user, "")?;
    let output = match user {
        User::Ingest => What::Ingested,
        _ => What::Moved,
    };
    landfall.said(&upload, output).await?;
    service.stop().await;
    let of_file = service.hits()?;
    let service = landfall.arm(user, "")?;
    service.ready_or_ended().await?;
    service.stop().await;
    let of_start = service.hits()?;
    let listed: BTreeSet<String> = steps
        .iter()
        .flat_map(|(step, _)| ["before", "after"].map(|moment| logged(step, moment)))
        .collect();
    // These are about no file in particular, and each lies between two that are.
    let is_general = |point: &str| {
        point.starts_with("nats.")
            || point.starts_with("objects.bucket.")
            || point.ends_with("@profile/")
            || point.ends_with("@stream/")
    };
    let missing: Vec<_> = of_file
        .difference(&of_start)
        .filter(|point| !listed.contains(*point) && !is_general(point))
        .collect();
    ensure!(missing.is_empty(), "{user} comes to {missing:?} as well");
    Ok(upload)
}

/// A step's point as the log of hits has it.
fn logged(step: &str, moment: &str) -> String {
    let point = step.replace("MOMENT", moment);
    let (place, about) = point.split_once('@').unwrap_or((&point, ""));
    let call = place.split(':').next().unwrap_or(place);
    match about.split_once('/') {
        Some((kind, _)) => format!("{call}@{kind}/"),
        None => call.to_owned(),
    }
}

/// What a service hears of.
fn input(user: User) -> What {
    match user {
        User::Ingest => What::Arrived,
        _ => What::Ingested,
    }
}

/// The first or the second version of a file: both have four of the readings, with different
/// values.
fn content(sensor: &str, version: usize) -> String {
    let value = [1.0, 5.0][version];
    let good = sample::csv(sensor, LINES[version], value);
    format!("{good}{sensor},yesterday,1\n")
}

/// A file, and the one that replaced it.
struct Pair {
    point: String,
    ending: Ending,
    sensor: String,
    one: Upload,
    two: Upload,
}

impl Pair {
    /// Uploads a file, has the service killed at `point` of it, and replaces it.
    async fn put(
        landfall: &mut Installation,
        user: User,
        number: usize,
        point: &str,
        ending: Ending,
    ) -> Result<Self> {
        let key = format!("incoming/{number}.csv");
        let sensor = format!("s-{number}");
        let one = landfall.put(&key, content(&sensor, 0)).await?;
        let id = landfall.said(&one, input(user)).await?.file().id;
        let point = point
            .replace("BUCKET", &landfall.bucket.name)
            .replace("KEY", &key)
            .replace("ID", &id.to_string());
        let service = landfall.arm(user, &format!("{point}=kill"))?;
        let status = service.ended_within(PATIENCE).await;
        ensure!(
            status.is_some_and(is_killed),
            "{status:?}; its last lines:\n{}",
            service.last_lines()
        );
        let two = landfall.put(&key, content(&sensor, 1)).await?;
        Ok(Self {
            point,
            ending,
            sensor,
            one,
            two,
        })
    }

    async fn has_ended(&self, landfall: &Installation) -> Result<()> {
        landfall.ended(&self.two).await?;
        is_archived(landfall, &self.two, &content(&self.sensor, 1)).await?;
        let source = landfall.bucket.get(&self.two.key).await?;
        ensure!(source.is_none(), "the source is left");

        let last = landfall.ended(&self.one).await?;
        if self.ending == Ending::Archived {
            return is_archived(landfall, &self.one, &content(&self.sensor, 0)).await;
        }
        let way = landfall.way(&self.one);
        if self.ending == Ending::Ingested {
            let moved = landfall.moved(&self.one).await?;
            // The mover may come to the later one first.
            let known = matches!(moved.outcome, MoveOutcome::Replaced | MoveOutcome::Gone);
            ensure!(known && moved.destination.is_none(), "{moved:?}");
            ensure!(way == WHOLE, "{way:?}");
            return Ok(());
        }
        let Data::Superseded(superseded) = last.event.data else {
            bail!("it is not superseded: {way:?}");
        };
        let rows = match self.ending {
            Ending::Unread => 0,
            _ => LINES[0].into(),
        };
        ensure!(superseded.rows_up_to == rows, "{superseded:?}");
        ensure!(superseded.how == Vanished::Replaced, "{superseded:?}");
        ensure!(way == [What::Arrived, What::Superseded], "{way:?}");
        Ok(())
    }
}

/// Went its whole way, and its copy has its bytes.
async fn is_archived(landfall: &Installation, upload: &Upload, content: &str) -> Result<()> {
    let way = landfall.way(upload);
    ensure!(way == WHOLE, "{way:?}");
    let moved = landfall.moved(upload).await?;
    ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
    let place = moved.destination.context("it was archived")?;
    let copy = landfall.bucket.get(&place.key).await?;
    ensure!(copy.as_deref() == Some(content.as_bytes()), "{place:?}");
    Ok(())
}

/// The later ones' readings, and of the earlier ones that were written what the later do not say.
fn readings_are_right(landfall: &Installation, pairs: &[Pair]) -> Result<()> {
    let mut all = sample::csv("first", LINES[0], 1.0);
    for pair in pairs {
        let [one, two] = [(LINES[0], 1.0), (LINES[1], 5.0)]
            .map(|(lines, value)| sample::csv(&pair.sensor, lines, value));
        let mut lines: Vec<&str> = two.lines().skip(1).collect();
        let written = match pair.ending {
            Ending::Unread | Ending::Decided => 0,
            Ending::Begun => PART,
            Ending::Written | Ending::Ingested | Ending::Archived => LINES[0],
        };
        let written = one.lines().skip(1).take(usize::try_from(written)?);
        lines.extend(written.skip(lines.len()));
        for line in lines {
            all.push_str(line);
            all.push('\n');
        }
    }
    let expected = python::readings(all.as_bytes(), &Csv::default())?;
    let difference = difference(&landfall.rows()?, &expected);
    ensure!(difference.is_empty(), "{difference}");
    Ok(())
}
