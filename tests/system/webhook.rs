//! `POST /events` of the real program, towards those who mean it ill.

#![expect(
    clippy::disallowed_methods,
    reason = "a test speaks to the watcher itself"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use proto::User;
use tests::http::{Answer, Client};
use tests::{Fate, Installation, Upload, run, sample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::limits::SHIPPED;

/// Connections of a flood.
const FLOOD: usize = 64;
/// Files whose notifications it is made of.
const FILES: usize = 40;
/// Who has asked while JetStream is silent knows by then: five seconds for its turn, five for what
/// JetStream may say, and as much again for a busy machine.
const SILENCE: Duration = Duration::from_secs(20);

/// Every one of them is posted over and over, each on connections of its own.
async fn flood(
    landfall: &Installation,
    uploads: &[Upload],
    each: usize,
) -> Result<Vec<(usize, Answer)>> {
    let began = Instant::now();
    let answers: Vec<Vec<(usize, Answer)>> = stream::iter(0..FLOOD)
        .map(async |connection| {
            let mut client = Client::connect(landfall.webhook()).await?;
            let mut answers = vec![];
            for number in 0..each {
                let file = (connection + number) % uploads.len();
                let body = uploads[file].notification().to_string();
                let answer = client.post("/events", landfall.token(), &body).await?;
                answers.push((file, answer));
            }
            anyhow::Ok(answers)
        })
        .buffer_unordered(FLOOD)
        .try_collect()
        .await?;
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    let rate = answers.len() as f64 / began.elapsed().as_secs_f64();
    println!("{} requests, {rate:.0} a second", answers.len());
    Ok(answers)
}

fn statuses(answers: &[(usize, Answer)]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for (_, answer) in answers {
        *statuses.entry(answer.status).or_default() += 1;
    }
    statuses
}

/// Files of which nobody has heard.
async fn upload(landfall: &Installation) -> Result<Vec<Upload>> {
    let mut uploads = Vec::new();
    for number in 0..FILES {
        let content = sample::csv(&format!("flood {number}"), 2, 1.0);
        let key = format!("incoming/flood/{number}.csv");
        uploads.push(landfall.put(&key, content).await?);
    }
    Ok(uploads)
}

/// Notifications are taken again, are all stored, and each is that of a file that goes its whole way.
async fn are_taken_again(landfall: &Installation, uploads: &[Upload]) -> Result<()> {
    let said_200 = AtomicUsize::new(0);
    let taken = landfall
        .until("notifications are taken again", || async {
            let answers = flood(landfall, uploads, 5).await.ok()?;
            let ok = statuses(&answers).remove(&200).unwrap_or_default();
            said_200.fetch_add(ok, Ordering::Relaxed);
            let taken = |file| {
                let of_file = answers.iter().filter(move |(other, _)| *other == file);
                of_file.into_iter().any(|(_, answer)| answer.status == 200)
            };
            (0..uploads.len()).all(taken).then_some(statuses(&answers))
        })
        .await?;
    println!("then {taken:?}");
    let jetstream = landfall.jetstream_of(User::Operator).await?;
    let storage = jetstream.get_stream(proto::stream::STORAGE.name).await?;
    let stored = storage.cached_info().state.last_sequence;
    let said_200 = said_200.into_inner();
    ensure!(
        stored >= said_200 as u64,
        "{said_200} were taken, {stored} stored"
    );
    for upload in uploads {
        landfall.ended(upload).await?;
    }
    let mails = landfall.mails()?.len();
    ensure!(mails == FILES, "{mails} mails");
    Ok(())
}

#[test]
fn a_flood_without_jetstream_is_refused_and_what_was_taken_ends_as_a_file() {
    run(async {
        let mut landfall = Installation::builder()
            .set("watcher.sweep_every", "1h")
            .start()
            .await?;
        landfall.notifications(Fate::Lost);
        let uploads = upload(&landfall).await?;
        landfall.kill_nats().await;
        let answers = flood(&landfall, &uploads, 250).await?;
        let refused = answers
            .iter()
            .all(|(_, answer)| answer.status == 503 && answer.head.contains("retry-after: 5"));
        ensure!(refused, "{:?}", statuses(&answers));

        landfall.restart_nats().await?;
        are_taken_again(&landfall, &uploads).await?;
        SHIPPED.hold(&landfall, User::Watcher)?;
        landfall.finish().await
    });
}

#[test]
fn while_jetstream_is_silent_everybody_is_told_in_time_and_what_was_taken_ends_as_a_file() {
    run(async {
        let landfall = Installation::builder()
            .set("watcher.sweep_every", "1h")
            .start()
            .await?;
        landfall.notifications(Fate::Lost);
        let uploads = upload(&landfall).await?;
        landfall.silence_nats();
        let began = Instant::now();
        // More than are listened to at once.
        let asked = (0..2 * FLOOD).map(async |number| {
            let mut client = Client::connect(landfall.webhook()).await?;
            let body = uploads[number % FILES].notification().to_string();
            let answer = client.post("/events", landfall.token(), &body).await?;
            anyhow::Ok((answer, began.elapsed()))
        });
        for (answer, took) in try_join_all(asked).await? {
            let refused = answer.status == 503 && answer.head.contains("retry-after: 5");
            ensure!(refused, "{answer:?}");
            ensure!(took < SILENCE, "it took {took:?}");
        }
        landfall.wake_nats();
        are_taken_again(&landfall, &uploads).await?;
        SHIPPED.hold(&landfall, User::Watcher)?;
        landfall.finish().await
    });
}

/// A request whose body has no end: chunk after chunk until it is answered or hung up on.
async fn endless(landfall: &Installation, token: &str) -> Result<u64> {
    let mut stream = TcpStream::connect(landfall.webhook()).await?;
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x1_0000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 100 << 20 {
        if stream.write_all(&chunk).await.is_err() {
            return Ok(sent);
        }
        sent += chunk.len() as u64;
    }
    Ok(sent)
}

#[test]
fn large_deep_and_slow_bodies_take_no_memory_and_keep_nobody_out() {
    run(async {
        let landfall = Installation::builder()
            .set("watcher.sweep_every", "1h")
            .start()
            .await?;
        // 300 who say nothing but the beginning of a head, and no token.
        let mut slow = Vec::new();
        for _ in 0..300 {
            let mut stream = TcpStream::connect(landfall.webhook()).await?;
            stream
                .write_all(b"POST /events HTTP/1.1\r\nHost: x\r\nX-")
                .await?;
            slow.push(stream);
        }
        let token = landfall.token();
        let sent: Vec<u64> = stream::iter(["wrong", token].repeat(32))
            .map(|token| endless(&landfall, token))
            .buffer_unordered(64)
            .try_collect()
            .await?;
        let most = sent.into_iter().max().context("some")?;
        ensure!(
            most < 100 << 20,
            "a body of {most} bytes was taken to its end"
        );

        let mut client = Client::connect(landfall.webhook()).await?;
        let deep = "[".repeat(900_000);
        let answer = client.post("/events", token, &deep).await?;
        ensure!(answer.status == 400, "{answer:?}");
        ensure!(answer.body.contains("is no JSON"), "{answer:?}");
        let mut client = Client::connect(landfall.webhook()).await?;
        let large = format!("\"{}\"", "x".repeat(1_000_001));
        let answer = client.post("/events", token, &large).await?;
        ensure!(answer.status == 413, "{answer:?}");

        // Meanwhile everybody else is let in.
        let content = sample::csv("meant well", 2, 1.0);
        let upload = landfall.put("incoming/a.csv", content).await?;
        landfall.ended(&upload).await?;
        let mut hung_up = 0;
        for stream in slow {
            let ended = tokio::time::timeout(Duration::from_secs(30), read_to_end(stream));
            hung_up += usize::from(ended.await.is_ok());
        }
        ensure!(hung_up == 300, "{hung_up} of 300 were hung up on");
        SHIPPED.hold(&landfall, User::Watcher)?;
        landfall.finish().await
    });
}

/// Sends `begin` and then a byte a second, until it is hung up on; answers what it was told.
async fn dawdle(server: SocketAddr, begin: &str) -> Result<String> {
    const PATIENCE: Duration = Duration::from_secs(40);
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(begin.as_bytes()).await?;
    let (mut from, mut to) = stream.into_split();
    let dawdling = async {
        while to.write_all(b"7").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut told = vec![];
    let ended = async {
        // A reset is an end too.
        let _ = from.read_to_end(&mut told).await;
    };
    let hung_up = tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            () = dawdling => {}
            () = ended => {}
        }
    });
    hung_up.await.context("nobody hangs up")?;
    Ok(String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn who_sends_a_byte_a_second_is_hung_up_on_and_others_are_told_when_to_come_again() {
    run(async {
        let landfall = Installation::builder()
            .set("watcher.sweep_every", "1h")
            .start()
            .await?;
        let (server, token) = (landfall.webhook(), landfall.token());
        let head = "POST /events HTTP/1.1\r\nHost: x\r\nX-";
        let body = format!(
            "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: 1000\r\n\r\n"
        );
        let heads = try_join_all((0..300).map(|_| dawdle(server, head)));
        // As many as are listened to at once.
        let bodies = try_join_all((0..64).map(|_| dawdle(server, &body)));
        let meanwhile = async {
            let busy = landfall.until("somebody told to come again", || async {
                let mut client = Client::connect(server).await.ok()?;
                let answer = client.post("/events", token, "{}").await.ok()?;
                (answer.status == 503).then_some(answer)
            });
            let busy = busy.await?;
            ensure!(busy.head.contains("retry-after: 5"), "{busy:?}");
            ensure!(busy.body.contains("too many requests"), "{busy:?}");
            Ok(())
        };
        let (_, bodies, ()) = futures::try_join!(heads, bodies, meanwhile)?;
        let late = bodies
            .iter()
            .filter(|told| told.starts_with("HTTP/1.1 408"));
        let late = late.count();
        ensure!(
            late == bodies.len(),
            "{late} of {} were told why: {bodies:?}",
            bodies.len()
        );
        let upload = landfall
            .put("incoming/a.csv", sample::csv("later", 2, 1.0))
            .await?;
        landfall.ended(&upload).await?;
        SHIPPED.hold(&landfall, User::Watcher)?;
        landfall.finish_with_dead_letters().await
    });
}

async fn read_to_end(mut stream: TcpStream) {
    // An error is an end too.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}
