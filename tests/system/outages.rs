//! Servers and databases that are away for longer than all deliveries of a message take, and
//! services that are killed meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use proto::consumer::{self, Consumer};
use proto::{User, What, stream, subject};
use tests::{Builder, Installation, Server, Upload, Usage, run, sample};
use tokio::time::Instant;

/// Of a message that nobody keeps alive, all deliveries take six seconds.
const ACK_WAIT: &str = "2s";
const DELIVERIES: i64 = 3;
const LONG: Duration = Duration::from_secs(8);

/// How often, a second, a service may turn to a server while something is away. It starts anew
/// once, keeps two messages alive, and tries now and then; what does not wait between two tries
/// comes to hundreds.
const SELDOM: f64 = 15.0;

/// The same of a database, of which each start asks for some eighty things: its nodes, its tables,
/// and every statement that is prepared.
const SELDOM_WITH_START: f64 = 30.0;

/// The share of a core that a service may take in an outage, its start included. What turns to a
/// locked file goes over no wire that counts, but what does not wait between two tries takes a core.
const LITTLE: f64 = 0.25;

const WHOLE: [What; 4] = [What::Arrived, What::Ingested, What::Moved, What::Notified];

fn builder() -> Builder {
    Installation::builder()
        .wired()
        .set("nats.ack_wait", ACK_WAIT)
        .set("nats.max_deliver", DELIVERIES)
        .set("service.tries", 2)
}

#[test]
fn mails_that_wait_while_nats_is_killed_come_once_and_not_before_their_time() {
    const SOON: SignedDuration = SignedDuration::from_secs(6);
    const LATE: SignedDuration = SignedDuration::from_secs(20);
    run(async {
        let mut landfall = builder()
            .set("notifier.delay", "6s")
            .config(
                "[[notifier.routes]]\nname = \"late\"\nkey = \"incoming/late*\"\n\
                 to = [\"late@example.org\"]\ndelay = \"20s\"",
            )
            .start()
            .await?;
        // Those are due when it is back, these while it is away.
        let late = two(&landfall, "late", What::Moved).await?;
        let soon = two(&landfall, "soon", What::Moved).await?;
        for upload in soon.iter().chain(&late) {
            waits(&landfall, upload).await?;
        }
        ensure!(landfall.mails()?.is_empty(), "they do not wait");
        landfall.kill_nats().await;
        let meanwhile = two_more(&landfall, "meanwhile").await?;
        let everyone = [User::Watcher, User::Ingest, User::Mover, User::Notifier];
        live_through(&mut landfall, everyone.map(|user| (user, "nats"))).await?;
        landfall.restart_nats().await?;

        for (uploads, delay) in [(&soon, SOON), (&late, LATE)] {
            for upload in uploads {
                let notified = landfall.ended(upload).await?;
                let moved = landfall.said(upload, What::Moved).await?;
                let waited = notified.stored.duration_since(moved.stored);
                ensure!(waited >= delay, "{} waited {waited}", upload.key);
            }
        }
        end(landfall, &[soon, late, meanwhile].concat()).await
    });
}

#[test]
fn databases_that_are_locked_for_long_are_waited_for_by_all_that_need_them() {
    run(async {
        let mut landfall = builder().start().await?;
        // From the end of the way to its beginning, so that each service has something in hand.
        idle(&landfall, &consumer::notifier()).await?;
        let mails = landfall.lock(User::Notifier)?;
        let mailed = two(&landfall, "mailed", What::Moved).await?;
        holds_two(&landfall, &consumer::notifier()).await?;
        idle(&landfall, &consumer::mover()).await?;
        let moves = landfall.lock(User::Mover)?;
        let moved = two(&landfall, "moved", What::Ingested).await?;
        holds_two(&landfall, &consumer::mover()).await?;
        // These two are decided on, and then there is no way to their readings. Started anew,
        // ingest cannot look for its decision either.
        idle(&landfall, &consumer::ingest()).await?;
        let readings = landfall.lock_readings()?;
        let read = two(&landfall, "read", What::Arrived).await?;
        holds_two(&landfall, &consumer::ingest()).await?;
        misses(&landfall, User::Ingest, "store").await?;
        let decisions = landfall.lock(User::Ingest)?;
        idle(&landfall, &consumer::watcher()).await?;
        let arrivals = landfall.lock(User::Watcher)?;
        let seen = two_more(&landfall, "seen").await?;
        holds_two(&landfall, &consumer::watcher()).await?;

        let everyone = [User::Watcher, User::Ingest, User::Mover, User::Notifier];
        live_through(&mut landfall, everyone.map(|user| (user, "store"))).await?;
        for upload in &mailed {
            ensure!(!landfall.way(upload).contains(&What::Notified));
        }
        for upload in &moved {
            ensure!(!landfall.way(upload).contains(&What::Moved));
        }
        for upload in &read {
            ensure!(landfall.way(upload) == [What::Arrived]);
        }
        for upload in &seen {
            ensure!(landfall.way(upload).is_empty());
        }
        for lock in [mails, moves, readings, decisions, arrivals] {
            landfall.unlock(lock)?;
        }
        end(landfall, &[mailed, moved, read, seen].concat()).await
    });
}

#[test]
fn storage_and_mail_server_that_are_away_for_long_are_waited_for_by_all_that_need_them() {
    run(async {
        let mut landfall = builder().set("notifier.delay", "2s").start().await?;
        landfall.cut(User::Notifier, Server::Mail)?;
        let mailed = two(&landfall, "mailed", What::Moved).await?;
        landfall.cut(User::Mover, Server::Store)?;
        let moved = two(&landfall, "moved", What::Ingested).await?;
        holds_two(&landfall, &consumer::mover()).await?;
        landfall.cut(User::Ingest, Server::Store)?;
        let read = two(&landfall, "read", What::Arrived).await?;
        holds_two(&landfall, &consumer::ingest()).await?;
        landfall.cut(User::Watcher, Server::Store)?;
        let seen = two_more(&landfall, "seen").await?;
        holds_two(&landfall, &consumer::watcher()).await?;
        holds_two(&landfall, &consumer::notifier_due()).await?;

        let away = [
            (User::Watcher, "s3"),
            (User::Ingest, "s3"),
            (User::Mover, "s3"),
            (User::Notifier, "smtp"),
        ];
        live_through(&mut landfall, away).await?;
        ensure!(landfall.mails()?.is_empty(), "the mail server was away");
        ensure!(landfall.rows()?.len() == 4 * LINES, "the store was away");
        landfall.mend(User::Notifier, Server::Mail)?;
        for user in [User::Watcher, User::Ingest, User::Mover] {
            landfall.mend(user, Server::Store)?;
        }
        end(landfall, &[mailed, moved, read, seen].concat()).await
    });
}

/// Readings in each file.
const LINES: usize = 3;

/// Uploads two files.
async fn two_more(landfall: &Installation, name: &str) -> Result<Vec<Upload>> {
    let mut uploads = vec![];
    for number in 1..=2 {
        let content = sample::csv(&format!("{name}-{number}"), u32::try_from(LINES)?, 1.0);
        let key = format!("incoming/{name}-{number}.csv");
        uploads.push(landfall.put(&key, content).await?);
    }
    Ok(uploads)
}

/// Uploads two files and waits until `what` was said of both.
async fn two(landfall: &Installation, name: &str, what: What) -> Result<Vec<Upload>> {
    let uploads = two_more(landfall, name).await?;
    for upload in &uploads {
        landfall.said(upload, what).await?;
    }
    Ok(uploads)
}

/// Waits until the mail about an upload waits in `DELAY`.
async fn waits(landfall: &Installation, upload: &Upload) -> Result<()> {
    let file = landfall.said(upload, What::Moved).await?.file().id;
    let schedule = subject::delay_wait(file, 0);
    let about = format!("the schedule of {}", upload.key);
    let found = landfall.until(&about, || async {
        let message = landfall.message(stream::DELAY.name, &schedule).await;
        message.ok()?.map(drop)
    });
    found.await
}

/// Waits until a service has nothing to do.
async fn idle(landfall: &Installation, consumer: &Consumer) -> Result<()> {
    let about = format!("the end of {}'s work", consumer.user);
    let idle = landfall.until(&about, || async {
        let info = landfall.consumer(consumer).await.ok()?;
        (info.num_pending == 0 && info.num_ack_pending == 0).then_some(())
    });
    idle.await
}

/// Waits until a service has two messages in hand.
async fn holds_two(landfall: &Installation, consumer: &Consumer) -> Result<()> {
    let about = format!("two messages in the hands of {}", consumer.user);
    let held = landfall.until(&about, || async {
        let info = landfall.consumer(consumer).await.ok()?;
        (info.num_ack_pending == 2).then_some(())
    });
    held.await
}

/// Lives through an outage: each of these services is killed while it waits for what it needs, and
/// waits again when it is back. Nobody asks for anything more than seldom, nor is busy.
async fn live_through<const N: usize>(
    landfall: &mut Installation,
    away: [(User, &str); N],
) -> Result<()> {
    let (began, before) = (Instant::now(), landfall.asked());
    for (user, _) in away {
        landfall.kill_and_start(user).await?;
    }
    for (user, dependency) in away {
        misses(landfall, user, dependency).await?;
    }
    tokio::time::sleep_until(began + LONG).await;
    let seconds = began.elapsed().as_secs_f64();
    for ((user, server, after), (.., before)) in landfall.asked().into_iter().zip(before) {
        let times = u32::try_from(after - before)?;
        let rate = f64::from(times) / seconds;
        println!("{user} turned to {server:?} {rate:.1} times a second");
        let most = match server {
            Server::Database => SELDOM_WITH_START,
            _ => SELDOM,
        };
        ensure!(
            rate <= most,
            "{user} turned to {server:?} {times} times in {seconds:.1} s"
        );
    }
    for (user, _) in away {
        let share = cpu(landfall, user)? / began.elapsed().as_secs_f64();
        println!("{user} took {share:.3} of a core");
        ensure!(share <= LITTLE, "{user} took {share:.3} of a core");
    }
    Ok(())
}

/// Seconds of CPU that a service has taken since it was started.
fn cpu(landfall: &Installation, user: User) -> Result<f64> {
    let (processes, name) = (landfall.processes(), format!("{user}-"));
    let mut own = processes.iter().filter(|(of, _)| of.starts_with(&name));
    let (_, pid) = own.next().context("it runs")?;
    Ok(Usage::of(*pid)?.seconds)
}

/// Waits until a service says that it waits for something.
async fn misses(landfall: &Installation, user: User, dependency: &str) -> Result<()> {
    let label = format!("dependency=\"{dependency}\"");
    let about = format!("{user} missing {dependency}");
    let said = landfall.until(&about, || async {
        let outages = landfall.metric(user, "landfall_outage", &label);
        (outages.await.ok()? > 0.0).then_some(())
    });
    said.await
}

/// Every file comes to its end by itself, nothing was given up on, and the mails are one a file.
async fn end(landfall: Installation, uploads: &[Upload]) -> Result<()> {
    for upload in uploads {
        landfall.ended(upload).await.context("after the outage")?;
        let way = landfall.way(upload);
        ensure!(way == WHOLE, "{}: {way:?}", upload.key);
    }
    let rows = landfall.rows()?.len();
    ensure!(rows == LINES * uploads.len(), "{rows} readings");
    let mails = landfall.mails()?.len();
    ensure!(mails == uploads.len(), "{mails} mails");
    landfall.finish().await
}
