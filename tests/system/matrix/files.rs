//! The files that come in while services are killed, and how each has to end.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use proto::event::{Command, Commanded, MailOutcome, MoveOutcome, Stage};
use proto::{Data, Event, FileId, User, What};
use tests::python::{self, Csv};
use tests::rows::difference;
use tests::{Installation, Upload, sample};

/// The watcher's profile for files that ingest, which does not know it, gives up on.
pub(super) const UNHEARD_OF: &str = "[[profiles]]\nname = \"unheard-of\"\n\
    key = \"incoming/fails/**\"\nvalues = [\"value\"]";

/// Everything that was uploaded, in rounds.
pub(super) struct Files {
    /// Who is killed.
    user: User,
    rounds: u32,
    /// Ends as `ingested`, under `processed/`.
    good: Vec<(Upload, String)>,
    /// Ends as `rejected`, under `rejected/`.
    bad: Vec<(Upload, String)>,
    /// Soon replaced by one of the good.
    replaced: Vec<(Upload, String)>,
    /// Ends as `failed`, and stays where it is.
    failing: Vec<Upload>,
    /// The last way that was ordered of some of the good, and whether it took their readings out.
    ordered: HashMap<FileId, (u32, bool)>,
}

/// What is ordered, time after time.
const ORDERS: [Command; 4] = [
    Command::Retract,
    Command::Replay {
        from: Stage::Ingest,
        corrected: false,
    },
    Command::Replay {
        from: Stage::Move,
        corrected: false,
    },
    Command::Replay {
        from: Stage::Notify,
        corrected: false,
    },
];
/// Ways that a file is ordered to go at most.
const WAYS: u32 = 8;

impl Files {
    pub(super) fn of(user: User) -> Self {
        Self {
            user,
            rounds: 0,
            good: vec![],
            bad: vec![],
            replaced: vec![],
            failing: vec![],
            ordered: HashMap::new(),
        }
    }

    /// Uploads one round.
    pub(super) async fn put(&mut self, landfall: &Installation) -> Result<()> {
        self.rounds += 1;
        let round = self.rounds;
        let good = sample::csv(&format!("g-{round}"), 3, 1.0);
        let upload = landfall
            .put(&format!("incoming/{round}.csv"), &good)
            .await?;
        self.good.push((upload, good));

        let bad = format!("sensor_id,timestamp,value\nb-{round},yesterday,1\n");
        let key = format!("incoming/{round}-bad.csv");
        self.bad.push((landfall.put(&key, &bad).await?, bad));

        // The later upload has all readings of the earlier one, with other values.
        let key = format!("incoming/{round}-twice.csv");
        let first = sample::csv(&format!("t-{round}"), 2, 1.0);
        let second = sample::csv(&format!("t-{round}"), 2, 5.0);
        let upload = landfall.put(&key, &first).await?;
        self.replaced.push((upload, first));
        self.good.push((landfall.put(&key, &second).await?, second));

        // The end of a mail about a failure is no event, and after a kill of the notifier it may
        // have been sent or not.
        if self.user != User::Notifier {
            let key = format!("incoming/fails/{round}.csv");
            let content = sample::csv("nobody", 1, 1.0);
            self.failing.push(landfall.put(&key, content).await?);
        }
        Ok(())
    }

    /// Orders each kind of thing for a good file whose last way has ended, and says it twice.
    pub(super) async fn order(&mut self, landfall: &Installation) -> Result<()> {
        let all = landfall.all();
        let ended = all.iter().filter(|seen| ends(seen.what()));
        let ended: HashSet<(FileId, u32)> = ended
            .map(|seen| (seen.file().id, seen.event.about().1))
            .collect();
        // `FILES` may hold an event twice.
        let mut known = HashSet::new();
        let mut free: Vec<_> = all
            .iter()
            .filter(|seen| seen.what() == What::Arrived)
            .map(tests::Seen::file)
            .filter(|file| self.good.iter().any(|(upload, _)| upload.is(file)))
            .filter(|file| {
                let (last, _) = self.ordered.get(&file.id).copied().unwrap_or_default();
                last < WAYS && ended.contains(&(file.id, last))
            })
            .filter(|file| known.insert(file.id))
            .collect();
        for command in ORDERS {
            let (last, retracted) = match free.last() {
                Some(file) => self.ordered.get(&file.id).copied().unwrap_or_default(),
                None => return Ok(()),
            };
            let from_ingest = ORDERS[1].clone();
            let command = if retracted { from_ingest } else { command };
            let Some(file) = free.pop() else { break };
            let replay = last + 1;
            let retracts = command == Command::Retract;
            self.ordered.insert(file.id, (replay, retracts));
            let commanded = Commanded {
                file: file.clone(),
                replay,
                command,
                by: "mara".to_owned(),
                why: None,
                copy: None,
            };
            let event = Event::command(commanded, 7, Timestamp::now());
            // A command may come twice.
            for _ in 0..2 {
                landfall.publish(User::Operator, &event).await?;
            }
        }
        Ok(())
    }

    /// Waits until everything has come to its end.
    pub(super) async fn are_told_of(&self, landfall: &Installation) -> Result<()> {
        for (file, (replay, _)) in &self.ordered {
            let about = format!("the end of way {replay} of {file}");
            landfall
                .event(&about, |seen| {
                    let (of, way) = seen.event.about();
                    ends(seen.what()) && (of.id, way) == (*file, *replay)
                })
                .await?;
        }
        for (upload, _) in self.good.iter().chain(&self.bad) {
            landfall.ended(upload).await?;
        }
        for upload in &self.failing {
            landfall.said(upload, What::Failed).await?;
        }
        for (upload, _) in &self.replaced {
            // Nobody may have seen it in time; `arrived` of the later one is after that of this.
            if !landfall.way(upload).is_empty() {
                landfall.ended(upload).await?;
            }
        }
        Ok(())
    }

    /// Waits until everything has come to its end, and checks that it is the right one.
    pub(super) async fn have_ended(&self, landfall: &Installation) -> Result<()> {
        self.are_told_of(landfall).await?;
        for (upload, content) in &self.good {
            is_filed(landfall, upload, content, What::Ingested).await?;
        }
        for (upload, content) in &self.bad {
            is_filed(landfall, upload, content, What::Rejected).await?;
        }
        for (upload, content) in &self.replaced {
            has_given_way(landfall, upload, content).await?;
        }
        for upload in &self.failing {
            let way = landfall.way(upload);
            ensure!(way == [What::Arrived, What::Failed], "{way:?} {upload:?}");
        }
        self.nothing_else_lies_there(landfall).await?;
        self.readings_are_right(landfall)?;
        self.mails_are_right(landfall).await
    }

    /// No source is left but of what failed, and no copy lies there that no event names.
    async fn nothing_else_lies_there(&self, landfall: &Installation) -> Result<()> {
        let failing = self.failing.iter().map(|upload| upload.key.clone());
        let mut expected: HashSet<String> = failing.collect();
        for seen in landfall.all() {
            if let Data::Moved(moved) = seen.event.data {
                expected.extend(moved.destination.map(|place| place.key));
                // The refused rows, and what is wrong with each.
                if let Some(place) = moved.report.rejects {
                    expected.insert(format!("{}.reasons.csv", place.key));
                    expected.insert(place.key);
                }
            }
        }
        let found = landfall.bucket.keys().await?;
        let found: HashSet<String> = found
            .into_iter()
            // What a mover leaves behind that is killed while it probes.
            .filter(|key| !(self.user == User::Mover && key.starts_with(".landfall-probe/")))
            .collect();
        let more: Vec<_> = found.difference(&expected).collect();
        let fewer: Vec<_> = expected.difference(&found).collect();
        ensure!(
            more.is_empty() && fewer.is_empty(),
            "nobody's: {more:?}; missing: {fewer:?}"
        );
        Ok(())
    }

    fn is_retracted(&self, landfall: &Installation, upload: &Upload) -> bool {
        let all = landfall.all();
        let file = all.iter().find(|seen| upload.is(seen.file()));
        let ordered = file.and_then(|seen| self.ordered.get(&seen.file().id));
        ordered.is_some_and(|(_, retracted)| *retracted)
    }

    fn readings_are_right(&self, landfall: &Installation) -> Result<()> {
        let mut all = String::from("sensor_id,timestamp,value\n");
        for (upload, content) in &self.good {
            if self.is_retracted(landfall, upload) {
                continue;
            }
            for line in content.lines().skip(1) {
                all.push_str(line);
                all.push('\n');
            }
        }
        let expected = python::readings(all.as_bytes(), &Csv::default())?;
        let difference = difference(&landfall.rows()?, &expected);
        ensure!(difference.is_empty(), "{difference}");
        Ok(())
    }

    /// One mail a file. Where its fate is unknown, as a kill of the notifier may make it, one or
    /// none.
    async fn mails_are_right(&self, landfall: &Installation) -> Result<()> {
        let mut expected = self.failing.len();
        let mut unknown = HashSet::new();
        let mut accepted = HashSet::new();
        for seen in landfall.all() {
            let Data::Notified(notified) = &seen.event.data else {
                continue;
            };
            let id = notified.message_id.clone().context("it has an id")?;
            match notified.outcome {
                MailOutcome::Accepted => accepted.insert(id),
                MailOutcome::Unknown if self.user == User::Notifier => unknown.insert(id),
                _ => bail!("{notified:?}"),
            };
        }
        expected += accepted.len();
        // No event says that a mail about a failure was sent.
        landfall
            .until("a mail for each file", async || {
                (landfall.mails().ok()?.len() >= expected).then_some(())
            })
            .await?;
        let mut sent: HashMap<String, usize> = HashMap::new();
        for mail in landfall.mails()? {
            let id = mail.headers.get("Message-ID").context("it has an id")?;
            let id = id.trim_matches(['<', '>']).to_owned();
            *sent.entry(id).or_default() += 1;
        }
        let twice: Vec<_> = sent.iter().filter(|(_, count)| **count > 1).collect();
        ensure!(twice.is_empty(), "sent twice: {twice:?}");
        let missing: Vec<_> = accepted
            .iter()
            .filter(|id| !sent.contains_key(*id))
            .collect();
        ensure!(missing.is_empty(), "accepted and not there: {missing:?}");
        let others = sent
            .keys()
            .filter(|id| !accepted.contains(*id) && !unknown.contains(*id))
            .count();
        ensure!(
            others == self.failing.len(),
            "{others} mails about {} failed files",
            self.failing.len()
        );
        Ok(())
    }
}

/// Whether a way ends with this, as those of good files do.
fn ends(what: What) -> bool {
    matches!(what, What::Notified | What::Retracted)
}

/// Moved away whole, and told of.
async fn is_filed(
    landfall: &Installation,
    upload: &Upload,
    content: &str,
    ingest: What,
) -> Result<()> {
    let mut way = landfall.way(upload);
    way.retain(|what| !matches!(what, What::Commanded | What::Retracted));
    ensure!(
        way == [What::Arrived, ingest, What::Moved, What::Notified],
        "{}: {way:?}",
        upload.key
    );
    let moved = landfall.moved(upload).await?;
    ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
    let place = moved.destination.context("it has a destination")?;
    let folder = if ingest == What::Ingested {
        "processed"
    } else {
        "rejected"
    };
    let plain = format!("{folder}/{}", upload.key);
    ensure!(place.key.starts_with(&plain), "{place:?}");
    let copy = landfall.bucket.get(&place.key).await?;
    ensure!(copy.as_deref() == Some(content.as_bytes()), "{place:?}");
    Ok(())
}

/// The first of two uploads: unseen, superseded, replaced, or filed as if it were alone.
async fn has_given_way(landfall: &Installation, upload: &Upload, content: &str) -> Result<()> {
    match landfall.way(upload).as_slice() {
        [] | [What::Arrived, What::Superseded] => return Ok(()),
        [What::Arrived, What::Ingested, What::Moved, What::Notified] => {}
        way => bail!("{}: {way:?}", upload.key),
    }
    let moved = landfall.moved(upload).await?;
    match moved.outcome {
        MoveOutcome::Archived => is_filed(landfall, upload, content, What::Ingested).await,
        // The later one may have been filed, and its source deleted, before anybody looked.
        MoveOutcome::Replaced | MoveOutcome::Gone => Ok(()),
        MoveOutcome::Left | MoveOutcome::Deleted => bail!("nobody chose that: {moved:?}"),
    }
}
