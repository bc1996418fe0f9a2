//! The files that come in while services are killed, and how each has to end.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use jiff::Timestamp;
use proto::event::{Command, Commanded, MailOutcome, MoveOutcome, Moved, Stage};
use proto::{Data, Event, File, FileId, User, What, consumer};
use tests::python::{self, Csv};
use tests::rows::difference;
use tests::{Installation, Upload, sample};

/// The watcher's profile for files that ingest, which does not know it, gives up on.
pub(super) const UNHEARD_OF: &str = "[[profiles]]\nname = \"unheard-of\"\n\
    key = \"incoming/fails/**\"\nvalues = [\"value\"]";

/// The profile that reads the bad files, once somebody orders that; and one whose files are deleted.
pub(super) const PROFILES: &str = "[[profiles]]\nname = \"corrected\"\n\
    key = \"nowhere/**\"\nbudget = \"50%\"\n\
    [[profiles]]\nname = \"deleted\"\nkey = \"incoming/deleted/**\"\n\
    values = [\"value\"]\nmover = { after = \"delete\" }";

/// Files of more bytes are copied in parts, of which there is one.
pub(super) const LARGE: u32 = 500;

/// What nobody takes for a time, in the bad files.
const NO_TIME: &str = "yesterday";

/// The events of each kind of file, in the order in which they come first; orders left out.
const STORED: &[What] = &[What::Arrived, What::Ingested, What::Moved, What::Notified];
const REFUSED: &[What] = &[What::Arrived, What::Rejected, What::Moved, What::Notified];
const STORED_LATER: &[What] = &[
    What::Arrived,
    What::Rejected,
    What::Moved,
    What::Notified,
    What::Ingested,
];

/// Everything that was uploaded, in rounds.
pub(super) struct Files {
    /// Who is killed.
    user: User,
    rounds: u32,
    /// Ends as `ingested`, under `processed/`.
    good: Vec<(Upload, String)>,
    /// Ends as `rejected`, under `rejected/`; read by another profile, as a good one.
    bad: Vec<(Upload, String)>,
    /// Ends as `ingested`, and lies nowhere any more.
    deleted: Vec<(Upload, String)>,
    /// Ends as `ingested`, under its tagged name in `processed/`: somebody's object has the plain one,
    /// which is noticed when the parts are there. So they are given back, and copied again.
    large: Vec<(Upload, String)>,
    /// Soon replaced by one of the good.
    replaced: Vec<(Upload, String)>,
    /// Ends as `failed`, and stays where it is.
    failing: Vec<Upload>,
    /// The last way that was ordered of some of the good and bad, and whether it took their readings
    /// out.
    ordered: HashMap<FileId, (u32, bool)>,
}

/// What lies where a large file was to go.
const SOMEBODYS: &[u8] = b"somebody's";

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
/// Ways that a good file is ordered to go at most.
const WAYS: u32 = 8;

/// Files that come at once, fewer than are made to fail.
const CROWD: u32 = 8;

/// What is ordered of a bad file, once.
const READ_OTHERWISE: Command = Command::Replay {
    from: Stage::Ingest,
    corrected: true,
};

impl Files {
    pub(super) fn of(user: User) -> Self {
        Self {
            user,
            rounds: 0,
            good: vec![],
            bad: vec![],
            deleted: vec![],
            large: vec![],
            replaced: vec![],
            failing: vec![],
            ordered: HashMap::new(),
        }
    }

    /// Uploads one round.
    pub(super) async fn put(&mut self, landfall: &Installation) -> Result<()> {
        self.rounds += 1;
        let round = self.rounds;
        // Kills meet what is told of first: every other time that is what failed.
        let told_first = self.user == User::Notifier && round.is_multiple_of(2);
        if told_first {
            self.put_failing(landfall).await?;
        }
        let good = sample::csv(&format!("g-{round}"), 3, 1.0);
        let upload = landfall
            .put(&format!("incoming/{round}.csv"), &good)
            .await?;
        self.good.push((upload, good));

        let bad = sample::csv(&format!("b-{round}"), 2, 1.0) + &format!("b-{round},{NO_TIME},1\n");
        let key = format!("incoming/{round}-bad.csv");
        self.bad.push((landfall.put(&key, &bad).await?, bad));

        // It differs from the others where it is moved, and nowhere else. Not in each round: were
        // there as many messages in each, the server, which gives to two replicas in turn, would
        // always give the same kind to the same one.
        if self.user == User::Mover && round.is_multiple_of(2) {
            let deleted = sample::csv(&format!("d-{round}"), 2, 1.0);
            let key = format!("incoming/deleted/{round}.csv");
            let upload = landfall.put(&key, &deleted).await?;
            self.deleted.push((upload, deleted));
        }
        if self.user == User::Mover && round % 3 == 1 {
            self.put_large(landfall).await?;
        }

        // The later upload has all readings of the earlier one, with other values.
        let key = format!("incoming/{round}-twice.csv");
        let first = sample::csv(&format!("t-{round}"), 2, 1.0);
        let second = sample::csv(&format!("t-{round}"), 2, 5.0);
        let upload = landfall.put(&key, &first).await?;
        self.replaced.push((upload, first));
        self.good.push((landfall.put(&key, &second).await?, second));

        if !told_first {
            self.put_failing(landfall).await?;
        }
        Ok(())
    }

    async fn put_large(&mut self, landfall: &Installation) -> Result<()> {
        let key = format!("incoming/{}-large.csv", self.rounds);
        let taken = format!("processed/{key}");
        landfall.bucket.put(&taken, SOMEBODYS).await?;
        let large = sample::csv(&format!("l-{}", self.rounds), 20, 1.0);
        ensure!(large.len() > LARGE as usize, "it is copied in one request");
        self.large.push((landfall.put(&key, &large).await?, large));
        Ok(())
    }

    /// Uploads good files at once that are tried again where those of a round are that are uploaded
    /// twice: with their tries among one another, each of two replicas is given one of them twice.
    pub(super) async fn crowd(&mut self, landfall: &Installation) -> Result<()> {
        self.rounds += 1;
        let round = self.rounds;
        let puts = (0..CROWD).map(async |number| {
            let content = sample::csv(&format!("c-{round}-{number}"), 2, 1.0);
            let key = format!("incoming/{round}-{number}-twice.csv");
            anyhow::Ok((landfall.put(&key, &content).await?, content))
        });
        self.good.extend(try_join_all(puts).await?);
        Ok(())
    }

    /// Uploads a key a second time when its first version has arrived; where the watcher is away, a
    /// key of which an earlier version had arrived before.
    pub(super) async fn put_over(&mut self, landfall: &Installation, away: User) -> Result<()> {
        self.rounds += 1;
        let round = self.rounds;
        let key = match away {
            User::Watcher => "incoming/over.csv".to_owned(),
            _ => format!("incoming/{round}-over.csv"),
        };
        let content = |value| sample::csv(&format!("o-{key}"), 2, f64::from(value));
        if away != User::Watcher {
            let first = landfall.put(&key, &content(round)).await?;
            landfall.said(&first, What::Arrived).await?;
            self.good.push((first, content(round)));
        }
        let second = landfall.put(&key, &content(round + 1)).await?;
        let earlier = self.good.iter().position(|(upload, _)| upload.key == key);
        self.replaced.extend(earlier.map(|at| self.good.remove(at)));
        self.good.push((second, content(round + 1)));
        Ok(())
    }

    /// Says again, so that each of two replicas hears it, what ingest had said of the first file: the
    /// mover has an outcome for that, and looks whether a copy is left that it does not know.
    pub(super) async fn say_again(&self, landfall: &Installation) -> Result<()> {
        let all = landfall.all();
        if let Some(seen) = all.iter().find(|seen| seen.what() == What::Ingested) {
            for _ in 0..2 {
                landfall.publish(User::Ingest, &seen.event).await?;
            }
        }
        Ok(())
    }

    async fn put_failing(&mut self, landfall: &Installation) -> Result<()> {
        let key = format!("incoming/fails/{}.csv", self.rounds);
        let content = sample::csv("nobody", 1, 1.0);
        self.failing.push(landfall.put(&key, content).await?);
        Ok(())
    }

    /// Orders each kind of thing for a good file whose last way has ended, and that a bad one is
    /// read otherwise.
    pub(super) async fn order(&mut self, landfall: &Installation) -> Result<()> {
        let mut good = self.free(landfall, &self.good, WAYS);
        for command in ORDERS {
            let Some(file) = good.pop() else { break };
            let (_, retracted) = self.last(file.id);
            let from_ingest = ORDERS[1].clone();
            let command = if retracted { from_ingest } else { command };
            self.command(landfall, file, command).await?;
        }
        if let Some(mut file) = self.free(landfall, &self.bad, 1).pop() {
            "corrected".clone_into(&mut file.profile);
            self.command(landfall, file, READ_OTHERWISE).await?;
        }
        Ok(())
    }

    /// Those of the uploads whose last way has ended, and that have fewer than `ways` behind them
    /// that were ordered.
    fn free(&self, landfall: &Installation, uploads: &[(Upload, String)], ways: u32) -> Vec<File> {
        let all = landfall.all();
        let ended = all.iter().filter(|seen| ends(seen.what()));
        let ended: HashSet<(FileId, u32)> = ended
            .map(|seen| (seen.file().id, seen.event.about().1))
            .collect();
        // `FILES` may hold an event twice.
        let mut known = HashSet::new();
        all.iter()
            .filter(|seen| seen.what() == What::Arrived)
            .map(tests::Seen::file)
            .filter(|file| uploads.iter().any(|(upload, _)| upload.is(file)))
            .filter(|file| {
                let (last, _) = self.last(file.id);
                last < ways && ended.contains(&(file.id, last))
            })
            .filter(|file| known.insert(file.id))
            .cloned()
            .collect()
    }

    /// The last way that was ordered of a file, and whether it took its readings out.
    fn last(&self, file: FileId) -> (u32, bool) {
        self.ordered.get(&file).copied().unwrap_or_default()
    }

    /// Orders the next way of a file.
    async fn command(
        &mut self,
        landfall: &Installation,
        file: File,
        command: Command,
    ) -> Result<()> {
        let replay = self.last(file.id).0 + 1;
        let retracts = command == Command::Retract;
        self.ordered.insert(file.id, (replay, retracts));
        let commanded = Commanded {
            file,
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
        let all = self.good.iter().chain(&self.bad);
        for (upload, _) in all.chain(&self.deleted).chain(&self.large) {
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
            is_filed(landfall, upload, content, STORED, "processed").await?;
        }
        for (upload, content) in &self.bad {
            let (way, folder) = match self.last_of(landfall, upload) {
                (0, _) => (REFUSED, "rejected"),
                _ => (STORED_LATER, "processed"),
            };
            is_filed(landfall, upload, content, way, folder).await?;
        }
        for (upload, _) in &self.deleted {
            let way = landfall.way(upload);
            ensure!(way == STORED, "{}: {way:?}", upload.key);
            let moved = last_moved(landfall, upload)?;
            ensure!(moved.outcome == MoveOutcome::Deleted, "{moved:?}");
        }
        for (upload, content) in &self.large {
            is_filed(landfall, upload, content, STORED, "processed").await?;
            let taken = format!("processed/{}", upload.key);
            let taken = landfall.bucket.get(&taken).await?;
            ensure!(taken.as_deref() == Some(SOMEBODYS), "{upload:?}");
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

    /// No source is left but of what failed, and nothing lies there but where the last move of its
    /// file says, and what somebody else put there.
    async fn nothing_else_lies_there(&self, landfall: &Installation) -> Result<()> {
        let failing = self.failing.iter().map(|upload| upload.key.clone());
        let mut expected: HashSet<String> = failing.collect();
        let large = self.large.iter();
        expected.extend(large.map(|(upload, _)| format!("processed/{}", upload.key)));
        let mut last: HashMap<FileId, Moved> = HashMap::new();
        for seen in landfall.all() {
            if let Data::Moved(moved) = seen.event.data {
                // The refused rows, and what is wrong with each.
                if let Some(place) = &moved.report.rejects {
                    expected.insert(format!("{}.reasons.csv", place.key));
                    expected.insert(place.key.clone());
                }
                let known = last.get(&moved.file.id);
                if known.is_none_or(|known| known.replay < moved.replay) {
                    last.insert(moved.file.id, moved);
                }
            }
        }
        let places = last.into_values().filter_map(|moved| moved.destination);
        expected.extend(places.map(|place| place.key));
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

    /// The last way that was ordered of an upload, and whether it took its readings out.
    fn last_of(&self, landfall: &Installation, upload: &Upload) -> (u32, bool) {
        let all = landfall.all();
        let file = all.iter().find(|seen| upload.is(seen.file()));
        file.map_or((0, false), |seen| self.last(seen.file().id))
    }

    fn readings_are_right(&self, landfall: &Installation) -> Result<()> {
        let good = self.good.iter();
        let good = good.filter(|(upload, _)| !self.last_of(landfall, upload).1);
        let bad = self.bad.iter();
        let read_later = bad.filter(|(upload, _)| self.last_of(landfall, upload).0 > 0);
        let mut all = String::from("sensor_id,timestamp,value\n");
        let others = self.deleted.iter().chain(&self.large);
        for (_, content) in good.chain(read_later).chain(others) {
            let lines = content.lines().skip(1);
            for line in lines.filter(|line| !line.contains(NO_TIME)) {
                all.push_str(line);
                all.push('\n');
            }
        }
        let expected = python::readings(all.as_bytes(), &Csv::default())?;
        let difference = difference(&landfall.rows()?, &expected);
        ensure!(difference.is_empty(), "{difference}");
        Ok(())
    }

    /// One mail a way. Where its fate is unknown, as a kill of the notifier may make it, one or
    /// none.
    async fn mails_are_right(&self, landfall: &Installation) -> Result<()> {
        match self.user {
            User::Notifier => every_mail_has_ended(landfall).await?,
            _ => self.every_mail_is_there(landfall).await?,
        }
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
        let (known, cut) = (accepted.len(), unknown.len());
        // A kill cuts what goes out at that moment, and the most are killed elsewhere.
        ensure!(cut <= known, "{cut} unknown, {known} accepted");
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
        sent.retain(|id, _| !accepted.contains(id) && !unknown.contains(id));
        self.failures_are_told(landfall, sent.into_keys().collect())
            .await
    }

    /// Waits until there are as many mails as there are to be.
    async fn every_mail_is_there(&self, landfall: &Installation) -> Result<()> {
        let all = landfall.all();
        let told = all.iter().filter(|seen| seen.what() == What::Notified);
        let told: HashSet<&String> = told.map(|seen| &seen.event.id).collect();
        // No event says that a mail about a failure was sent.
        let expected = told.len() + self.failing.len();
        landfall
            .until("a mail for each file", async || {
                (landfall.mails().ok()?.len() >= expected).then_some(())
            })
            .await
    }

    /// The same of the failures; `sent` are the mails about them. How one ended is no event: that
    /// each is there that was accepted the audit says, by the notifier's journal.
    async fn failures_are_told(
        &self,
        landfall: &Installation,
        mut sent: HashSet<String>,
    ) -> Result<()> {
        let mut unknown = 0;
        for upload in &self.failing {
            let failed = landfall.said(upload, What::Failed).await?;
            let about = format!("{}.0.", failed.file().id);
            let mails = sent.extract_if(|id| id.starts_with(&about)).count();
            ensure!(mails <= 1, "{mails} mails about {}", upload.key);
            unknown += 1 - mails;
        }
        ensure!(sent.is_empty(), "about nothing that failed: {sent:?}");
        let files = self.failing.len();
        // A kill cuts what goes out at that moment, and of a file that failed that is seldom it.
        let at_most = if self.user == User::Notifier {
            files / 2
        } else {
            0
        };
        ensure!(
            unknown <= at_most,
            "no mail about {unknown} of {files} that failed"
        );
        Ok(())
    }
}

/// Waits until the notifier has heard of everything, and no mail is on its way, however it ends.
async fn every_mail_has_ended(landfall: &Installation) -> Result<()> {
    let hears = consumer::notifier();
    landfall
        .until("the end of every mail", async || {
            let heard = landfall.consumer(&hears).await.ok()?;
            let open = landfall.audit(&[]).await.ok()?.open;
            let left = heard.num_pending > 0 || heard.num_ack_pending > 0 || !open.is_empty();
            (!left).then_some(())
        })
        .await
}

/// Whether a way ends with this, as those of good files do.
fn ends(what: What) -> bool {
    matches!(what, What::Notified | What::Retracted)
}

/// The events of an upload, in the order in which they come first; orders left out.
fn way_of(landfall: &Installation, upload: &Upload) -> Vec<What> {
    let mut way = landfall.way(upload);
    way.retain(|what| !matches!(what, What::Commanded | What::Retracted));
    way
}

/// Moved away whole, and told of.
async fn is_filed(
    landfall: &Installation,
    upload: &Upload,
    content: &str,
    expected: &[What],
    folder: &str,
) -> Result<()> {
    let way = way_of(landfall, upload);
    ensure!(way == expected, "{}: {way:?}", upload.key);
    let moved = last_moved(landfall, upload)?;
    ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
    let place = moved.destination.context("it has a destination")?;
    let plain = format!("{folder}/{}", upload.key);
    ensure!(place.key.starts_with(&plain), "{place:?}");
    let copy = landfall.bucket.get(&place.key).await?;
    ensure!(copy.as_deref() == Some(content.as_bytes()), "{place:?}");
    Ok(())
}

/// What the last move of an upload came to.
fn last_moved(landfall: &Installation, upload: &Upload) -> Result<Moved> {
    let moves = landfall
        .all()
        .into_iter()
        .filter_map(|seen| match seen.event.data {
            Data::Moved(moved) if upload.is(&moved.file) => Some(moved),
            _ => None,
        });
    moves
        .max_by_key(|moved| moved.replay)
        .with_context(|| format!("{} was never moved", upload.key))
}

/// The first of two uploads: unseen, superseded, replaced, or filed as if it were alone.
async fn has_given_way(landfall: &Installation, upload: &Upload, content: &str) -> Result<()> {
    match way_of(landfall, upload).as_slice() {
        [] | [What::Arrived, What::Superseded] => return Ok(()),
        way if way == STORED => {}
        way => bail!("{}: {way:?}", upload.key),
    }
    let moved = landfall.moved(upload).await?;
    match moved.outcome {
        MoveOutcome::Archived => is_filed(landfall, upload, content, STORED, "processed").await,
        // The later one may have been filed, and its source deleted, before anybody looked.
        MoveOutcome::Replaced | MoveOutcome::Gone => Ok(()),
        MoveOutcome::Left | MoveOutcome::Deleted => bail!("nobody chose that: {moved:?}"),
    }
}
