//! Files with errors in them.

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use proto::event::{MoveOutcome, Report};
use proto::{Data, What};
use tests::python::{self, Csv};
use tests::rows::difference;
use tests::{Installation, Upload, run, sample};

/// Lines 3, 5 and 6 cannot be taken.
const BROKEN: &str = "sensor_id,timestamp,value\n\
    hall-1,2026-11-01T00:00:00Z,20.5\n\
    hall-1,2026-11-01T00:01:00Z,twenty\n\
    hall-1,2026-11-01T00:02:00Z,20.7\n\
    hall-1,yesterday,20.8\n\
    hall-1,2026-11-01T00:04:00Z\n";

/// What of it cannot be taken, ready to be corrected.
const REFUSED: &str = "sensor_id,timestamp,value\n\
    hall-1,2026-11-01T00:01:00Z,twenty\n\
    hall-1,yesterday,20.8\n\
    hall-1,2026-11-01T00:04:00Z\n";

#[test]
fn a_broken_file_leaves_no_reading_and_is_told_of_at_once() {
    run(async {
        // Ingested files wait for ten minutes; this must not.
        let landfall = Installation::builder().as_shipped().start().await?;
        let good = landfall
            .put("incoming/good.csv", sample::csv("good", 4, 1.0))
            .await?;
        landfall.said(&good, What::Moved).await?;
        let before = landfall.rows()?;

        let upload = landfall.put("incoming/bad.csv", BROKEN).await?;
        let notified = landfall.said(&upload, What::Notified).await?;
        let moved = landfall.said(&upload, What::Moved).await?;
        let waited = notified.stored.duration_since(moved.stored);
        let moved = landfall.moved(&upload).await?;
        ensure!(
            waited < SignedDuration::from_secs(20),
            "its mail waited {waited:?}"
        );
        let way = [What::Arrived, What::Rejected, What::Moved, What::Notified];
        ensure!(landfall.way(&upload) == way, "{:?}", landfall.way(&upload));
        ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
        ensure!(moved.rejected.is_some(), "{moved:?}");
        ensure!(counts(&moved.report) == (5, 0, 3, 0), "{:?}", moved.report);

        let difference = difference(&landfall.rows()?, &before);
        ensure!(
            difference.is_empty(),
            "readings of a rejected file: {difference}"
        );
        ensure!(
            landfall.bucket.get(&upload.key).await?.is_none(),
            "the source is there"
        );
        let copy = landfall.bucket.get("rejected/incoming/bad.csv").await?;
        ensure!(
            copy.as_deref() == Some(BROKEN.as_bytes()),
            "the copy differs"
        );
        refused_rows_are_right(&landfall, &upload).await?;

        let mails = landfall.mails()?;
        ensure!(mails.len() == 1, "{mails:?}");
        let text = mails[0].text.as_deref().context("it has a text")?;
        for word in ["incoming/bad.csv", "twenty", "yesterday"] {
            ensure!(
                text.contains(word),
                "the mail does not say {word:?}: {text}"
            );
        }
        landfall.finish().await
    });
}

#[test]
fn bad_rows_within_the_budget_are_put_aside_and_load_once_they_are_corrected() {
    run(async {
        let profile = r#"
            [[profiles]]
            name = "patient"
            values = ["value"]
            budget = 3
        "#;
        let landfall = Installation::builder().config(profile).start().await?;
        let twice = "hall-1,2026-11-01T00:00:00Z,99.5\nhall-1,2026-11-01T00:05:00Z,20.9\n";
        let content = format!("{BROKEN}{twice}");
        let upload = landfall.put("incoming/bad.csv", &content).await?;
        landfall.ended(&upload).await?;

        let moved = landfall.moved(&upload).await?;
        let report = &moved.report;
        ensure!(moved.rejected.is_none(), "{moved:?}");
        ensure!(counts(report) == (7, 3, 3, 1), "{report:?}");
        ensure!(report.rejected_lines == 3, "{report:?}");
        ensure!(
            landfall.count(moved.file.id)? == report.stored,
            "{report:?}"
        );
        let expected = python::readings(content.as_bytes(), &Csv::default())?;
        let unlike = difference(&landfall.rows()?, &expected);
        ensure!(unlike.is_empty(), "{unlike}");
        refused_rows_are_right(&landfall, &upload).await?;

        let corrected = REFUSED
            .replace("twenty", "20.6")
            .replace("yesterday", "2026-11-01T00:03:00Z")
            .replace("00:04:00Z\n", "00:04:00Z,20.85\n");
        let again = landfall.put("incoming/corrected.csv", &corrected).await?;
        landfall.ended(&again).await?;
        let mut all = expected;
        all.extend(python::readings(corrected.as_bytes(), &Csv::default())?);
        ensure!(all.len() == 6, "{all:?}");
        let unlike = difference(&landfall.rows()?, &all);
        ensure!(unlike.is_empty(), "{unlike}");
        landfall.finish().await
    });
}

#[test]
fn what_is_no_table_at_all_is_rejected_as_a_whole() {
    run(async {
        let landfall = Installation::start().await?;
        let unreadable: [(&str, Vec<u8>); 4] = [
            (
                "picture.csv",
                (0..4096_u32)
                    .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
                    .collect(),
            ),
            (
                "cut.csv.gz",
                b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x4c".to_vec(),
            ),
            ("other.csv", b"name,height\nAda,1.7\nGrace,1.8\n".to_vec()),
            ("wide.csv", b"sensor_id\xff\xfe\x00".to_vec()),
        ];
        let mut uploads = Vec::new();
        for (name, content) in &unreadable {
            uploads.push((
                landfall.put(&format!("incoming/{name}"), content).await?,
                content,
            ));
        }
        for (upload, content) in &uploads {
            landfall.ended(upload).await?;
            let rejected = landfall.said(upload, What::Rejected).await?;
            let Data::Rejected(rejected) = &rejected.event.data else {
                unreachable!("it is the event that was asked for")
            };
            ensure!(!rejected.reason.contains('\n'), "{:?}", rejected.reason);
            ensure!(rejected.report.stored == 0, "{rejected:?}");
            let copy = landfall
                .bucket
                .get(&format!("rejected/{}", upload.key))
                .await?;
            ensure!(copy.as_ref() == Some(content), "{}", upload.key);
        }
        ensure!(landfall.rows()?.is_empty(), "{:?}", landfall.rows()?);
        ensure!(
            landfall.mails()?.len() == uploads.len(),
            "{:?}",
            landfall.mails()?
        );
        landfall.finish().await
    });
}

fn counts(report: &Report) -> (u64, u64, u64, u64) {
    (
        report.read,
        report.stored,
        report.rejected,
        report.duplicated,
    )
}

/// The rows that were refused lie there as they stood; beside them the list says why.
async fn refused_rows_are_right(landfall: &Installation, upload: &Upload) -> Result<()> {
    let rows = format!("rejected-rows/{}", upload.key);
    let found = landfall.bucket.get(&rows).await?;
    ensure!(
        found.as_deref() == Some(REFUSED.as_bytes()),
        "{rows} is {found:?}"
    );
    let keys = landfall.bucket.keys().await?;
    let list: Vec<&String> = keys
        .iter()
        .filter(|key| key.starts_with("rejected-rows/") && **key != rows)
        .collect();
    ensure!(list.len() == 1, "one list is beside the rows, not {list:?}");
    let list = landfall
        .bucket
        .get(list[0])
        .await?
        .context("it was listed")?;
    let list = String::from_utf8(list)?;
    let lines: Vec<&str> = list.lines().collect();
    ensure!(lines.len() == 4, "{list}");
    for (line, starts) in lines.iter().zip([
        "file,line,column,value,reason".to_owned(),
        format!("{},3,value,twenty,", upload.key),
        format!("{},5,timestamp,yesterday,", upload.key),
        format!("{},6,,", upload.key),
    ]) {
        ensure!(
            line.starts_with(&starts),
            "{line:?} does not start with {starts:?}"
        );
    }
    Ok(())
}
