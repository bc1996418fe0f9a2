//! Replays and retractions, by the command line.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use proto::event::{Command, Commanded, MoveOutcome, Moved};
use proto::{Data, File, User, What};
use tests::python::{self, Csv};
use tests::rows::{Rows, difference};
use tests::{Installation, PATIENCE, Seen, Upload, is_killed, run, sample};

#[test]
fn a_file_goes_its_way_again_from_each_step_on() {
    run(async {
        let landfall = Installation::start().await?;
        let content = sample::csv("hall-1", 50, 1.0);
        let upload = landfall.put("incoming/hall.csv", &content).await?;
        let file = landfall.ended(&upload).await?.file().clone();
        let expected = python::readings(content.as_bytes(), &Csv::default())?;

        for (replay, from) in [(1, "ingest"), (2, "move"), (3, "notify"), (4, "ingest")] {
            let why = format!("because of {from}");
            let arguments = ["--from", from, "--why", &why, "--by", "mara", "--wait"];
            let said = order(&landfall, "replay", &upload.key, &arguments).await?;
            ensure!(said.status.success(), "{}", shown(&said));

            let commanded = commanded(&landfall, &file, replay).await?;
            ensure!(
                commanded.by == "mara" && commanded.why.as_ref() == Some(&why),
                "{commanded:?}"
            );
            let moved = moved(&landfall, &file, replay).await?;
            ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
            ensure!(moved.report.stored == 50, "{moved:?}");
            let replayed = moved
                .replayed
                .context("it does not say that it is a replay")?;
            ensure!(
                replayed.by == "mara" && replayed.why == Some(why.clone()),
                "{replayed:?}"
            );
            ensure!(replayed.from.name() == from, "{replayed:?}");
            same(&landfall.rows()?, &expected)?;
            let keys = landfall.bucket.keys().await?;
            ensure!(keys == ["processed/incoming/hall.csv"], "{keys:?}");
            let mails = landfall.mails()?;
            ensure!(mails.len() == 1 + usize::try_from(replay)?, "{mails:?}");
            let told = format!("This is replay {replay} of the file, from {from}, ordered by mara");
            let text = |mail: &tests::Mail| mail.text.clone().unwrap_or_default();
            let tells = mails.iter().any(|mail| text(mail).contains(&told));
            ensure!(tells, "no mail tells of {told:?}: {mails:?}");
        }
        landfall.finish().await
    });
}

#[test]
fn what_a_file_wrote_is_taken_out_and_a_replay_brings_it_back() {
    run(async {
        let landfall = Installation::start().await?;
        let first = sample::csv("hall-1", 50, 1.0);
        let upload = landfall.put("incoming/first.csv", &first).await?;
        let file = landfall.ended(&upload).await?.file().clone();
        // Has its first ten readings, with other values.
        let later = sample::csv("hall-1", 10, 7.0);
        let over = landfall.put("incoming/later.csv", &later).await?;
        landfall.ended(&over).await?;

        let dry = order(&landfall, "retract", &upload.key, &["--dry-run"]).await?;
        let said = String::from_utf8_lossy(&dry.stdout).into_owned();
        ensure!(
            dry.status.success() && said.contains("40 readings"),
            "{}",
            shown(&dry)
        );
        ensure!(landfall.count(file.id)? == 40, "a dry run retracts");

        let arguments = ["--why", "it stood in the sun", "--by", "noor"];
        let retracted = order(&landfall, "retract", &upload.key, &arguments).await?;
        ensure!(retracted.status.success(), "{}", shown(&retracted));
        let commanded = commanded(&landfall, &file, 1).await?;
        ensure!(commanded.command == Command::Retract, "{commanded:?}");
        ensure!(
            commanded.by == "noor" && commanded.why.as_deref() == Some("it stood in the sun"),
            "{commanded:?}"
        );
        let said = String::from_utf8_lossy(&retracted.stdout).into_owned();
        ensure!(
            said.contains("40 readings taken out of the database"),
            "{said}"
        );
        let later = python::readings(later.as_bytes(), &Csv::default())?;
        same(&landfall.rows()?, &later)?;

        // What came first does not come back with the retraction of what came later.
        let retracted = order(&landfall, "retract", &over.key, &[]).await?;
        ensure!(retracted.status.success(), "{}", shown(&retracted));
        ensure!(landfall.rows()?.is_empty(), "{:?}", landfall.rows()?);

        let refused = order(&landfall, "replay", &upload.key, &["--from", "move"]).await?;
        ensure!(refused.status.code() == Some(1), "{}", shown(&refused));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(
            said.contains("`retracted`") && said.contains("from `ingest`"),
            "{said}"
        );

        for key in [&over.key, &upload.key] {
            let replayed = order(&landfall, "replay", key, &["--wait"]).await?;
            ensure!(replayed.status.success(), "{}", shown(&replayed));
        }
        let mut expected = python::readings(first.as_bytes(), &Csv::default())?;
        expected.extend(later);
        same(&landfall.rows()?, &expected)?;
        landfall.finish().await
    });
}

const CORRECTED: &str = "[[profiles]]\nname = \"corrected\"\nkey = \"nowhere/**\"\n\
    delimiter = \";\"\nheader = \"yes\"\n";

#[test]
fn a_file_that_was_rejected_is_stored_with_a_corrected_profile() {
    run(async {
        let landfall = Installation::builder().config(CORRECTED).start().await?;
        let content = sample::csv("hall-1", 20, 1.0).replace(',', ";");
        let upload = landfall.put("incoming/odd.csv", &content).await?;
        let file = landfall.ended(&upload).await?.file().clone();
        let keys = landfall.bucket.keys().await?;
        ensure!(
            keys.contains(&"rejected/incoming/odd.csv".to_owned()),
            "{keys:?}"
        );

        let arguments = ["--profile", "corrected", "--wait"];
        let replayed = order(&landfall, "replay", &file.id.to_string(), &arguments).await?;
        ensure!(replayed.status.success(), "{}", shown(&replayed));
        let moved = moved(&landfall, &file, 1).await?;
        ensure!(moved.file.profile == "corrected", "{moved:?}");
        let keys = landfall.bucket.keys().await?;
        ensure!(
            !keys.contains(&"rejected/incoming/odd.csv".to_owned()),
            "{keys:?}"
        );
        ensure!(
            keys.contains(&"processed/incoming/odd.csv".to_owned()),
            "{keys:?}"
        );
        ensure!(
            landfall.count(file.id)? == 20,
            "{}",
            landfall.count(file.id)?
        );

        // The next one reads it as it was read last, without being told.
        let replayed = order(&landfall, "replay", &upload.key, &["--wait"]).await?;
        ensure!(replayed.status.success(), "{}", shown(&replayed));
        ensure!(
            landfall.count(file.id)? == 20,
            "{}",
            landfall.count(file.id)?
        );
        landfall.finish().await
    });
}

#[test]
fn a_file_that_failed_ends_well_when_it_is_replayed() {
    run(async {
        let unheard_of = "[[profiles]]\nname = \"unheard-of\"\nkey = \"incoming/fails/**\"\n";
        let landfall = Installation::builder()
            .config_of(User::Watcher, unheard_of)
            .start()
            .await?;
        let content = sample::csv("hall-1", 20, 1.0);
        let upload = landfall.put("incoming/fails/a.csv", &content).await?;
        let failed = landfall.said(&upload, What::Failed).await?.file().clone();

        let arguments = ["--profile", "default", "--wait"];
        let replayed = order(&landfall, "replay", &upload.key, &arguments).await?;
        ensure!(replayed.status.success(), "{}", shown(&replayed));
        ensure!(
            landfall.count(failed.id)? == 20,
            "{}",
            landfall.count(failed.id)?
        );
        let keys = landfall.bucket.keys().await?;
        ensure!(keys == ["processed/incoming/fails/a.csv"], "{keys:?}");
        landfall.finish_with_dead_letters().await
    });
}

#[test]
fn of_two_who_order_the_same_one_is_told_that_the_other_came_first() {
    run(async {
        let landfall = Installation::start().await?;
        let upload = landfall
            .put("incoming/hall.csv", sample::csv("hall-1", 5, 1.0))
            .await?;
        let file = landfall.ended(&upload).await?.file().clone();
        let by = |name: &'static str| {
            let key = upload.key.clone();
            let landfall = &landfall;
            async move { order(landfall, "replay", &key, &["--by", name, "--wait"]).await }
        };
        let (one, other) = futures::future::try_join(by("mara"), by("noor")).await?;
        let ways = |replay| {
            let all = landfall.all();
            all.iter()
                .filter(|seen| {
                    let (of, way) = seen.event.about();
                    seen.what() == What::Ingested && (of.id, way) == (file.id, replay)
                })
                .count()
        };
        ensure!(ways(1) == 1, "{} replays", ways(1));
        // How far the first had come when the other looked is for the machine to say: its way is
        // open, it is ordered and not begun (and is said again), or it has ended and there is a
        // second way.
        let outputs = [&one, &other];
        let failed = outputs.iter().filter(|output| !output.status.success());
        let told = outputs.iter().any(|output| {
            let said =
                String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
            match output.status.success() {
                true => said.contains("has not ended: said again"),
                false => said.contains("came first") || said.contains("it is on its way"),
            }
        });
        let shown = format!("{}\n{}", shown(&one), shown(&other));
        ensure!(failed.count() <= 1, "{shown}");
        ensure!(told || ways(2) == 1, "nobody was told:\n{shown}");
        landfall.finish().await
    });
}

#[test]
fn what_is_ordered_after_something_that_has_not_begun_says_that_again_and_is_not_done_itself() {
    run(async {
        let mut landfall = Installation::builder()
            .set("nats.ack_wait", "1s")
            .start()
            .await?;
        let content = sample::csv("hall-1", 5, 1.0);
        let upload = landfall.put("incoming/hall.csv", content).await?;
        let file = landfall.ended(&upload).await?.file().clone();
        landfall.stop(User::Ingest).await?;
        let ingest = landfall.arm(User::Ingest, "journal.create.after@command/=kill")?;
        let ordered = order(&landfall, "replay", &upload.key, &["--by", "mara"]).await?;
        ensure!(ordered.status.success(), "{}", shown(&ordered));
        let status = ingest.ended_within(PATIENCE).await;
        ensure!(status.is_some_and(is_killed), "{status:?}");

        let others: [(&str, &[&str]); 3] = [
            ("retract", &["--timeout", "1s"]),
            ("replay", &["--from", "notify"]),
            ("replay", &["--profile", "default"]),
        ];
        for (command, arguments) in others {
            let refused = order(&landfall, command, &upload.key, arguments).await?;
            ensure!(refused.status.code() == Some(1), "{}", shown(&refused));
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            let reason = "from ingest, ordered by mara";
            ensure!(
                said.contains(reason) && said.contains("came before it"),
                "{said}"
            );
        }
        let again = order(&landfall, "replay", &upload.key, &[]).await?;
        ensure!(again.status.success(), "{}", shown(&again));
        let said = String::from_utf8_lossy(&again.stdout).into_owned();
        ensure!(said.contains("has not ended: said again"), "{said}");

        landfall.add(User::Ingest).await?;
        let ended = |seen: &Seen| {
            let (of, way) = seen.event.about();
            seen.what() == What::Notified && (of.id, way) == (file.id, 1)
        };
        landfall.event("the end of the replay", ended).await?;
        let retracted = order(&landfall, "retract", &upload.key, &[]).await?;
        ensure!(retracted.status.success(), "{}", shown(&retracted));
        ensure!(landfall.rows()?.is_empty(), "they are there still");
        ensure!(landfall.count_said(What::Retracted).await? == 1);
        landfall.finish().await
    });
}

#[test]
fn a_file_on_its_way_is_left_alone_and_so_is_everything_in_a_dry_run() {
    run(async {
        let landfall = Installation::builder()
            .set("notifier.delay", "1h")
            .start()
            .await?;
        let upload = landfall
            .put("incoming/hall.csv", sample::csv("hall-1", 5, 1.0))
            .await?;
        landfall.moved(&upload).await?;
        for command in ["replay", "retract"] {
            let refused = order(&landfall, command, &upload.key, &[]).await?;
            ensure!(refused.status.code() == Some(1), "{}", shown(&refused));
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            ensure!(said.contains("waiting for its mail"), "{said}");
        }
        let bad = landfall.put("incoming/bad.csv", "a,b\nc").await?;
        landfall.ended(&bad).await?;
        let dry = order(&landfall, "replay", "incoming/", &["--dry-run"]).await?;
        let said = String::from_utf8_lossy(&dry.stdout).into_owned();
        let line = "incoming/bad.csv: notified; replay 1 from `ingest`: it is read again";
        ensure!(said.contains(line), "{}", shown(&dry));
        ensure!(
            landfall.count_said(What::Commanded).await? == 0,
            "it was ordered"
        );
        landfall.finish().await
    });
}

#[test]
fn all_files_below_a_prefix_are_replayed_by_their_latest_versions() {
    run(async {
        let landfall = Installation::start().await?;
        let mut expected = Rows::new();
        for number in 0..5 {
            let key = format!("incoming/lab/{number}.csv");
            let mut value = 1.0;
            // The second has two versions: the latest is meant.
            for _ in 0..=usize::from(number == 1) {
                let content = sample::csv(&format!("hall-{number}"), 3, value);
                let upload = landfall.put(&key, &content).await?;
                landfall.ended(&upload).await?;
                expected.extend(python::readings(content.as_bytes(), &Csv::default())?);
                value = 2.0;
            }
        }
        let other = landfall
            .put("incoming/other.csv", sample::csv("hall-9", 3, 1.0))
            .await?;
        landfall.ended(&other).await?;
        let arguments = ["--rate", "1/s", "--wait"];
        let replayed = order(&landfall, "replay", "incoming/lab/*", &arguments).await?;
        ensure!(replayed.status.success(), "{}", shown(&replayed));
        let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
        ensure!(said.contains("5 files on the way"), "{said}");
        ensure!(landfall.count_said(What::Commanded).await? == 5, "{said}");
        // Four seconds, less what the first of them was late. Slower is never wrong.
        let took = from_first_to_last(&landfall, What::Commanded, 5).await?;
        ensure!(took >= SignedDuration::from_secs(3), "within {took:#}");
        for printed in [&replayed.stdout, &replayed.stderr] {
            let control = printed.iter().find(|byte| **byte < b' ' && **byte != b'\n');
            ensure!(control.is_none(), "{}", shown(&replayed));
        }
        a_terminal_shows_how_far_it_is(&landfall).await?;
        expected.extend(python::readings(
            sample::csv("hall-9", 3, 1.0).as_bytes(),
            &Csv::default(),
        )?);
        same(&landfall.rows()?, &expected)?;
        landfall.finish().await
    });
}

/// A person is asked first, and then sees a bar, which is gone when it is over.
async fn a_terminal_shows_how_far_it_is(landfall: &Installation) -> Result<()> {
    let arguments = ["replay", "incoming/lab/*", "--rate", "2/s", "--wait"];
    let command = landfall.command(User::Operator, &arguments);
    let on_terminal = move || python::on_a_terminal(&command, "y\n");
    let output = tokio::task::spawn_blocking(on_terminal).await??;
    let screen = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{}", shown(&output));
    ensure!(screen.contains("go on with 5 files? [y/N]"), "{screen:?}");
    for count in 1..5 {
        let bar = format!(" {count}/5 files ");
        ensure!(screen.contains(&bar), "no {bar:?} in {screen:?}");
    }
    ensure!(screen.contains("/s "), "no rate in {screen:?}");
    let cleared = screen.contains("\r\u{1b}[2K5 files on the way");
    ensure!(cleared, "the bar stays in {screen:?}");
    Ok(())
}

#[test]
fn a_replay_without_a_copy_fails_and_says_where_it_looked() {
    run(async {
        let landfall = Installation::start().await?;
        let (upload, file) = ended(&landfall, "incoming/hall.csv").await?;
        let copy = landfall
            .moved(&upload)
            .await?
            .destination
            .context("it has one")?;
        let bytes = landfall.bucket.get(&copy.key).await?.context("a copy")?;
        landfall.bucket.delete(&copy.key).await?;
        let replayed = order(&landfall, "replay", &upload.key, &["--wait"]).await?;
        ensure!(replayed.status.code() == Some(1), "{}", shown(&replayed));
        let failed = landfall.said(&upload, What::Failed).await?;
        let Data::Failed(failed) = failed.event.data else {
            unreachable!("it is `failed`")
        };
        ensure!(failed.replay == 1, "{failed:?}");
        let says = failed.reason.contains("no copy") && failed.reason.contains(&copy.key);
        ensure!(says, "{}", failed.reason);
        // Whoever finds it again, under its name and with its label, can have it replayed.
        let id = file.id.to_string();
        let label = [("landfall-file-id", id.as_str()), ("landfall-replay", "0")];
        landfall.bucket.put_with(&copy.key, bytes, &label).await?;
        let replayed = order(&landfall, "replay", &upload.key, &["--wait"]).await?;
        ensure!(replayed.status.success(), "{}", shown(&replayed));
        landfall.finish_with_dead_letters().await
    });
}

#[test]
fn there_are_ten_ways_and_the_eleventh_is_refused() {
    run(async {
        let landfall = Installation::builder()
            .set("notifier.delay", "0s")
            .start()
            .await?;
        let (upload, file) = ended(&landfall, "incoming/hall.csv").await?;
        for replay in 1..=9 {
            let replayed = order(&landfall, "replay", &upload.key, &["--wait"]).await?;
            ensure!(replayed.status.success(), "{replay}: {}", shown(&replayed));
        }
        let refused = order(&landfall, "replay", &upload.key, &["--wait"]).await?;
        ensure!(refused.status.code() == Some(1), "{}", shown(&refused));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(
            said.contains("10 times") && said.contains("upload it again"),
            "{said}"
        );
        // What it wrote can be taken out all the same.
        let retracted = order(&landfall, "retract", &upload.key, &[]).await?;
        ensure!(retracted.status.success(), "{}", shown(&retracted));
        ensure!(
            landfall.count(file.id)? == 0,
            "{}",
            landfall.count(file.id)?
        );
        landfall.finish().await
    });
}

async fn ended(landfall: &Installation, key: &str) -> Result<(Upload, File)> {
    let upload = landfall.put(key, sample::csv("hall-1", 5, 1.0)).await?;
    let file = landfall.ended(&upload).await?.file().clone();
    Ok((upload, file))
}

async fn order(
    landfall: &Installation,
    command: &str,
    name: &str,
    arguments: &[&str],
) -> Result<Output> {
    let mut all = vec![command, name];
    all.extend(arguments);
    landfall.landfall(User::Operator, &all).await
}

/// What a person ordered, as the stream has it.
async fn commanded(landfall: &Installation, file: &File, replay: u32) -> Result<Commanded> {
    let about = format!("`commanded` of way {replay}");
    let seen = landfall.event(&about, |seen| {
        let (of, way) = seen.event.about();
        seen.what() == What::Commanded && (of.id, way) == (file.id, replay)
    });
    match seen.await?.event.data {
        Data::Commanded(commanded) => Ok(commanded),
        other => unreachable!("it is `commanded`: {other:?}"),
    }
}

/// How far apart the first and the last of so many events were stored, by `JetStream`'s clock.
async fn from_first_to_last(
    landfall: &Installation,
    what: What,
    count: usize,
) -> Result<SignedDuration> {
    let is_one = |seen: &Seen| seen.what() == what;
    landfall.events(what.token(), count, is_one).await?;
    let all = landfall.all();
    let stored: Vec<Timestamp> = all
        .iter()
        .filter(|seen| is_one(seen))
        .map(|seen| seen.stored)
        .collect();
    let (first, last) = (stored.iter().min(), stored.iter().max());
    Ok(last.context("one")?.duration_since(*first.context("one")?))
}

async fn moved(landfall: &Installation, file: &File, replay: u32) -> Result<Moved> {
    let about = format!("`moved` of replay {replay}");
    let seen = landfall.event(&about, |seen| {
        let (of, way) = seen.event.about();
        seen.what() == What::Moved && (of.id, way) == (file.id, replay)
    });
    match seen.await?.event.data {
        Data::Moved(moved) => Ok(moved),
        other => unreachable!("it is `moved`: {other:?}"),
    }
}

fn same(found: &Rows, expected: &Rows) -> Result<()> {
    let difference = difference(found, expected);
    ensure!(difference.is_empty(), "{difference}");
    Ok(())
}

fn shown(output: &Output) -> String {
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}\n{}\n{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    )
}
