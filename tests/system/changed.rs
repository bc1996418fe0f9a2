//! Configuration that changes between a crash and its redelivery.

use anyhow::{Context, Result, ensure};
use proto::event::Report;
use proto::{User, What};
use tests::rows::{Rows, key};
use tests::{Installation, PATIENCE, Upload, is_killed, run};
use toml::Value;

/// Two columns that can be read, and one that cannot.
const CONTENT: &str = "sensor_id,timestamp,a,b,c\n\
    SENSOR,2026-11-01T00:00:00Z,1.5,5.5,no\n\
    SENSOR,2026-11-01T00:01:00Z,2.5,6.5,no\n";

/// 2026-11-01T00:00:00Z
const MIDNIGHT: i64 = 1_793_491_200_000;

/// The profile, reading one of the columns.
fn profiles(column: &str) -> Result<Value> {
    let text = format!(
        "[[profiles]]\nname = \"lab\"\nkey = \"incoming/**\"\n\
         values = [{{ column = \"{column}\", metric = \"m\" }}]"
    );
    let mut table: toml::Table = text.parse()?;
    table.remove("profiles").context("it was just written")
}

/// Uploads a file and has a service killed at `point` of it.
async fn killed(
    landfall: &mut Installation,
    user: User,
    sensor: &str,
    point: &str,
) -> Result<Upload> {
    let path = format!("incoming/{sensor}.csv");
    let upload = landfall
        .put(&path, CONTENT.replace("SENSOR", sensor))
        .await?;
    let input = match user {
        User::Ingest => What::Arrived,
        _ => What::Ingested,
    };
    let id = landfall.said(&upload, input).await?.file().id;
    let point = point.replace("KEY", &path).replace("ID", &id.to_string());
    let service = landfall.arm(user, &format!("{point}=kill"))?;
    let status = service.ended_within(PATIENCE).await;
    ensure!(
        status.is_some_and(is_killed),
        "at {point}: {status:?}; its last lines:\n{}",
        service.last_lines()
    );
    Ok(upload)
}

async fn report(landfall: &Installation, upload: &Upload) -> Result<Report> {
    Ok(landfall.moved(upload).await?.report)
}

#[test]
fn a_profile_that_changes_after_the_decision_changes_nothing_of_it() {
    run(async {
        let mut landfall = Installation::builder()
            .without(User::Ingest)
            .config("[[profiles]]\nname = \"lab\"\nkey = \"incoming/**\"\nvalues = [\"a\"]")
            .set("nats.ack_wait", "500ms")
            .start()
            .await?;
        let mut uploads = vec![];
        for (sensor, before, after, point) in [
            ("undecided", "a", "b", "journal.create.before@decision/ID"),
            ("decided", "a", "b", "journal.create.after@decision/ID"),
            ("written", "a", "b", "readings.write.after@ID"),
            ("settled", "a", "b", "journal.settle.after@ingested/KEY"),
            ("refused", "c", "a", "journal.create.after@decision/ID"),
        ] {
            landfall.configure(User::Ingest, "profiles", profiles(before)?)?;
            landfall.configure(User::Ingest, "ingest.rejected_rows", "rejected-rows/")?;
            let upload = killed(&mut landfall, User::Ingest, sensor, point).await?;
            landfall.configure(User::Ingest, "profiles", profiles(after)?)?;
            landfall.configure(User::Ingest, "ingest.rejected_rows", "elsewhere/")?;
            landfall.add(User::Ingest).await?;
            landfall.ended(&upload).await?;
            landfall.stop(User::Ingest).await?;
            uploads.push(upload);
        }

        let mut expected = Rows::new();
        for (sensor, values) in [
            // Nothing was decided: the profile of the second try does it.
            ("undecided", [5.5, 6.5]),
            ("decided", [1.5, 2.5]),
            ("written", [1.5, 2.5]),
            ("settled", [1.5, 2.5]),
        ] {
            for (minute, value) in (0..).zip(values) {
                expected.insert(key(sensor, "m", MIDNIGHT + minute * 60_000), value);
            }
        }
        let rows = landfall.rows()?;
        ensure!(rows == expected, "{rows:?}");
        let (refused, ingested) = uploads.split_last().context("there are five")?;
        let mut hashes = vec![];
        for upload in ingested {
            let way = landfall.way(upload);
            ensure!(way == [What::Arrived, What::Ingested, What::Moved, What::Notified]);
            hashes.push(report(&landfall, upload).await?.profile_hash);
        }
        ensure!(
            hashes[1..].iter().all(|hash| *hash == hashes[1]),
            "{hashes:?}"
        );
        ensure!(hashes[0] != hashes[1], "{hashes:?}");

        let way = landfall.way(refused);
        ensure!(way == [What::Arrived, What::Rejected, What::Moved, What::Notified]);
        let rejects = report(&landfall, refused).await?.rejects;
        let rejects = rejects.context("rows were refused")?.key;
        ensure!(rejects == "rejected-rows/incoming/refused.csv", "{rejects}");
        landfall.finish().await
    });
}

#[test]
fn a_destination_that_changes_after_the_first_try_of_a_move_changes_nothing_of_it() {
    run(async {
        let mut landfall = Installation::builder()
            .without(User::Mover)
            .target_bucket()
            .config("[[profiles]]\nname = \"lab\"\nkey = \"incoming/**\"\nvalues = [\"a\"]")
            .set("nats.ack_wait", "500ms")
            .start()
            .await?;
        let (own, target) = (landfall.bucket.clone(), landfall.target.clone());
        let target = target.context("it was asked for")?;
        let points = [
            ("undecided", "journal.create.before@shelf/ID"),
            ("decided", "journal.create.after@shelf/ID"),
            ("copied", "objects.copy.after@KEY"),
            ("deleted", "objects.delete.after@KEY"),
            ("settled", "journal.settle.after@moved/KEY"),
        ];
        for (sensor, point) in points {
            landfall.configure(User::Mover, "mover.target_bucket", &*target.name)?;
            landfall.configure(User::Mover, "mover.processed", "processed/")?;
            let upload = killed(&mut landfall, User::Mover, sensor, point).await?;
            landfall.configure(User::Mover, "mover.target_bucket", &*own.name)?;
            landfall.configure(User::Mover, "mover.processed", "filed/")?;
            landfall.add(User::Mover).await?;
            landfall.ended(&upload).await?;
            landfall.stop(User::Mover).await?;

            let place = landfall.moved(&upload).await?.destination;
            let place = place.context("it was archived")?;
            let (bucket, prefix) = match sensor {
                // Nothing was decided: the configuration of the second try does it.
                "undecided" => (&own, "filed"),
                _ => (&target, "processed"),
            };
            let wanted = (&bucket.name, format!("{prefix}/{}", upload.key));
            let at = (&place.bucket, place.key.clone());
            ensure!(at == wanted, "{sensor} is at {at:?}");
            let copy = bucket.get(&place.key).await?;
            let content = CONTENT.replace("SENSOR", sensor);
            ensure!(copy == Some(content.into_bytes()), "{sensor}: another copy");
        }
        let copies = (own.keys().await?.len(), target.keys().await?.len());
        ensure!(copies == (1, points.len() - 1), "{copies:?}");
        landfall.finish().await
    });
}
