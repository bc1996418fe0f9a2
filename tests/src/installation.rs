//! One whole Landfall.

pub(crate) mod armed;
mod arrive;
mod audit;
mod builder;
mod finish;
mod grounds;
pub(crate) mod outages;
mod page;
mod site;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use async_nats::jetstream;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;
use futures::{StreamExt, TryStreamExt, stream};
use proto::event::Moved;
use proto::{Data, User, What};
use serde_json::json;
use servers::mail::Mail;

use crate::bucket::{Bucket, Upload};
use crate::chaos;
use crate::damage::Damage;
use crate::database::{Database, Keyspaces};
use crate::disk::Disk;
use crate::events::{Follower, Seen};
use crate::http;
use crate::relay::{Fate, Relay};
use crate::rows::Rows;
use crate::service::{Replica, Service, address};
use crate::usage::Usage;
use crate::wait::until;

pub use audit::{Audit, Violation};
pub use builder::Builder;
use grounds::Grounds;
use outages::Wires;
use site::Site;

/// The services, in the order of a file's way.
pub(crate) const SERVICES: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// A running installation with a bucket of its own. Dropped, everything of it ends.
#[derive(Debug)]
pub struct Installation {
    /// The bucket that it watches.
    pub bucket: Bucket,
    /// Further buckets that it watches.
    pub more: Vec<Bucket>,
    /// Where files that are done with go, if that is another bucket.
    pub target: Option<Bucket>,
    services: Vec<Service>,
    started: usize,
    follower: Follower,
    patience: Duration,
    jetstream: jetstream::Context,
    grounds: Grounds,
    wires: Option<Wires>,
    configs: HashMap<User, PathBuf>,
    database: Database,
    site: Site,
    finished: bool,
}

impl Installation {
    /// An installation as the tests mostly need it: mails wait for a second, the rest is as
    /// shipped.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// [`builder`](Self::builder) and start.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// Uploads an object to the watched bucket.
    pub async fn put(&self, key: &str, content: impl AsRef<[u8]>) -> Result<Upload> {
        self.bucket.put(key, content).await
    }

    /// Waits until `what` was said of an upload.
    pub async fn said(&self, upload: &Upload, what: What) -> Result<Seen> {
        let about = format!("`{}` of {:?}", what.token(), upload.key);
        self.event(&about, |seen| seen.what() == what && upload.is(seen.file()))
            .await
    }

    /// Waits until an upload was moved, and answers what became of it.
    pub async fn moved(&self, upload: &Upload) -> Result<Moved> {
        match self.said(upload, What::Moved).await?.event.data {
            Data::Moved(moved) => Ok(moved),
            other => Err(anyhow!("it is not `moved`: {other:?}")),
        }
    }

    /// Waits for the event that ends the way of an upload.
    pub async fn ended(&self, upload: &Upload) -> Result<Seen> {
        let about = format!("the end of {:?}", upload.key);
        self.event(&about, |seen| seen.is_last() && upload.is(seen.file()))
            .await
    }

    /// Waits for the first event with which `fits` is content; `about` says what is missing if it
    /// does not come.
    pub async fn event(&self, about: &str, fits: impl Fn(&Seen) -> bool) -> Result<Seen> {
        let found = self.follower.until(self.patience, |all| {
            all.iter().find(|seen| fits(seen)).cloned()
        });
        found.await.ok_or_else(|| self.missing(about))
    }

    /// Waits until at least `count` different events fit: `FILES` may hold one twice.
    pub async fn events(
        &self,
        about: &str,
        count: usize,
        fits: impl Fn(&Seen) -> bool,
    ) -> Result<()> {
        let found = self.follower.until(self.patience, |all| {
            let fitting = all.iter().filter(|seen| fits(seen));
            let ids: HashSet<&String> = fitting.map(|seen| &seen.event.id).collect();
            (ids.len() >= count).then_some(())
        });
        found.await.ok_or_else(|| self.missing(about))
    }

    /// Everything that was said so far.
    pub fn all(&self) -> Vec<Seen> {
        self.follower.all()
    }

    /// What was said of an upload so far, in its order, repetitions left out.
    pub fn way(&self, upload: &Upload) -> Vec<What> {
        let all = self.follower.all();
        let file = all.iter().find(|seen| upload.is(seen.file()));
        file.map_or_else(Vec::new, |seen| self.follower.way(seen.file().id))
    }

    /// Asks `check` until it answers something.
    pub async fn until<T, F>(&self, about: &str, check: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Option<T>>,
    {
        until(self.patience, check)
            .await
            .ok_or_else(|| self.missing(about))
    }

    /// The readings in the database.
    pub fn rows(&self) -> Result<Rows> {
        self.database.rows()
    }

    /// How many of the readings in the database a file wrote.
    pub fn count(&self, file: proto::FileId) -> Result<u64> {
        self.database.count(file)
    }

    /// Breaks something by hand in the database, of a file.
    pub fn damage(&self, damage: Damage, file: proto::FileId) -> Result<()> {
        self.database.damage(damage, file)
    }

    /// The mails that the mail server accepted: one for each DATA command that it answered well.
    pub fn mails(&self) -> Result<Vec<Mail>> {
        self.site.mail.mails()
    }

    /// What becomes of the store's notifications from now on.
    pub fn notifications(&self, fate: Fate) {
        self.relay().set(&self.bucket.name, fate);
    }

    /// Lets the youngest of the notifications that are held back go on.
    pub fn release_youngest(&self) {
        self.relay().release_youngest(&self.bucket.name);
    }

    /// How many notifications are held back.
    pub fn held(&self) -> usize {
        self.relay().held(&self.bucket.name)
    }

    /// How many notifications were lost.
    pub fn lost(&self) -> usize {
        self.relay().lost(&self.bucket.name)
    }

    /// Starts a service, or one more replica of it, and waits until it is ready.
    pub async fn add(&mut self, user: User) -> Result<()> {
        let running = self.services.iter().filter(|service| service.user == user);
        let replica = self.replica(user, running.count());
        self.launch(&replica)?;
        let service = self.services.last().context("it was just started")?;
        service.ready().await
    }

    /// Starts a service, without waiting for it.
    pub fn begin(&mut self, user: User) -> Result<()> {
        let replica = self.replica(user, 0);
        self.launch(&replica)
    }

    /// Starts a replica of a service beside another one, which takes the store's notifications
    /// where that is the watcher; waits until it is ready.
    pub async fn add_beside(&mut self, user: User) -> Result<()> {
        let mut replica = self.replica(user, 0);
        let elsewhere = ("LANDFALL_WATCHER__LISTEN", "127.0.0.1:0".into());
        replica.environment.push(elsewhere);
        self.launch(&replica)?;
        let service = self.services.last().context("it was just started")?;
        service.ready().await
    }

    fn launch(&mut self, replica: &Replica) -> Result<()> {
        self.started += 1;
        let service = replica.start(&format!("{}-{}", replica.user, self.started))?;
        self.services.push(service);
        Ok(())
    }

    /// How the replica with this number, from 0, is started.
    fn replica(&self, user: User, number: usize) -> Replica {
        let password = self.site.nats.password(user).unwrap_or_default();
        let mut environment = vec![("LANDFALL_NATS__PASSWORD", password.into())];
        if user == User::Watcher
            && let Some(port) = self.site.listen.get(number)
        {
            let listen = address(port).to_string();
            environment.push(("LANDFALL_WATCHER__LISTEN", listen.into()));
        }
        if let Grounds::Rigged(rig) = &self.grounds {
            environment.extend(rig.clocks.environment(user, number));
        }
        Replica {
            user,
            config: self.configs[&user].clone(),
            environment,
        }
    }

    fn relay(&self) -> &Relay {
        &self.grounds.seaweedfs().relay
    }

    /// Ends every replica of a service in good order (SIGTERM).
    pub async fn stop(&mut self, user: User) -> Result<()> {
        for service in self.take(user) {
            let status = service.process.stop().await;
            ensure!(
                status.success(),
                "{} ends with {status}; its last lines:\n{}",
                service.process.name(),
                service.process.last_lines(20)
            );
        }
        Ok(())
    }

    /// Kills every replica of a service (SIGKILL).
    pub async fn kill(&mut self, user: User) {
        for service in self.take(user) {
            service.process.kill().await;
        }
    }

    fn take(&mut self, user: User) -> Vec<Service> {
        let (taken, rest) = std::mem::take(&mut self.services)
            .into_iter()
            .partition(|service| service.user == user);
        self.services = rest;
        taken
    }

    /// Waits until what the watcher does at start is over: from then on notifications alone find
    /// anything, until the next sweep.
    pub async fn has_swept(&self) -> Result<()> {
        self.until("the first sweep", || async {
            let name = "landfall_sweep_duration_seconds_count";
            let swept = self.metric(User::Watcher, name, "").await.ok()?;
            (swept >= 1.0).then_some(())
        })
        .await
    }

    /// A metric of a service, summed over its replicas and the series that have `label`
    /// (`outcome="ignored"`; all if empty).
    pub async fn metric(&self, user: User, name: &str, label: &str) -> Result<f64> {
        let mut sum = 0.0;
        for service in self.services.iter().filter(|service| service.user == user) {
            sum += service.metric(name, label).await?;
        }
        Ok(sum)
    }

    /// Waits until the watcher has listed everything `count` times more.
    pub async fn sweeps(&self, count: u32) -> Result<()> {
        let name = "landfall_sweep_duration_seconds_count";
        let before = self.metric(User::Watcher, name, "").await?;
        self.until("more sweeps", || async {
            let now = self.metric(User::Watcher, name, "").await.ok()?;
            (now >= before + f64::from(count)).then_some(())
        })
        .await
    }

    /// Every process that works here, the store among them, and its id.
    pub fn processes(&self) -> Vec<(String, u32)> {
        let services = self.services.iter().map(|service| &service.process);
        let servers = [
            self.site.nats.process(),
            self.site.mail.process(),
            self.grounds.store().process,
        ];
        services
            .chain(servers)
            .map(|process| (process.name().to_owned(), process.pid()))
            .collect()
    }

    /// The most memory, in MiB, that any replica of a service that runs has ever had.
    pub fn peak(&self, user: User) -> Result<u64> {
        let services = self.of(user);
        let most = services.map(|service| Ok(Usage::of(service.process.pid())?.most));
        let most = most.collect::<Result<Vec<u64>>>()?.into_iter().max();
        Ok(most.context("none runs")?.div_ceil(1024))
    }

    /// What `/readyz` of a service says, and whether it is ready.
    pub async fn readyz(&self, user: User) -> Result<(u16, String)> {
        let service = self.of(user).next().context("none runs")?;
        service.readyz().await
    }

    /// Whether a replica of a service has logged a line with each of these words in it.
    pub fn logged(&self, user: User, words: &[&str]) -> Result<bool> {
        for service in self.of(user) {
            let log = std::fs::read_to_string(service.process.log())?;
            let says = |line: &str| words.iter().all(|word| line.contains(word));
            if log.lines().any(says) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn of(&self, user: User) -> impl Iterator<Item = &Service> {
        let services = self.services.iter();
        services.filter(move |service| service.user == user)
    }

    /// Leaves so many bytes of room on the small disk.
    pub fn fill_disk(&self, but: u64) -> Result<()> {
        self.disk()?.fill(but)
    }

    /// Makes room on the small disk.
    pub fn clear_disk(&self) -> Result<()> {
        self.disk()?.clear()
    }

    fn disk(&self) -> Result<&Disk> {
        self.site.disk.as_ref().context("no disk is small")
    }

    /// Ends NATS, where it has not ended, and starts it again.
    pub async fn restart_nats(&mut self) -> Result<()> {
        self.site.nats.restart().await
    }

    /// What NATS has logged.
    pub fn log_of_nats(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.site.nats.process().log())?)
    }

    /// Puts notifications of these uploads into `STORAGE`, as a store does that speaks NATS.
    pub async fn announce(&self, uploads: &[Upload]) -> Result<()> {
        let client = builder::connect(&self.site.nats, User::Watcher).await?;
        let jetstream = &jetstream::new(client);
        stream::iter(uploads)
            .map(|upload| async move {
                let body = upload.notification().to_string();
                let sent = jetstream.publish(proto::subject::STORAGE_HTTP, body.into());
                Ok::<_, anyhow::Error>(sent.await?.await?)
            })
            .buffer_unordered(256)
            .try_for_each(async |_| Ok(()))
            .await
    }

    /// How many events of a kind there are.
    pub async fn count_said(&self, what: What) -> Result<usize> {
        let files = self.jetstream.get_stream(proto::stream::FILES.name).await?;
        let filter = proto::subject::files_filter(what);
        let mut subjects = files.info_with_subjects(filter).await?;
        let mut count = 0;
        while let Some((_, messages)) = subjects.try_next().await? {
            count += messages;
        }
        Ok(count)
    }

    /// Posts a notification to the watcher, with its token or another one; answers the status.
    pub async fn notify(&self, token: Option<&str>, body: &str) -> Result<u16> {
        let token = token.unwrap_or(&self.site.token);
        let answer = http::post(self.webhook(), "/events", token, body).await?;
        Ok(answer.status)
    }

    /// Posts what Amazon SNS would, of `topic`, with a certificate at a host that is not there, for
    /// which the watcher asks the machine's DNS; answers the status, if the watcher lived.
    pub async fn notify_as_sns(&self, topic: &str) -> Option<u16> {
        let message = json!({
            "Type": "Notification",
            "MessageId": "1",
            "TopicArn": topic,
            "Message": "{}",
            "Timestamp": "2026-01-01T00:00:00.000Z",
            "SignatureVersion": "2",
            "Signature": "",
            "SigningCertURL": "https://sns.nowhere-1.amazonaws.com/nothing.pem",
        });
        let answer = http::post_as_sns(self.webhook(), "/events", &message.to_string()).await;
        answer.ok().map(|answer| answer.status)
    }

    /// Where the watcher takes notifications.
    pub fn webhook(&self) -> SocketAddr {
        address(&self.site.listen[0])
    }

    /// The token that lets them in.
    pub fn token(&self) -> &str {
        &self.site.token
    }

    /// The first message on a subject of a stream, if there is one.
    pub async fn message(&self, stream: &str, subject: &str) -> Result<Option<StreamMessage>> {
        let stream = self.jetstream.get_stream(stream).await?;
        match stream.direct_get_next_for_subject(subject, Some(1)).await {
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            message => Ok(Some(message?)),
        }
    }

    /// JetStream with the rights of `user`.
    pub async fn jetstream_of(&self, user: User) -> Result<jetstream::Context> {
        let client = builder::connect(&self.site.nats, user).await?;
        Ok(jetstream::new(client))
    }

    /// Publishes an event with the rights of `user`, whatever the services make of it; answers its
    /// sequence.
    pub async fn publish(&self, user: User, event: &proto::Event) -> Result<u64> {
        let (file, _) = event.about();
        let subject = proto::subject::files(file.id, event.data.what(), &file.profile);
        let payload = serde_json::to_vec(event)?;
        let jetstream = self.jetstream_of(user).await?;
        let stored = jetstream.publish(subject, payload.into()).await?;
        Ok(stored.await?.sequence)
    }

    /// Runs the command `landfall` for this installation, as `user`.
    pub async fn landfall(&self, user: User, arguments: &[&str]) -> Result<std::process::Output> {
        builder::landfall(
            &self.configs[&User::Setup],
            &self.site.nats,
            user,
            arguments,
        )
        .await
    }

    /// The command `landfall` for this installation, to be run as `user`.
    pub fn command(&self, user: User, arguments: &[&str]) -> std::process::Command {
        builder::command(
            &self.configs[&User::Setup],
            &self.site.nats,
            user,
            arguments,
        )
    }

    /// Its keyspaces, on CQL.
    pub fn keyspaces(&self) -> Result<&Keyspaces> {
        match &self.database {
            Database::Cql(keyspaces) => Ok(keyspaces),
            Database::Sqlite(_) => bail!("it was not built on CQL"),
        }
    }

    /// Audits this installation, mails and all, by the command: `--settled` and the like are for
    /// the caller to add.
    pub async fn audit(&self, arguments: &[&str]) -> Result<Audit> {
        let mails = self.site.mail.mails_folder();
        let mails = mails.to_str().context("a path in UTF-8")?;
        let mut all = vec!["audit", "--json", "--mails", mails];
        all.extend(arguments);
        Audit::read(&self.landfall(User::Operator, &all).await?)
    }

    /// [`audit`](Self::audit) when everything is over, held against every upload under `incoming/`:
    /// also nothing may be lost.
    pub async fn audit_strictly(&self) -> Result<Audit> {
        let buckets = [&self.bucket].into_iter().chain(&self.more);
        let lines = buckets.flat_map(|bucket| bucket.uploads("incoming/"));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        let list = self.folder().join("uploads.jsonl");
        std::fs::write(&list, text)?;
        let list = list.to_str().context("a path in UTF-8")?;
        self.audit(&["--settled", "--uploads", list]).await
    }

    /// The folder of this installation's files.
    pub fn folder(&self) -> &Path {
        self.site.folder.path()
    }

    /// What a chaos run lays hands on: the replicas in the order of their services.
    pub(crate) fn parts(&mut self) -> Result<chaos::Parts<'_>> {
        let mut replicas: Vec<Replica> = vec![];
        for service in &self.services {
            let same = replicas.iter().filter(|known| known.user == service.user);
            let number = same.count();
            replicas.push(self.replica(service.user, number));
        }
        let person = chaos::Person {
            config: self.configs[&User::Setup].clone(),
            password: self
                .site
                .nats
                .password(User::Operator)
                .unwrap_or_default()
                .to_owned(),
            follower: &self.follower,
        };
        let Grounds::Rigged(rig) = &mut self.grounds else {
            bail!("it was not built for a chaos run");
        };
        Ok(chaos::Parts {
            person,
            replicas: replicas.into_iter().zip(&mut self.services).collect(),
            nats: &mut self.site.nats,
            mail: &mut self.site.mail,
            rig,
            bucket: &self.bucket,
        })
    }

    /// How many connections were cut: of a chaos run, or between NATS and a store that publishes
    /// to it itself.
    pub fn cuts(&self) -> u64 {
        match &self.grounds {
            Grounds::Rigged(rig) => rig.cuts(),
            Grounds::Publishing(publishing) => publishing.wire.cuts(),
            Grounds::Shared(_) | Grounds::Own(_) | Grounds::Paged(_) => 0,
        }
    }

    /// Ends it at once and moves its folder to where it outlives this process; answers where.
    pub(crate) fn keep(mut self, name: &str) -> Result<PathBuf> {
        self.site.folder.disable_cleanup(true);
        let from = self.folder().to_owned();
        drop(self);
        let kept = std::env::temp_dir().join("landfall-kept").join(name);
        if kept.exists() {
            std::fs::remove_dir_all(&kept)?;
        }
        std::fs::create_dir_all(&kept)?;
        std::fs::rename(from, &kept)?;
        Ok(kept)
    }

    fn missing(&self, about: &str) -> anyhow::Error {
        anyhow!("{about} did not come within {:?}", self.patience)
    }

    /// What was said, and the services' last lines.
    fn report(&self) -> String {
        let mut report = String::from("what was said (sequence, event, file, replay, key):\n");
        let all = self.follower.all();
        for seen in &all[all.len().saturating_sub(60)..] {
            report += &format!("  {seen}\n");
        }
        if let Some(trouble) = self.follower.trouble() {
            report += &format!("FILES cannot be followed: {trouble}\n");
        }
        for service in &self.services {
            let (process, lines) = (&service.process, service.process.last_lines(25));
            let state = process
                .status()
                .map_or("runs".to_owned(), |status| status.to_string());
            report += &format!("--- {} ({state}):\n{lines}\n", process.name());
        }
        report
    }
}

impl Drop for Installation {
    /// A test that fails says what the services said.
    fn drop(&mut self) {
        if !self.finished {
            eprintln!("{}", self.report());
        }
    }
}
