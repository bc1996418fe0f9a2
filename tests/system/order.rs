//! The same key uploaded again, and which readings win.

use anyhow::{Context, Result, ensure};
use proto::event::{MoveOutcome, Vanished};
use proto::{Data, User, What};
use tests::python::{self, Csv};
use tests::rows::{Rows, difference};
use tests::{Fate, Installation, PATIENCE, Upload, run, sample, until};

const KEY: &str = "incoming/a.csv";

/// Longer than its successor, so that what only it says can be told from what both say.
fn first() -> String {
    sample::csv("a", 20, 100.0)
}

fn second() -> String {
    sample::csv("a", 12, 200.0)
}

fn read(content: &str) -> Result<Rows> {
    python::readings(content.as_bytes(), &Csv::default())
}

/// The later one's readings, and of the earlier one what the later one does not say.
fn both() -> Result<Rows> {
    let mut rows = read(&first())?;
    rows.extend(read(&second())?);
    Ok(rows)
}

fn holds(landfall: &Installation, expected: &Rows) -> Result<()> {
    let difference = difference(&landfall.rows()?, expected);
    ensure!(difference.is_empty(), "{difference}");
    Ok(())
}

#[test]
fn uploaded_again_before_the_first_is_read_the_first_is_superseded() {
    run(async {
        let mut landfall = Installation::builder()
            .without(User::Ingest)
            .start()
            .await?;
        let (one, two) = two_uploads(&landfall).await?;
        landfall.add(User::Ingest).await?;

        let last = landfall.ended(&one).await?;
        let Data::Superseded(superseded) = &last.event.data else {
            anyhow::bail!("the first is not superseded: {last}")
        };
        ensure!(superseded.how == Vanished::Replaced, "{superseded:?}");
        ensure!(superseded.rows_up_to == 0, "{superseded:?}");
        landfall.ended(&two).await?;
        ensure!(landfall.moved(&two).await?.outcome == MoveOutcome::Archived);
        holds(&landfall, &read(&second())?)?;
        ensure!(landfall.mails()?.len() == 1, "{:?}", landfall.mails()?);
        landfall.finish().await
    });
}

#[test]
fn uploaded_again_before_the_first_is_moved_the_first_is_replaced() {
    run(async {
        let mut landfall = Installation::builder()
            .without(User::Mover)
            // At once, the second may be moved first, and then the first is not replaced but gone.
            .set("service.slots", 1)
            .start()
            .await?;
        let one = landfall.put(KEY, first()).await?;
        landfall.said(&one, What::Ingested).await?;
        let two = landfall.put(KEY, second()).await?;
        landfall.said(&two, What::Ingested).await?;
        landfall.add(User::Mover).await?;

        landfall.ended(&one).await?;
        landfall.ended(&two).await?;
        ensure!(landfall.moved(&one).await?.outcome == MoveOutcome::Replaced);
        ensure!(landfall.moved(&two).await?.outcome == MoveOutcome::Archived);
        // Whoever is faster has claimed the plain name; the first made nothing of it.
        let keys = landfall.bucket.keys().await?;
        let place = landfall
            .moved(&two)
            .await?
            .destination
            .context("it was archived")?
            .key;
        ensure!(keys == [place.clone()], "{keys:?}");
        ensure!(place.starts_with(&format!("processed/{KEY}")), "{place}");
        let copy = landfall.bucket.get(&place).await?;
        ensure!(
            copy == Some(second().into_bytes()),
            "the copy is not the second"
        );
        holds(&landfall, &both()?)?;
        ensure!(landfall.mails()?.len() == 2, "{:?}", landfall.mails()?);
        landfall.finish().await
    });
}

#[test]
fn uploaded_again_after_the_first_has_ended_both_are_filed_away() {
    run(async {
        let landfall = Installation::start().await?;
        let one = landfall.put(KEY, first()).await?;
        landfall.ended(&one).await?;
        let two = landfall.put(KEY, second()).await?;
        landfall.ended(&two).await?;

        let id = landfall.said(&two, What::Moved).await?.file().id;
        let (plain, marked) = (
            format!("processed/{KEY}"),
            format!("processed/{KEY}~{}", id.short()),
        );
        ensure!(landfall.bucket.keys().await? == [plain.clone(), marked.clone()]);
        ensure!(landfall.bucket.get(&plain).await? == Some(first().into_bytes()));
        ensure!(landfall.bucket.get(&marked).await? == Some(second().into_bytes()));
        holds(&landfall, &both()?)?;
        ensure!(landfall.mails()?.len() == 2, "{:?}", landfall.mails()?);
        landfall.finish().await
    });
}

#[test]
fn the_later_upload_wins_though_the_earlier_one_is_processed_last() {
    run(async {
        let landfall = Installation::start().await?;
        landfall.notifications(Fate::Held);
        let one = landfall.put("incoming/early.csv", first()).await?;
        landfall
            .until("the early notification", || async {
                (landfall.held() == 1).then_some(())
            })
            .await?;
        a_second_later(&landfall, &one).await?;
        // Its notification overtakes the one that is held, which stays where it is.
        let two = landfall.put("incoming/late.csv", second()).await?;
        landfall
            .until("the late notification", || async {
                (landfall.held() == 2).then_some(())
            })
            .await?;
        landfall.release_youngest();
        landfall.ended(&two).await?;
        landfall.notifications(Fate::Delivered);
        landfall.ended(&one).await?;

        let order = |upload: &Upload| {
            let all = landfall.all();
            let seen = all.iter().find(|seen| upload.is(seen.file()));
            seen.map(|seen| seen.file().order)
        };
        ensure!(
            order(&one) < order(&two),
            "{:?} {:?}",
            order(&one),
            order(&two)
        );
        holds(&landfall, &both()?)?;
        landfall.finish().await
    });
}

#[test]
fn in_a_versioned_bucket_both_versions_are_read_and_filed_away() {
    run(async {
        let mut landfall = Installation::builder()
            .versioned()
            .without(User::Ingest)
            .start()
            .await?;
        let (one, two) = two_uploads(&landfall).await?;
        ensure!(
            one.version.is_some() && one.version != two.version,
            "{one:?} {two:?}"
        );
        landfall.add(User::Ingest).await?;

        for upload in [&one, &two] {
            landfall.ended(upload).await?;
            ensure!(landfall.moved(upload).await?.outcome == MoveOutcome::Archived);
        }
        holds(&landfall, &both()?)?;
        let mut copies = Vec::new();
        for key in landfall.bucket.keys().await? {
            ensure!(
                key.starts_with(&format!("processed/{KEY}")),
                "{key} is left"
            );
            copies.push(landfall.bucket.get(&key).await?.context("it was listed")?);
        }
        copies.sort();
        let mut expected = [first().into_bytes(), second().into_bytes()];
        expected.sort();
        ensure!(copies == expected, "the copies are not the two versions");
        ensure!(landfall.mails()?.len() == 2, "{:?}", landfall.mails()?);
        landfall.finish().await
    });
}

/// The same key twice; both have arrived.
async fn two_uploads(landfall: &Installation) -> Result<(Upload, Upload)> {
    let one = landfall.put(KEY, first()).await?;
    landfall.said(&one, What::Arrived).await?;
    let two = landfall.put(KEY, second()).await?;
    landfall.said(&two, What::Arrived).await?;
    Ok((one, two))
}

/// Waits until whatever is uploaded is at least a second later than `upload`: `Last-Modified` has
/// whole seconds.
async fn a_second_later(landfall: &Installation, upload: &Upload) -> Result<()> {
    let head = landfall
        .bucket
        .head(&upload.key)
        .await?
        .context("it was uploaded")?;
    let uploaded = head.last_modified().context("it has a time")?.secs();
    until(PATIENCE, || async {
        (jiff::Timestamp::now().as_second() > uploaded).then_some(())
    })
    .await
    .context("the clock stands still")
}
