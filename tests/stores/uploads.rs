//! What goes the same way on each store.

use anyhow::{Context, Result, ensure};
use proto::event::{FoundBy, MoveOutcome};
use proto::{Data, What};
use tests::python::{self, Csv};
use tests::rows::{Rows, difference};
use tests::{Installation, Upload, sample};

const WAY: [What; 4] = [What::Arrived, What::Ingested, What::Moved, What::Notified];

/// What each sender encodes in its own way, or not at all.
const KEYS: [&str; 12] = [
    "incoming/plain.csv",
    "incoming/deep/er/plain.csv",
    "incoming/two words.csv",
    "incoming/a+b.csv",
    "incoming/a%b.csv",
    "incoming/a%2Bb.csv",
    "incoming/a%20b.csv",
    "incoming/Größe ähnlich.csv",
    "incoming/\u{1f321}\u{fe0f}.csv",
    "incoming/it's \"quoted\".csv",
    "incoming/a;b&c=d?e#f.csv",
    "incoming/a\\b<c>[d]{e}.csv",
];

/// The least that S3 takes as a part that is not the last.
const PART: usize = 5 * 1024 * 1024;

/// A file that was uploaded, and what was in it.
pub(crate) struct Sent {
    pub(crate) upload: Upload,
    content: Vec<u8>,
}

/// Uploads a small file.
pub(crate) async fn send(landfall: &Installation, key: &str) -> Result<Sent> {
    send_from(landfall, key, 1.0).await
}

/// [`send`], with values from `first` on.
pub(crate) async fn send_from(landfall: &Installation, key: &str, first: f64) -> Result<Sent> {
    let content = sample::csv(key, 5, first).into_bytes();
    let upload = landfall.put(key, &content).await?;
    Ok(Sent { upload, content })
}

/// Puts objects, completes an upload in parts and has the store copy an object: each is told of by
/// a notification, and goes the whole way.
pub(crate) async fn all_ways_in_are_told_of(landfall: Installation) -> Result<()> {
    landfall.has_swept().await?;
    let mut all = vec![
        send_in_parts(&landfall, "incoming/in parts +ü.csv").await?,
        send_copy(&landfall, "incoming/copied +ü.csv").await?,
    ];
    for key in KEYS {
        all.push(send(&landfall, key).await.with_context(|| key.to_owned())?);
    }
    end(landfall, &all, FoundBy::Notification).await
}

/// All files have gone the whole way, and began it as told; nothing else has happened.
pub(crate) async fn end(landfall: Installation, all: &[Sent], found_by: FoundBy) -> Result<()> {
    for sent in all {
        let found = found_by_what(&landfall, &sent.upload).await?;
        ensure!(found == found_by, "{:?}: {found:?}", sent.upload.key);
    }
    end_whatever_found_them(landfall, all).await
}

/// [`end`], where both may have found them.
pub(crate) async fn end_whatever_found_them(landfall: Installation, all: &[Sent]) -> Result<()> {
    for sent in all {
        landfall.ended(&sent.upload).await?;
    }
    let mut expected = Rows::new();
    for sent in all {
        is_filed(&landfall, sent)
            .await
            .with_context(|| format!("{:?}", sent.upload.key))?;
        expected.extend(python::readings(&sent.content, &Csv::default())?);
    }
    let difference = difference(&landfall.rows()?, &expected);
    ensure!(difference.is_empty(), "{difference}");
    let mails = landfall.mails()?.len();
    ensure!(mails == all.len(), "{mails} mails of {} files", all.len());
    landfall.finish().await
}

async fn send_in_parts(landfall: &Installation, key: &str) -> Result<Sent> {
    let content = sample::wide_csv(key, 11_000, 1_000).into_bytes();
    ensure!(content.len() > 2 * PART, "no more than two parts");
    let parts = content.chunks(PART).map(<[u8]>::to_vec);
    let upload = landfall.bucket.put_pieces(key, parts).await?;
    Ok(Sent { upload, content })
}

async fn send_copy(landfall: &Installation, key: &str) -> Result<Sent> {
    const ELSEWHERE: &str = "elsewhere/a +ü%2B.csv";
    let content = sample::csv(key, 5, 1.0).into_bytes();
    landfall.bucket.put(ELSEWHERE, &content).await?;
    let upload = landfall.bucket.copy(ELSEWHERE, key).await?;
    Ok(Sent { upload, content })
}

async fn found_by_what(landfall: &Installation, upload: &Upload) -> Result<FoundBy> {
    match landfall.said(upload, What::Arrived).await?.event.data {
        Data::Arrived(arrived) => Ok(arrived.found_by),
        other => anyhow::bail!("it is not `arrived`: {other:?}"),
    }
}

/// It was told of, and lies in the archive as it was.
async fn is_filed(landfall: &Installation, sent: &Sent) -> Result<()> {
    let Sent { upload, content } = sent;
    ensure!(landfall.way(upload) == WAY, "{:?}", landfall.way(upload));
    let moved = landfall.moved(upload).await?;
    ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
    let place = moved.destination.context("it was archived")?;
    let copy = landfall.bucket.get(&place.key).await?;
    ensure!(copy.as_ref() == Some(content), "{place:?} is another file");
    let source = landfall.bucket.get(&upload.key).await?;
    ensure!(source.is_none(), "the source is there");
    Ok(())
}
