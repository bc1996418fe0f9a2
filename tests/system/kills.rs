//! Services that are killed while files are on their way.

use anyhow::{Context, ensure};
use proto::User;
use tests::python::{self, Csv};
use tests::rows::{Rows, difference};
use tests::{Installation, run, sample};

const FILES: usize = 120;

#[test]
fn whoever_is_killed_on_the_way_every_file_ends_as_if_nobody_had_been() {
    run(async {
        let mut landfall = Installation::builder()
            // No mail is being handed over before the notifier's last kill, which comes early: a
            // mail that is cut there is `unknown`, and only minutes later.
            .set("notifier.delay", "30s")
            .set("watcher.sweep_every", "1s")
            // What a killed service held comes again after this time.
            .set("nats.ack_wait", "2s")
            .start()
            .await?;
        let mut uploads = Vec::new();
        let mut expected = Rows::new();
        for number in 0..FILES {
            let content = sample::csv(&format!("k-{number}"), 50, 1.0);
            expected.extend(python::readings(content.as_bytes(), &Csv::default())?);
            let key = format!("incoming/{number}.csv");
            uploads.push((landfall.put(&key, &content).await?, content));
            let killed = match number {
                5 | 12 => User::Notifier,
                20 | 70 => User::Watcher,
                30 | 80 => User::Ingest,
                50 | 90 => User::Mover,
                _ => continue,
            };
            landfall.kill(killed).await;
            landfall.add(killed).await?;
        }
        for (upload, content) in &uploads {
            landfall.ended(upload).await?;
            let place = landfall.moved(upload).await?.destination;
            let place = place.with_context(|| format!("{} was not filed", upload.key))?;
            ensure!(
                place.key == format!("processed/{}", upload.key),
                "{place:?}"
            );
            let copy = landfall.bucket.get(&place.key).await?;
            ensure!(
                copy.as_deref() == Some(content.as_bytes()),
                "{place:?} differs"
            );
        }
        let difference = difference(&landfall.rows()?, &expected);
        ensure!(difference.is_empty(), "{difference}");
        let left = landfall.bucket.keys().await?.len();
        ensure!(left == FILES, "{left} objects for {FILES} files");
        let mails = landfall.mails()?.len();
        ensure!(mails == FILES, "{mails} mails for {FILES} files");
        landfall.finish().await
    });
}
