//! A source that is replaced between any two steps of the watcher, of ingest and of the mover.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use proto::event::{MoveOutcome, Vanished};
use proto::{Data, FileId, User, Version, What};
use tests::python::{self, Csv};
use tests::rows::difference;
use tests::{Builder, Fate, Installation, PATIENCE, Upload, is_killed, run, sample};

/// What becomes of a file that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// Nobody has heard of it.
    Unseen,
    /// `superseded`, and nothing of it was read.
    Unread,
    /// `superseded`, and its readings were going to be written.
    Decided,
    /// `superseded`, and those of its first part were written.
    Begun,
    /// `superseded`, and its readings were written.
    Written,
    /// `ingested` or `rejected`, and not archived.
    Ended,
    /// Archived.
    Archived,
}

/// The calls of the watcher that are about one file, and what becomes of a file that is replaced
/// after each.
const WATCHER: &[(&str, Ending)] = &[
    ("journal.read.MOMENT@key/BUCKET/KEY", Ending::Unseen),
    ("objects.head.MOMENT@KEY", Ending::Unseen),
    ("journal.settled.MOMENT@ID", Ending::Unseen),
    ("journal.create.MOMENT@key/BUCKET/KEY", Ending::Unseen),
    ("journal.settle.MOMENT@arrived/KEY", Ending::Unread),
    ("publish.MOMENT@arrived/KEY", Ending::Unread),
    ("journal.mark_published.MOMENT@ID", Ending::Unread),
];

/// The same of ingest.
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
    ("journal.settle.MOMENT@ingested/KEY", Ending::Ended),
    ("publish.MOMENT@ingested/KEY", Ending::Ended),
    ("journal.mark_published.MOMENT@ID", Ending::Ended),
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
    ("journal.settle.MOMENT@ingested/KEY", Ending::Ended),
    ("publish.MOMENT@ingested/KEY", Ending::Ended),
    ("journal.mark_published.MOMENT@ID", Ending::Ended),
];

/// The same of a file that is refused. That is so from the decision on, whether or not its refused
/// rows can still be put aside.
const INGEST_REFUSED: &[(&str, Ending)] = &[
    ("journal.settled.MOMENT@ID", Ending::Unread),
    ("journal.read.MOMENT@decision/ID", Ending::Unread),
    ("objects.get.MOMENT@KEY", Ending::Unread),
    ("journal.create.MOMENT@decision/ID", Ending::Ended),
    ("objects.head.MOMENT@KEY", Ending::Ended),
    (
        "journal.create.MOMENT@rejects/BUCKET/rejected-rows/KEY",
        Ending::Ended,
    ),
    ("objects.put.MOMENT@KEY", Ending::Ended),
    ("objects.put.MOMENT:2@KEY", Ending::Ended),
    ("journal.settle.MOMENT@rejected/KEY", Ending::Ended),
    ("publish.MOMENT@rejected/KEY", Ending::Ended),
    ("journal.mark_published.MOMENT@ID", Ending::Ended),
];

/// The same of the mover.
const MOVER: &[(&str, Ending)] = &[
    ("journal.settled.MOMENT@ID", Ending::Ended),
    ("journal.create.MOMENT@shelf/ID", Ending::Ended),
    (
        "journal.create.MOMENT@destination/BUCKET/FOLDER/KEY",
        Ending::Ended,
    ),
    ("objects.head.MOMENT@KEY", Ending::Ended),
    ("objects.copy.MOMENT@KEY", Ending::Archived),
    ("objects.head.MOMENT:2@KEY", Ending::Archived),
    ("objects.head.MOMENT:3@KEY", Ending::Archived),
    ("objects.delete.MOMENT@KEY", Ending::Archived),
    ("journal.settle.MOMENT@moved/KEY", Ending::Archived),
    ("publish.MOMENT@moved/KEY", Ending::Archived),
    ("journal.mark_published.MOMENT@ID", Ending::Archived),
];

/// A few rows may be refused, so that ingest puts them aside; and where not, it refuses the file.
const PROFILES: &str = "[[profiles]]\nname = \"strict\"\nkey = \"incoming/refused/**\"\n\
    values = [\"value\"]\n\
    [[profiles]]\nname = \"lenient\"\nkey = \"incoming/**\"\n\
    values = [\"value\"]\nbudget = \"50%\"";

const LINES: [u32; 2] = [6, 4];

/// Readings of a part, where files are read in two passes: the first version has one more, the
/// second has fewer.
const PART: u32 = 5;

/// Whether a file is stored, or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Stored,
    Refused,
}

impl Verdict {
    fn key(self, name: impl std::fmt::Display) -> String {
        match self {
            Self::Stored => format!("incoming/{name}.csv"),
            Self::Refused => format!("incoming/refused/{name}.csv"),
        }
    }

    /// What ingest says of one that is not replaced.
    fn outcome(self) -> What {
        match self {
            Self::Stored => What::Ingested,
            Self::Refused => What::Rejected,
        }
    }

    /// Where it is filed.
    fn folder(self) -> &'static str {
        match self {
            Self::Stored => "processed",
            Self::Refused => "rejected",
        }
    }

    /// What is said of one that is not replaced before ingest is done with it.
    fn whole(self) -> [What; 4] {
        [What::Arrived, self.outcome(), What::Moved, What::Notified]
    }
}

#[test]
fn a_source_that_is_replaced_at_any_step_of_the_watcher_leaves_the_new_one_its_own_way() {
    let builder = Installation::builder()
        .without(User::Watcher)
        .set("watcher.sweep_every", "500ms");
    let replaced = replaced_at_every_step(builder, User::Watcher, Verdict::Stored, WATCHER);
    run(replaced);
}

#[test]
fn a_source_that_is_replaced_at_any_step_of_ingest_leaves_the_new_one_its_own_way() {
    let builder = Installation::builder();
    let replaced = replaced_at_every_step(builder, User::Ingest, Verdict::Stored, INGEST);
    run(replaced);
}

#[test]
fn a_source_that_is_replaced_at_any_step_of_refusing_it_leaves_the_new_one_its_own_way() {
    let builder = Installation::builder();
    let replaced = replaced_at_every_step(builder, User::Ingest, Verdict::Refused, INGEST_REFUSED);
    run(replaced);
}

#[test]
fn a_source_that_is_replaced_at_any_step_of_two_passes_leaves_the_new_one_its_own_way() {
    let builder = Installation::builder().set("ingest.in_memory", PART);
    let replaced = replaced_at_every_step(builder, User::Ingest, Verdict::Stored, INGEST_TWICE);
    run(replaced);
}

#[test]
fn a_source_that_is_replaced_at_any_step_of_the_mover_leaves_the_new_one_its_own_way() {
    let builder = Installation::builder();
    let replaced = replaced_at_every_step(builder, User::Mover, Verdict::Stored, MOVER);
    run(replaced);
}

#[test]
fn a_source_that_is_replaced_at_any_step_of_moving_a_refused_one_leaves_it_its_own_way() {
    let builder = Installation::builder();
    let replaced = replaced_at_every_step(builder, User::Mover, Verdict::Refused, MOVER);
    run(replaced);
}

/// Of each file, the service is killed at another point, and the next version comes while it is
/// dead. What it held comes again beside the files after it.
async fn replaced_at_every_step(
    builder: Builder,
    user: User,
    verdict: Verdict,
    steps: &[(&str, Ending)],
) -> Result<()> {
    let mut landfall = builder
        .without(User::Ingest)
        .without(User::Mover)
        .config(PROFILES)
        .set("notifier.delay", "100ms")
        .set("nats.ack_wait", "1s")
        .set("nats.max_deliver", 10_000)
        .start()
        .await?;
    match user {
        User::Mover => landfall.add(User::Ingest).await?,
        // It finds by its sweep what was uploaded while it was dead, and by nothing else.
        User::Watcher => landfall.notifications(Fate::Lost),
        _ => {}
    }
    let whole = nothing_is_left_out(&mut landfall, user, verdict, steps).await?;
    // After one call is before the next.
    let first = [("before", &steps[0])];
    let points = first
        .into_iter()
        .chain(steps.iter().map(|step| ("after", step)));
    let mut pairs = vec![];
    for (moment, (step, ending)) in points {
        let point = step.replace("MOMENT", moment);
        let pair = Pair::put(&mut landfall, user, verdict, pairs.len(), &point, *ending).await;
        pairs.push(pair.with_context(|| point)?);
    }
    if user == User::Watcher {
        landfall.add(User::Watcher).await?;
        for pair in &pairs {
            landfall.said(&pair.two, What::Arrived).await?;
        }
    }
    if user != User::Mover {
        landfall.add(User::Ingest).await?;
        // Moved away before that, the later ones would leave nothing to be replaced by.
        let unread = |pair: &&Pair| (Ending::Unread..Ending::Ended).contains(&pair.ending);
        for pair in pairs.iter().filter(unread) {
            landfall.ended(&pair.one).await?;
        }
    }
    landfall.add(User::Mover).await?;

    landfall.ended(&whole).await?;
    for pair in &pairs {
        let ended = pair.has_ended(&landfall).await;
        ended.with_context(|| format!("replaced at {}", pair.point))?;
    }
    readings_are_right(&landfall, verdict, &pairs)?;
    let told = |pair: &Pair| 1 + usize::from(pair.ending >= Ending::Ended);
    let expected = 1 + pairs.iter().map(told).sum::<usize>();
    let mails = landfall.mails()?.len();
    ensure!(mails == expected, "{mails} mails, not {expected}");
    landfall.finish().await
}

/// Whether the service makes a call on a file's way that the steps do not have. Answers the file.
async fn nothing_is_left_out(
    landfall: &mut Installation,
    user: User,
    verdict: Verdict,
    steps: &[(&str, Ending)],
) -> Result<Upload> {
    let upload = landfall
        .put(&verdict.key("first"), content("first", 0))
        .await?;
    if let Some(heard) = heard(user, verdict) {
        landfall.said(&upload, heard).await?;
    }
    let service = landfall.arm(user, "")?;
    let output = match user {
        User::Watcher => What::Arrived,
        User::Ingest => verdict.outcome(),
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
            || (user == User::Watcher && is_of_a_sweep(point))
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

/// Whether a point belongs to looking through all buckets.
fn is_of_a_sweep(point: &str) -> bool {
    let calls = [
        "files.",
        "objects.list.",
        "objects.versioning.",
        "journal.settled_many.",
    ];
    calls.iter().any(|call| point.starts_with(call)) || point.ends_with("@lease/")
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

/// What a service hears of; the watcher looks for itself.
fn heard(user: User, verdict: Verdict) -> Option<What> {
    match user {
        User::Watcher => None,
        User::Ingest => Some(What::Arrived),
        _ => Some(verdict.outcome()),
    }
}

/// The id of an upload, once the service may hear of it.
async fn id(
    landfall: &Installation,
    user: User,
    verdict: Verdict,
    upload: &Upload,
) -> Result<FileId> {
    if let Some(heard) = heard(user, verdict) {
        return Ok(landfall.said(upload, heard).await?.file().id);
    }
    let head = landfall.bucket.head(&upload.key).await?;
    let modified = head.and_then(|head| head.last_modified);
    let version = Version {
        etag: upload.etag.clone(),
        last_modified: Timestamp::from_second(modified.context("it is there")?.secs())?,
        id: upload.version.clone(),
    };
    Ok(FileId::of(&upload.bucket, &upload.key, &version))
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
    verdict: Verdict,
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
        verdict: Verdict,
        number: usize,
        point: &str,
        ending: Ending,
    ) -> Result<Self> {
        let key = verdict.key(number);
        let sensor = format!("s-{number}");
        let one = landfall.put(&key, content(&sensor, 0)).await?;
        let id = id(landfall, user, verdict, &one).await?;
        let point = point
            .replace("BUCKET", &landfall.bucket.name)
            .replace("FOLDER", verdict.folder())
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
            verdict,
            ending,
            sensor,
            one,
            two,
        })
    }

    async fn has_ended(&self, landfall: &Installation) -> Result<()> {
        landfall.ended(&self.two).await?;
        self.is_archived(landfall, &self.two, 1).await?;
        let source = landfall.bucket.get(&self.two.key).await?;
        ensure!(source.is_none(), "the source is left");

        let way = landfall.way(&self.one);
        if self.ending == Ending::Unseen {
            ensure!(way.is_empty(), "{way:?}");
            return Ok(());
        }
        let last = landfall.ended(&self.one).await?;
        if self.ending == Ending::Archived {
            return self.is_archived(landfall, &self.one, 0).await;
        }
        let way = landfall.way(&self.one);
        if self.ending == Ending::Ended {
            let moved = landfall.moved(&self.one).await?;
            // The mover may come to the later one first.
            let known = matches!(moved.outcome, MoveOutcome::Replaced | MoveOutcome::Gone);
            ensure!(known && moved.destination.is_none(), "{moved:?}");
            ensure!(way == self.verdict.whole(), "{way:?}");
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

    /// Whether a version went its whole way, and its copy has its bytes.
    async fn is_archived(
        &self,
        landfall: &Installation,
        upload: &Upload,
        version: usize,
    ) -> Result<()> {
        let way = landfall.way(upload);
        ensure!(way == self.verdict.whole(), "{way:?}");
        let moved = landfall.moved(upload).await?;
        ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
        let place = moved.destination.context("it was archived")?;
        let folder = format!("{}/", self.verdict.folder());
        ensure!(place.key.starts_with(&folder), "{place:?}");
        let copy = landfall.bucket.get(&place.key).await?;
        let content = content(&self.sensor, version);
        ensure!(copy.as_deref() == Some(content.as_bytes()), "{place:?}");
        Ok(())
    }
}

/// The later ones' readings, and of the earlier ones that were written what the later do not say.
fn readings_are_right(landfall: &Installation, verdict: Verdict, pairs: &[Pair]) -> Result<()> {
    if verdict == Verdict::Refused {
        let rows = landfall.rows()?;
        ensure!(rows.is_empty(), "{rows:?}");
        return Ok(());
    }
    let mut all = sample::csv("first", LINES[0], 1.0);
    for pair in pairs {
        let [one, two] = [(LINES[0], 1.0), (LINES[1], 5.0)]
            .map(|(lines, value)| sample::csv(&pair.sensor, lines, value));
        let mut lines: Vec<&str> = two.lines().skip(1).collect();
        let written = match pair.ending {
            Ending::Unseen | Ending::Unread | Ending::Decided => 0,
            Ending::Begun => PART,
            Ending::Written | Ending::Ended | Ending::Archived => LINES[0],
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
