//! One service of one installation, killed at one point after the other while files come in.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use proto::User;
use tests::{Installation, is_killed};

use super::files::{Files, LARGE, PROFILES, UNHEARD_OF};

/// How long files are uploaded until a point is hit that was hit before.
const PATIENCE: Duration = Duration::from_secs(40);
/// The same for a point that only a recovery has hit, which the next may not need.
const LITTLE_PATIENCE: Duration = Duration::from_secs(4);
/// After this time more files are uploaded.
const MORE: Duration = Duration::from_secs(2);

/// Whose messages come from SNS.
const TOPIC: &str = "arn:aws:sns:nowhere-1:111122223333:uploads";

/// What is killed, and where.
pub(super) struct Chain {
    user: User,
    /// A second replica is there all the time.
    beside_another: bool,
    /// Points are shared among installations.
    share: (usize, usize),
}

impl Chain {
    /// One replica, killed at every point.
    pub(super) fn of(user: User) -> Self {
        Self {
            user,
            beside_another: false,
            share: (0, 1),
        }
    }

    /// A second replica is there all the time.
    pub(super) fn beside_another(mut self) -> Self {
        self.beside_another = true;
        self
    }

    /// One of `count` shares of the points.
    pub(super) fn share(mut self, index: usize, count: usize) -> Self {
        self.share = (index, count);
        self
    }

    /// Kills; then every file must have ended well. Answers the points, without what tells hits of
    /// one point apart.
    pub(super) async fn run(self) -> Result<BTreeSet<String>> {
        let began = Instant::now();
        let beside = if self.beside_another { " of two" } else { "" };
        let (index, count) = self.share;
        let name = format!("{}{beside}, {}/{count}", self.user, index + 1);
        let killed = self.kill_everywhere(&name).await;
        println!("{name}: {:?}", began.elapsed());
        killed.with_context(|| name)
    }

    async fn kill_everywhere(&self, name: &str) -> Result<BTreeSet<String>> {
        let mut landfall = self.installation().await?;
        let mut files = Files::of(self.user);
        let mut killed = BTreeSet::new();
        if let Some(point) = self.at_first_start() {
            let hits = self.kill_at(point, PATIENCE, &mut landfall, &mut files);
            ensure!(hits.await?.is_some(), "{point} is not hit");
            killed.insert(bare(point).to_owned());
        }
        let mut recorded = self.record(&mut landfall, &mut files).await?;
        recorded.extend(self.more());
        if self.beside_another {
            landfall.add_beside(self.user).await?;
        }
        let mut known = recorded.clone();
        // Replays last: what such a kill leaves on its way is the first to come to the next point.
        let (replays, first): (Vec<String>, Vec<String>) = recorded
            .iter()
            .cloned()
            .partition(|point| is_of_a_replay(point));
        let mut queue: VecDeque<String> = first.into_iter().chain(replays).collect();
        while let Some(point) = queue.pop_front() {
            if !self.is_mine(&point) {
                continue;
            }
            let patience = if recorded.contains(&point) {
                PATIENCE
            } else {
                LITTLE_PATIENCE
            };
            let began = Instant::now();
            let hits = self.kill_at(&point, patience, &mut landfall, &mut files);
            let Some(hits) = hits.await? else {
                ensure!(!recorded.contains(&point), "{point} is not hit any more");
                println!("{name}: {point} was not hit again");
                continue;
            };
            println!("{name}: {point} {:?}", began.elapsed());
            killed.insert(bare(&point).to_owned());
            for hit in hits {
                if known.insert(hit.clone()) {
                    queue.push_back(hit);
                }
            }
        }
        landfall.add(self.user).await?;
        files.have_ended(&landfall).await?;
        landfall.finish_with_dead_letters().await?;
        Ok(killed)
    }

    async fn installation(&self) -> Result<Installation> {
        Installation::builder()
            .without(self.user)
            .set("notifier.delay", "100ms")
            .set("notifier.retry_after", "500ms")
            .set("notifier.smtp.timeout", "1s")
            .set("watcher.sweep_every", "500ms")
            .set("watcher.stuck_after", "1s")
            .set("watcher.sns.topics", vec![TOPIC])
            // What a killed service held comes again after this time, as often as it takes.
            .set("nats.ack_wait", "1s")
            .set("nats.max_deliver", 10_000)
            .set("service.retry_after", "100ms")
            .set("service.tries", 40)
            .set("objects.copy_above", LARGE)
            .config(PROFILES)
            .config_of(User::Watcher, UNHEARD_OF)
            .secured_mail()
            .start()
            .await
    }

    /// A point that is hit once in the life of an installation.
    fn at_first_start(&self) -> Option<&'static str> {
        match (self.user, self.share.0) {
            (User::Watcher, 0) => Some("journal.create.after@lease/"),
            (User::Watcher, _) => Some("journal.create.before@lease/"),
            (User::Ingest, _) => Some("journal.create.before@stream/"),
            (User::Mover, _) => Some("journal.create.after@stream/"),
            _ => None,
        }
    }

    /// Points that no recorded run hits: those of a second try, and later hits of one point.
    fn more(&self) -> Vec<String> {
        let more: &[&str] = match self.user {
            User::Ingest => &[
                "nats.nak.before@FILES/",
                "nats.nak.after@FILES/",
                "journal.create.before@tries/",
                "journal.create.after@tries/",
                "journal.replace.before@tries/",
                "journal.replace.after@tries/",
            ],
            // Of files that have failed before it is started.
            User::Watcher => &[
                "journal.renew.before",
                "journal.renew.after",
                "sns.get.before",
                "sns.get.after",
            ],
            User::Mover => &[
                "objects.head.after:2",
                "objects.head.after:3",
                // Of a file that is deleted: the log has the same points for those that are moved.
                "objects.head.before@incoming/deleted/",
                "objects.head.after@incoming/deleted/",
                "objects.delete.before@incoming/deleted/",
                "objects.delete.after@incoming/deleted/",
            ],
            // What came of handing a mail over.
            User::Notifier => &[
                "journal.replace.before:2@mail/",
                "journal.replace.after:2@mail/",
            ],
            _ => &[],
        };
        more.iter().map(|point| (*point).to_owned()).collect()
    }

    /// What has to happen for a point to be hit.
    fn before(point: &str) -> String {
        if !is_of_a_second_try(point) {
            return String::new();
        }
        // A file is tried again, and once more: more often than there are files that earlier kills
        // have left on their way, less often than tries are allowed.
        (1..=16)
            .map(|hit| format!("objects.get.before:{hit}@-twice.csv=panic;"))
            .collect()
    }

    /// The points that are hit while the files of one round go their whole way.
    async fn record(
        &self,
        landfall: &mut Installation,
        files: &mut Files,
    ) -> Result<BTreeSet<String>> {
        let service = landfall.arm(self.user, "")?;
        service.ready_or_ended().await?;
        // As many as there are kinds of orders about good files.
        for _ in 0..2 {
            files.put(landfall).await?;
        }
        files.put_over(landfall, self.user).await?;
        files.are_told_of(landfall).await?;
        files.order(landfall).await?;
        files.are_told_of(landfall).await?;
        for point in self.also() {
            service.has_hit(point).await?;
        }
        let hits = service.hits()?;
        let status = service.stop().await;
        ensure!(
            status.success(),
            "it ends with {status}; its last lines:\n{}",
            service.last_lines()
        );
        Ok(hits)
    }

    /// What is hit without any file's doing, sooner or later.
    fn also(&self) -> &'static [&'static str] {
        match self.user {
            User::Watcher => &["files.read.after"],
            User::Notifier => &["smtp.quit.after"],
            _ => &[],
        }
    }

    fn is_mine(&self, point: &str) -> bool {
        let (index, count) = self.share;
        let once = point.starts_with("journal.create.")
            && (point.ends_with("@lease/") || point.ends_with("@stream/"));
        // A mail goes out in the same steps whichever way it is about.
        let same = self.user == User::Notifier && is_of_a_replay(point);
        let tried = super::is_tried(point) && !once && !same;
        tried && point.bytes().map(usize::from).sum::<usize>() % count == index
    }

    /// Uploads files until the service dies at `point`, and answers what it had hit; none if it
    /// does not come there.
    async fn kill_at(
        &self,
        point: &str,
        patience: Duration,
        landfall: &mut Installation,
        files: &mut Files,
    ) -> Result<Option<BTreeSet<String>>> {
        let end = Instant::now() + patience;
        let failpoint = format!("{}{point}=kill", Self::before(point));
        if is_of_two_versions(point) {
            // While nobody reads, so that it is no matter of speed.
            files.put_over(landfall, self.user).await?;
        }
        let service = landfall.arm(self.user, &failpoint)?;
        let mut status = service.ready_or_ended().await?;
        let mut pause = MORE;
        while status.is_none() && Instant::now() < end {
            files.put(landfall).await?;
            files.order(landfall).await?;
            if is_of_an_outcome(point) {
                files.say_again(landfall).await?;
            }
            if point.starts_with("sns.") {
                // Whoever is killed meanwhile has answered nothing, and SNS sends it again.
                let answered = landfall.notify_as_sns(TOPIC).await;
                ensure!(answered.is_none_or(|status| status >= 500), "{answered:?}");
            }
            if self.beside_another && is_of_a_second_try(point) {
                // One round at a time, whatever comes again would always go to the other replica:
                // the server gives to both in turn.
                files.crowd(landfall).await?;
            }
            if self.beside_another && is_of_two_versions(point) {
                // The other replica may have been the faster one each time before.
                files.put_over(landfall, self.user).await?;
            }
            status = service.ended_within(pause).await;
            if point.starts_with("smtp.quit.") {
                // A session is ended where nothing comes in.
                pause *= 2;
            }
        }
        let status = match status {
            Some(status) => status,
            // Some are hit by handing back what is held.
            None => service.stop().await,
        };
        if status.success() {
            if patience > LITTLE_PATIENCE {
                let lines = service.last_lines();
                println!("{point} was not hit; what it said last:\n{lines}");
            }
            return Ok(None);
        }
        let hits = service.hits()?;
        let came_there = hits.iter().any(|hit| bare(hit) == bare(point));
        ensure!(
            is_killed(status) && came_there,
            "at {point} it ends with {status}; its last lines:\n{}",
            service.last_lines()
        );
        Ok(Some(hits))
    }
}

/// Whether a point is hit only where something is tried again.
fn is_of_a_second_try(point: &str) -> bool {
    point.starts_with("nats.nak.") || point.ends_with("@tries/")
}

/// Whether a point is hit only where one version of a key was seen before the next takes its place.
fn is_of_two_versions(point: &str) -> bool {
    let of_a_key = point.starts_with("journal.replace.") && point.ends_with("@key/");
    of_a_key || point.ends_with("superseded/")
}

/// Whether a point is hit where a file was moved before, or was replaced in the moment.
fn is_of_an_outcome(point: &str) -> bool {
    point.starts_with("journal.read.") && point.ends_with("@shelf/")
}

/// Whether a point is hit only on a file's second way or a later one.
fn is_of_a_replay(point: &str) -> bool {
    point.contains("@replay/")
}

/// A point without the kind of thing that it was about.
pub(super) fn bare(point: &str) -> &str {
    point.split(['@', ':']).next().unwrap_or(point)
}
