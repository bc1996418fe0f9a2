//! A plan, done.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, try_join_all};
use nix::sys::signal::Signal;
use proto::event::MailOutcome;
use proto::{Data, FileId, What};
use serde_json::json;
use servers::process::GRACE;
use servers::{MailCatcher, Nats, Process};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Rig;
use super::content::PROFILE;
use super::person::{Needs, Person};
use super::plan::{ACK_WAIT, Deed, Order, Plan, Power, REPLICAS, Request, SERVERS};
use crate::bucket::{Bucket, Upload, hex};
use crate::database::Kind;
use crate::installation::{Audit, Installation};
use crate::service::{self, Service};
use crate::shared::Storage;
use crate::wait::until;
use crate::wire::Forecast;

/// How long after the last fault everything may take to end: claims of mails that nobody ends are
/// over by then, and every service has looked for what it did not publish.
pub(super) const PATIENCE: Duration = Duration::from_secs(100);

/// How long one request of a person may take; then it is made again.
const REQUEST: Duration = Duration::from_secs(10);

/// Between two tries of an upload: within a second the same bytes are the same file.
const AGAIN: Duration = Duration::from_millis(1_100);

/// What a run came to.
#[derive(Debug)]
pub struct Summary {
    plan: Plan,
    audit: Audit,
    cuts: u64,
    ordered: usize,
    /// Replays that came to their end.
    pub replayed: usize,
    /// Retractions that did.
    pub retracted: usize,
    took: Duration,
}

/// Does what the seed's plan says, and judges what became of it. The error has the plan and
/// everything that is wrong.
pub async fn run(seed: u64) -> Result<Summary> {
    let plan = Plan::new(seed, Kind::chosen()?);
    let begin = Instant::now();
    let builder = Installation::builder()
        .rigged(seed)
        .replicas(REPLICAS)
        .config(PROFILE)
        .set("nats.ack_wait", format!("{} ms", ACK_WAIT.as_millis()))
        .set("watcher.sweep_every", "1s")
        // Larger ones are read twice.
        .set("ingest.in_memory", 1_000)
        // Some are copied in parts.
        .set("objects.copy_above", 6_000)
        .set("objects.timeout", "3s")
        .set("notifier.retry_after", "1s")
        .set("notifier.smtp.timeout", "1s")
        .set("service.drain", "3s");
    let builder = if plan.versioned {
        builder.versioned()
    } else {
        builder
    };
    let mut landfall = builder.start().await?;
    let judged = match happen(&plan, &mut landfall).await {
        Ok(uploads) => judge(&landfall, &uploads).await,
        Err(error) => Err(error),
    };
    let audit = match judged {
        Ok(audit) => audit,
        Err(error) => {
            let kept = landfall.keep(&format!("chaos-{seed}"))?;
            let kept = kept.display();
            return Err(error.context(format!("{plan}what it left is in {kept}\nseed {seed}")));
        }
    };
    let cuts = landfall.cuts();
    let ordered = landfall.count_said(What::Commanded).await?;
    let replayed = ends(&landfall, What::Notified);
    let retracted = ends(&landfall, What::Retracted);
    // Held against its own list above, which knows of uploads whose answer was lost.
    let finished = landfall.finish_unlisted().await;
    finished.with_context(|| format!("{plan}seed {seed}"))?;
    let summary = Summary {
        plan,
        audit,
        cuts,
        ordered,
        replayed,
        retracted,
        took: begin.elapsed(),
    };
    // Also where the output of tests that pass is kept back.
    writeln!(std::io::stderr(), "{summary}")?;
    Ok(summary)
}

/// How many ways that a person began ended so.
fn ends(landfall: &Installation, what: What) -> usize {
    let all = landfall.all();
    let ends = all.iter().filter(|seen| seen.what() == what);
    let ways = ends.map(|seen| (seen.file().id, seen.event.about().1));
    // `FILES` may hold an event twice.
    let ordered: HashSet<(FileId, u32)> = ways.filter(|(_, replay)| *replay > 0).collect();
    ordered.len()
}

/// Everything of an installation that a plan is about.
pub(crate) struct Parts<'a> {
    /// In the order of the plan's replicas.
    pub(crate) replicas: Vec<(service::Replica, &'a mut Service)>,
    pub(crate) nats: &'a mut Nats,
    pub(crate) mail: &'a mut MailCatcher,
    pub(crate) rig: &'a mut Rig,
    pub(crate) bucket: &'a Bucket,
    pub(crate) person: Person<'a>,
}

/// An upload, for the checker's list.
struct Line {
    upload: Upload,
    sha256: String,
    deleted: bool,
}

/// Lets everything happen, and answers what was uploaded.
async fn happen(plan: &Plan, landfall: &mut Installation) -> Result<Vec<Line>> {
    let Parts {
        mut replicas,
        nats,
        mail,
        rig,
        bucket,
        person,
    } = landfall.parts()?;
    let Rig {
        storage,
        nats: nats_wire,
        store: store_wire,
        mail: mail_wire,
        clocks,
        database,
    } = rig;
    let Storage { store, relay, .. } = storage;
    let needs = &Needs::default();
    let begin = Instant::now();
    let mut uploads = vec![];
    let mut strands: Vec<LocalBoxFuture<'_, Result<()>>> = vec![
        people(begin, plan, bucket, &mut uploads).boxed_local(),
        each(begin, &plan.orders, async |order| {
            person.order(*order, needs).await.map(drop)
        })
        .boxed_local(),
        each(begin, &plan.fates, async |fate| {
            relay.set(&bucket.name, *fate);
            Ok(())
        })
        .boxed_local(),
        each(begin, &plan.servers[0], async |power| match power {
            Power::Kill => {
                needs.breaks();
                nats.kill().await;
                Ok(())
            }
            Power::Start => {
                nats.restart().await?;
                needs.is_mended();
                Ok(())
            }
        })
        .boxed_local(),
        each(begin, &plan.servers[1], async |power| match power {
            Power::Kill => {
                store.kill().await;
                Ok(())
            }
            Power::Start => store.restart().await,
        })
        .boxed_local(),
        each(begin, &plan.servers[2], async |power| match power {
            Power::Kill => {
                mail.kill().await;
                Ok(())
            }
            Power::Start => mail.restart().await,
        })
        .boxed_local(),
    ];
    let mut wires = vec![&*nats_wire, store_wire, mail_wire];
    if let Some(database) = database {
        wires.push(&database.wire);
        // One that was there already is not ours to kill.
        if let Some(server) = &mut database.cassandra.server {
            let powers = each(begin, &plan.servers[3], async |power| match power {
                Power::Kill => {
                    needs.breaks();
                    server.kill().await;
                    Ok(())
                }
                Power::Start => {
                    server.restart().await?;
                    needs.is_mended();
                    Ok(())
                }
            });
            strands.push(powers.boxed_local());
        }
    }
    for ((server, wire), strand) in SERVERS.into_iter().zip(wires).zip(&plan.wires) {
        let needed = matches!(server, "nats" | "database");
        let change = each(begin, strand, async move |forecast| {
            match *forecast == Forecast::default() {
                _ if !needed => {}
                true => needs.is_mended(),
                false => needs.breaks(),
            }
            wire.set(*forecast);
            Ok(())
        });
        strands.push(change.boxed_local());
    }
    for ((user, number), strand) in &plan.clocks {
        let clocks = &*clocks;
        let jump = each(begin, strand, async |ahead| {
            clocks.set(*user, *number, *ahead)
        });
        strands.push(jump.boxed_local());
    }
    for ((replica, service), (_, strand)) in replicas.iter_mut().zip(&plan.replicas) {
        strands.push(live(begin, strand, replica, service).boxed_local());
    }
    try_join_all(strands).await?;
    // Not before all that they need is back, which takes as long as it takes.
    for (_, service) in &replicas {
        service.ready().await?;
    }
    // What was ordered before may have come to nothing, by right.
    let from = "ingest";
    person
        .insist(|of| Order::Replay { from, of }, needs)
        .await?;
    person.insist(|of| Order::Retract { of }, needs).await?;
    Ok(uploads)
}

/// Does what a strand says, each at its time or as soon as what comes before it is done.
async fn each<T>(
    begin: Instant,
    strand: &[(Duration, T)],
    mut act: impl AsyncFnMut(&T) -> Result<()>,
) -> Result<()> {
    for (at, what) in strand {
        tokio::time::sleep_until(begin + *at).await;
        act(what).await?;
    }
    Ok(())
}

/// The life of a replica; it runs when this returns.
async fn live(
    begin: Instant,
    strand: &[(Duration, Deed)],
    replica: &service::Replica,
    service: &mut Service,
) -> Result<()> {
    let first = service.process.name().to_owned();
    let mut lives = 1;
    each(begin, strand, async |deed| {
        let process = &service.process;
        if !matches!(deed, Deed::Start) {
            runs(process)?;
        }
        match deed {
            Deed::Kill => {
                process.kill().await;
            }
            Deed::Terminate => process.signal(Signal::SIGTERM),
            Deed::Pause => process.signal(Signal::SIGSTOP),
            Deed::Resume => process.signal(Signal::SIGCONT),
            Deed::Start => {
                let ended = tokio::time::timeout(GRACE, process.ended()).await;
                let status = ended.with_context(|| format!("{} does not end", process.name()))?;
                ensure!(
                    // A signal ends it where it was killed, and where it had no time to expect one.
                    status.success() || status.signal().is_some(),
                    "{} ends with {status}",
                    process.name()
                );
                lives += 1;
                *service = replica.start(&format!("{first}-{lives}"))?;
            }
        }
        Ok(())
    })
    .await?;
    runs(&service.process)
}

/// An error if it ended by itself.
fn runs(process: &Process) -> Result<()> {
    match process.status() {
        None => Ok(()),
        Some(status) => Err(anyhow!(
            "{} ended by itself with {status}; its last lines:\n{}",
            process.name(),
            process.last_lines(20)
        )),
    }
}

/// Uploads and deletes, again and again while the store is away.
async fn people(
    begin: Instant,
    plan: &Plan,
    bucket: &Bucket,
    uploads: &mut Vec<Line>,
) -> Result<()> {
    let requests = each(begin, &plan.requests, async |request| match request {
        Request::Put(key, content) => {
            let bytes = content.bytes();
            let put = insist(|| bucket.put(key, &bytes));
            let (upload, tries) = Box::pin(put).await?;
            let line = |upload| Line {
                upload,
                sha256: hex(&Sha256::digest(&bytes)),
                deleted: false,
            };
            if tries > 1 {
                // A try without an answer may have been a version as well.
                let version = None;
                uploads.push(line(Upload {
                    version,
                    ..upload.clone()
                }));
            }
            uploads.push(line(upload));
            Ok(())
        }
        Request::Delete(key) => {
            insist(|| bucket.delete(key)).await?;
            let of_key = uploads.iter_mut().rev();
            let mut of_key = of_key.filter(|line| line.upload.key == *key);
            if let Some(line) = of_key.next() {
                line.deleted = true;
            }
            Ok(())
        }
    });
    Box::pin(requests).await
}

/// Makes a request until it is answered; says how often that was.
async fn insist<T, F: Future<Output = Result<T>>>(
    mut request: impl FnMut() -> F,
) -> Result<(T, u32)> {
    let mut tries = 0;
    let answered = until(PATIENCE, || {
        tries += 1;
        let answer = tokio::time::timeout(REQUEST, request());
        async move {
            match answer.await {
                Ok(Ok(answer)) => Some(answer),
                _ => {
                    tokio::time::sleep(AGAIN).await;
                    None
                }
            }
        }
    });
    let answer = answered.await.context("the store does not answer")?;
    Ok((answer, tries))
}

/// Asks the checker until everything has ended well; the error is what it says at last.
async fn judge(landfall: &Installation, uploads: &[Line]) -> Result<Audit> {
    let list = landfall.folder().join("uploads.jsonl");
    std::fs::write(&list, lines(uploads))?;
    let list = list.to_str().context("a path in UTF-8")?;
    let arguments = ["--settled", "--uploads", list];
    let last = RefCell::new(String::new());
    let audit = until(PATIENCE, || {
        let last = &last;
        let audit = landfall.audit(&arguments);
        async move {
            match audit.await {
                Ok(audit) if audit.violations.is_empty() => return Some(audit),
                Ok(audit) => *last.borrow_mut() = audit.to_string(),
                Err(error) => *last.borrow_mut() = format!("{error:#}"),
            }
            None
        }
    });
    let Some(audit) = audit.await else {
        let last = last.into_inner();
        bail!("not well {PATIENCE:?} after the last fault:\n{last}");
    };
    let failed = &audit.summary["ended"]["failed"];
    ensure!(
        failed.is_null(),
        "{failed} files failed, and nothing explains it"
    );
    let dead = landfall.dead_letters().await?;
    ensure!(dead == 0, "{dead} dead letters, and nothing explains them");
    mails_are_known(landfall)?;
    Ok(audit)
}

/// That nobody knows whether a mail went out is for those alone that were going out when something
/// died: not for as many as half of them.
fn mails_are_known(landfall: &Installation) -> Result<()> {
    let all = landfall.all();
    // `FILES` may hold an event twice.
    let mut ended = HashMap::new();
    for seen in &all {
        if let Data::Notified(notified) = &seen.event.data {
            ended.insert(&seen.event.id, notified.outcome);
        }
    }
    let known = ended.values();
    let known = known.filter(|outcome| **outcome == MailOutcome::Accepted);
    let (known, all) = (known.count(), ended.len());
    ensure!(2 * known >= all, "{known} mails of {all} were accepted");
    Ok(())
}

/// The list of uploads, as the checker reads it.
fn lines(uploads: &[Line]) -> String {
    let line = |line: &Line| {
        let Upload {
            bucket,
            key,
            etag,
            version,
        } = &line.upload;
        let line = json!({
            "bucket": bucket, "key": key, "etag": etag, "version": version,
            "sha256": line.sha256, "deleted": line.deleted,
        });
        format!("{line}\n")
    };
    uploads.iter().map(line).collect()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plan,
            audit,
            cuts,
            ordered,
            replayed,
            retracted,
            took,
        } = self;
        let summary = &audit.summary;
        write!(
            f,
            "chaos: seed {} is well: {} files {}, {} mails; {} kills, {} ends, {} pauses, {} \
             restarts of servers, {cuts} cuts, {} jumps, {ordered} orders ({replayed} replays, \
             {retracted} retractions); {:.0} s",
            plan.seed,
            summary["files"],
            summary["ended"],
            summary["mails"],
            plan.count(Deed::Kill),
            plan.count(Deed::Terminate),
            plan.count(Deed::Pause),
            plan.restarts(),
            plan.jumps(),
            took.as_secs_f64()
        )
    }
}
