//! The checker of the promise: what is well it leaves alone, and what was broken by hand it names.

use anyhow::{Context, Result, bail, ensure};
use jiff::SignedDuration;
use proto::{Data, FileId, User, What};
use tests::{Audit, Damage, Installation, Upload, Violation, run, sample};

const SERVICES: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// An installation where everything has ended, and its files.
struct World {
    landfall: Installation,
    /// Ingested, notified, archived under its whole name.
    good: FileId,
    /// The same key, twice: both archived.
    first: FileId,
    /// Refused.
    bad: FileId,
    /// Deleted before it was read.
    gone: FileId,
    /// What was wrong when it was last looked at.
    known: Vec<Violation>,
}

impl World {
    async fn new() -> Result<Self> {
        let mut landfall = Installation::builder()
            .without(User::Ingest)
            .start()
            .await?;
        let vanishing = landfall.put("incoming/gone.csv", sample::csv("g", 3, 1.0));
        let vanishing = vanishing.await?;
        landfall.said(&vanishing, What::Arrived).await?;
        landfall.bucket.delete(&vanishing.key).await?;
        landfall.add(User::Ingest).await?;
        landfall.ended(&vanishing).await?;

        let good = landfall.put("incoming/good.csv", sample::csv("s", 50, 1.0));
        let good = ended(&landfall, &good.await?).await?;
        let first = landfall.put("incoming/twice.csv", sample::csv("t", 20, 1.0));
        let first = ended(&landfall, &first.await?).await?;
        let second = landfall.put("incoming/twice.csv", sample::csv("t", 9, 2.0));
        ended(&landfall, &second.await?).await?;
        let bad = landfall.put(
            "incoming/bad.csv",
            "sensor_id,timestamp,value\nx,yesterday,1\n",
        );
        let bad = ended(&landfall, &bad.await?).await?;
        let gone = landfall.said(&vanishing, What::Superseded).await?.file().id;
        Ok(Self {
            landfall,
            good,
            first,
            bad,
            gone,
            known: vec![],
        })
    }

    /// What was just broken is named by these new violations, and nothing else is: rule, file and
    /// some words of each.
    async fn names(&mut self, expected: &[(&str, FileId, &str)]) -> Result<()> {
        let audit = self.landfall.audit(&["--settled"]).await?;
        let known = |wrong: &&Violation| !self.known.contains(wrong);
        let new: Vec<&Violation> = audit.violations.iter().filter(known).collect();
        let fits = |wrong: &&Violation, (rule, file, words): &(&str, FileId, &str)| {
            wrong.rule == *rule
                && wrong.file == Some(file.to_string())
                && wrong.what.contains(words)
        };
        for wanted in expected {
            ensure!(
                new.iter().any(|wrong| fits(wrong, wanted)),
                "{wanted:?} is not among {new:#?}"
            );
        }
        ensure!(
            new.len() == expected.len(),
            "{expected:?} is not all: {new:#?}"
        );
        self.known = audit.violations;
        Ok(())
    }
}

async fn ended(landfall: &Installation, upload: &Upload) -> Result<FileId> {
    Ok(landfall.ended(upload).await?.file().id)
}

#[test]
fn what_is_well_is_well_and_what_is_broken_by_hand_is_named() {
    run(async {
        let mut world = World::new().await?;
        let audit = world.landfall.audit(&["--settled"]).await?;
        audit.is_clean()?;
        let ended = &audit.summary["ended"];
        let counts = ["archived", "rejected", "superseded"].map(|how| ended[how].as_u64());
        ensure!(counts == [Some(3), Some(1), Some(1)], "{ended}");
        ensure!(
            audit.summary["readings"] == 50 + 20 + 9,
            "{}",
            audit.summary
        );
        the_line_for_people(&world).await?;

        // Otherwise the services would mend what they can.
        for user in SERVICES {
            world.landfall.stop(user).await?;
        }
        world.landfall.audit_strictly().await?.is_clean()?;
        readings(&mut world).await?;
        objects(&mut world).await?;
        events(&mut world).await?;
        choices(&world).await
    });
}

/// Also where the database tells nobody what was deleted.
#[test]
fn what_a_retracted_file_had_covered_is_no_loss_and_anything_else_is() {
    run(async {
        let landfall = Installation::builder().start().await?;
        let first = landfall.put("incoming/first.csv", sample::csv("s", 50, 1.0));
        let first = ended(&landfall, &first.await?).await?;
        let over = landfall.put("incoming/over.csv", sample::csv("s", 20, 2.0));
        let over = over.await?;
        ended(&landfall, &over).await?;
        let arguments = ["retract", &over.key, "--yes"];
        let retracted = landfall.landfall(User::Operator, &arguments).await?;
        ensure!(retracted.status.success(), "{retracted:?}");
        landfall.audit(&["--settled"]).await?.is_clean()?;

        landfall.damage(Damage::NoReading, first)?;
        let audit = landfall.audit(&["--settled"]).await?;
        let [wrong] = &audit.violations[..] else {
            bail!("one violation is expected: {audit}");
        };
        let id = first.to_string();
        ensure!(
            (wrong.rule.as_str(), wrong.file.as_deref()) == ("readings", Some(id.as_str())),
            "{audit}"
        );
        let words = "1 of its 50 readings are not in the database";
        ensure!(wrong.what.contains(words), "{audit}");
        Ok(())
    });
}

async fn the_line_for_people(world: &World) -> Result<()> {
    let output = world.landfall.landfall(User::Operator, &["audit"]).await?;
    let line = String::from_utf8(output.stdout)?;
    let expected = "all is well: 5 files: 3 archived, 1 rejected, 1 superseded; 79 readings (";
    ensure!(
        output.status.success() && line.starts_with(expected),
        "{line}"
    );
    ensure!(line.lines().count() == 1, "{line}");
    Ok(())
}

async fn readings(world: &mut World) -> Result<()> {
    let (good, first, bad, gone) = (world.good, world.first, world.bad, world.gone);
    world.landfall.damage(Damage::NoReading, good)?;
    let words = "1 of its 50 readings are not in the database: value of `s` at 2026-11-01";
    world.names(&[("readings", good, words)]).await?;

    world.landfall.damage(Damage::OtherValue, first)?;
    let words = "1 of its 20 readings have another value in the database";
    world.names(&[("readings", first, words)]).await?;

    world.landfall.damage(Damage::OtherTimestamp, good)?;
    let words = "1 of its 50 readings have a write timestamp";
    world.names(&[("readings", good, words)]).await?;

    for (file, at, words) in [
        (bad, 1, "it may have 0: it is rejected"),
        (gone, 2, "it may have 0: it is superseded"),
        (
            good,
            3,
            "in the database, and not in the file: 1 reading (value of",
        ),
        (FileId::from_bytes([7; 16]), 4, "a file that nobody knows"),
    ] {
        world.landfall.damage(Damage::Stray(at), file)?;
        world.names(&[("rows", file, words)]).await?;
    }
    Ok(())
}

async fn objects(world: &mut World) -> Result<()> {
    let (good, first, gone) = (world.good, world.first, world.gone);
    let bucket = world.landfall.bucket.clone();
    bucket.delete("processed/incoming/twice.csv").await?;
    // Nothing can be counted again without it, so that what was wrong of it is not seen any more.
    world
        .known
        .retain(|wrong| wrong.file != Some(first.to_string()));
    world
        .names(&[("copy", first, "twice.csv is not there")])
        .await?;

    for (key, file, words) in [
        ("processed/strange.csv", good, "it was archived to"),
        ("rejected/gone.csv", gone, "gives the place to another"),
        (
            "processed/nobody.csv",
            FileId::from_bytes([8; 16]),
            "a file that nobody knows",
        ),
    ] {
        let id = file.to_string();
        let metadata = [("landfall-file-id", id.as_str()), ("landfall-replay", "0")];
        bucket.put_with(key, "x", &metadata).await?;
        world.names(&[("filed", file, words)]).await?;
    }
    Ok(())
}

async fn events(world: &mut World) -> Result<()> {
    let (good, bad) = (world.good, world.bad);
    let all = world.landfall.all();
    let ingested = all
        .iter()
        .find(|seen| seen.what() == What::Ingested && seen.file().id == good);
    let mut other = ingested.context("it was ingested")?.event.clone();
    if let Data::Ingested(ingested) = &mut other.data {
        ingested.report.stored += 1;
    }
    other.time += SignedDuration::from_secs(1);
    world.landfall.publish(User::Ingest, &other).await?;
    let two = ("one-outcome", good, "two different outcomes of the ingest");
    world.names(&[two]).await?;

    world.landfall.damage(Damage::NoMark(User::Mover), good)?;
    world
        .names(&[("mark", good, "the mover's `moved` has no mark")])
        .await?;
    world
        .landfall
        .damage(Damage::OtherMark(User::Ingest), good)?;
    world
        .names(&[("mark", good, "message 1 of FILES, which is another")])
        .await?;

    let mails = world.landfall.mails()?;
    let about = |mail: &&tests::Mail| mail.headers["Message-ID"].contains(&bad.to_string());
    let mail = mails.iter().find(about).context("it was mailed")?;
    let folder = world.landfall.folder().join("mail/mails");
    let name = format!("{:04}", mail.number);
    std::fs::copy(folder.join(format!("{name}.eml")), folder.join("9999.eml"))?;
    std::fs::copy(
        folder.join(format!("{name}.json")),
        folder.join("9999.json"),
    )?;
    world.names(&[("mail", bad, "have the Message-ID")]).await?;
    std::fs::remove_file(folder.join("9999.eml"))?;
    std::fs::remove_file(folder.join(format!("{name}.eml")))?;
    world
        .names(&[("mail", bad, "is not in the mailbox")])
        .await?;

    world.landfall.damage(Damage::NoOutcome(User::Mover), bad)?;
    let event = ("published", bad, "that the mover's journal does not hold");
    world.names(&[event]).await?;
    world
        .landfall
        .damage(Damage::NoOutcome(User::Watcher), bad)?;
    let known = ("arrived", bad, "the watcher's journal does not know it");
    world.names(&[known]).await
}

/// A choice of files says nothing of the others.
async fn choices(world: &World) -> Result<()> {
    let audit = async |arguments: &[&str]| world.landfall.audit(arguments).await;
    let gone = world.gone.to_string();
    let of = |audit: &Audit| audit.summary["files"].as_u64();
    let chosen = audit(&["--settled", &gone]).await?;
    ensure!(
        of(&chosen) == Some(1) && chosen.broken() == ["filed", "rows"],
        "{chosen:#?}"
    );
    let chosen = audit(&["--settled", "incoming/good.csv"]).await?;
    ensure!(
        of(&chosen) == Some(1) && chosen.broken().contains(&"mark"),
        "{chosen:#?}"
    );
    let chosen = audit(&["--settled", "--prefix", "incoming/tw"]).await?;
    ensure!(
        of(&chosen) == Some(2) && chosen.broken() == ["copy"],
        "{chosen:#?}"
    );
    let chosen = audit(&["--settled", "--day", "2020-01-01"]).await?;
    ensure!(of(&chosen) == Some(0), "{chosen:#?}");
    chosen.is_clean()?;

    let unknown = world
        .landfall
        .landfall(User::Operator, &["audit", "incoming/unknown.csv"]);
    let unknown = unknown.await?;
    ensure!(unknown.status.code() == Some(1), "{unknown:?}");
    let usage = world
        .landfall
        .landfall(User::Operator, &["audit", "--day", "today"]);
    ensure!(usage.await?.status.code() == Some(2));
    Ok(())
}

#[test]
fn files_on_their_way_are_open_and_never_wrong() {
    run(async {
        let landfall = Installation::start().await?;
        let mut uploads = Vec::new();
        for number in 0..60 {
            // Every third is uploaded again under its key, while the first is on its way.
            let key = format!("incoming/{}.csv", number - number % 3 / 2);
            let content = sample::csv(&format!("s{}", number % 7), 200, f64::from(number));
            uploads.push(landfall.put(&key, content).await?);
            if number % 10 == 5 {
                landfall.audit(&[]).await?.is_clean()?;
            }
        }
        // Until nothing is open.
        let clean = async || landfall.audit(&[]).await;
        let mut looks = 0;
        loop {
            let audit = clean().await?;
            audit.is_clean()?;
            looks += 1;
            ensure!(looks < 200, "they never end: {:#?}", audit.open);
            if audit.open.is_empty() && audit.summary["files"].as_u64() > Some(0) {
                break;
            }
        }
        landfall.finish().await
    });
}
