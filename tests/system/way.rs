//! A file's whole way.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use proto::event::{FoundBy, MailOutcome, MoveOutcome};
use proto::{Data, What};
use serde_json::json;
use tests::python::{self, Csv};
use tests::rows::{Rows, difference};
use tests::{Fate, Installation, run, sample};

const WAY: [What; 4] = [What::Arrived, What::Ingested, What::Moved, What::Notified];

#[test]
fn a_file_becomes_rows_is_filed_away_and_one_mail_tells_of_it() {
    run(async {
        let landfall = Installation::start().await?;
        let mut expected = Rows::new();
        let mut uploads = Vec::new();
        for (key, content, csv) in plain_files()? {
            expected.extend(python::readings(&content, &csv)?);
            uploads.push((landfall.put(&key, &content).await?, content));
        }

        for (upload, content) in &uploads {
            let last = landfall.ended(upload).await?;
            ensure!(landfall.way(upload) == WAY, "{:?}", landfall.way(upload));
            let Data::Notified(notified) = &last.event.data else {
                unreachable!("its way ends with `notified`")
            };
            ensure!(notified.outcome == MailOutcome::Accepted, "{notified:?}");
            let moved = landfall.moved(upload).await?;
            ensure!(moved.outcome == MoveOutcome::Archived, "{moved:?}");
            ensure!(
                landfall.bucket.get(&upload.key).await?.is_none(),
                "the source is there"
            );
            let copy = landfall
                .bucket
                .get(&format!("processed/{}", upload.key))
                .await?;
            ensure!(
                copy.as_ref() == Some(content),
                "the copy of {} differs",
                upload.key
            );
            let stored = landfall.count(moved.file.id)?;
            ensure!(
                moved.report.stored == stored,
                "{stored} rows, and {:?}",
                moved.report
            );
            ensure!(moved.report.read == stored, "{:?}", moved.report);
        }
        let difference = difference(&landfall.rows()?, &expected);
        ensure!(difference.is_empty(), "{difference}");
        one_mail_each(&landfall, uploads.len())?;
        landfall.finish().await
    });
}

#[test]
fn a_notification_that_comes_twice_makes_one_file() {
    run(async {
        let landfall = Installation::start().await?;
        landfall.notifications(Fate::Doubled);
        let mut uploads = Vec::new();
        for number in 0..20 {
            let key = format!("incoming/{number}.csv");
            let content = sample::csv(&format!("twice-{number}"), 10, 1.0);
            uploads.push(landfall.put(&key, content).await?);
        }
        for upload in &uploads {
            landfall.ended(upload).await?;
            ensure!(landfall.way(upload) == WAY, "{:?}", landfall.way(upload));
        }
        ensure!(
            landfall.rows()?.len() == 200,
            "{} rows",
            landfall.rows()?.len()
        );
        one_mail_each(&landfall, uploads.len())?;
        landfall.finish().await
    });
}

#[test]
fn a_notification_in_the_style_of_s3_does_as_well_as_the_stores_own() {
    run(async {
        let landfall = Installation::start().await?;
        landfall.notifications(Fate::Lost);
        let upload = landfall
            .put("incoming/a b+ü.csv", sample::csv("s3", 5, 1.0))
            .await?;
        let record = json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventTime": Timestamp::now(),
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": { "name": upload.bucket },
                "object": { "key": "incoming/a+b%2B%C3%BC.csv", "eTag": upload.etag, "size": 1 },
            },
        }]});
        let body = record.to_string();
        ensure!(landfall.notify(Some("a wrong token"), &body).await? == 401);
        ensure!(landfall.notify(None, &body).await? / 100 == 2);
        landfall.ended(&upload).await?;

        ensure!(landfall.way(&upload) == WAY, "{:?}", landfall.way(&upload));
        let arrived = landfall.said(&upload, What::Arrived).await?;
        let Data::Arrived(arrived) = arrived.event.data else {
            unreachable!("it is the event that was asked for")
        };
        ensure!(arrived.found_by == FoundBy::Notification, "{arrived:?}");
        ensure!(landfall.rows()?.len() == 5, "{:?}", landfall.rows()?);
        landfall.finish().await
    });
}

/// Accepted DATA commands, distinct Message-IDs and files are the same number.
fn one_mail_each(landfall: &Installation, files: usize) -> Result<()> {
    let mails = landfall.mails()?;
    let ids: BTreeSet<&String> = mails
        .iter()
        .filter_map(|mail| mail.headers.get("Message-ID"))
        .collect();
    let counts = (mails.len(), ids.len());
    ensure!(
        counts == (files, files),
        "{counts:?} mails and Message-IDs for {files} files"
    );
    let said: BTreeSet<String> = landfall
        .all()
        .iter()
        .filter_map(|seen| match &seen.event.data {
            Data::Notified(notified) => notified.message_id.clone(),
            _ => None,
        })
        .collect();
    let ids: BTreeSet<String> = ids
        .into_iter()
        .map(|id| id.trim_matches(['<', '>']).to_owned())
        .collect();
    ensure!(ids == said, "the events name other mails than came");
    for mail in &mails {
        ensure!(
            mail.receivers == ["lab@example.org"],
            "{:?}",
            mail.receivers
        );
        ensure!(
            mail.headers["From"] == "Landfall <landfall@example.org>",
            "{:?}",
            mail.headers
        );
    }
    Ok(())
}

/// Files that the default profile reads, in all the ways in which it does.
fn plain_files() -> Result<Vec<(String, Vec<u8>, Csv)>> {
    let by_position = Csv {
        header: false,
        sensor: python::Sensor::Column(0.into()),
        time: 1.into(),
        values: vec![(2.into(), "value")],
        ..Csv::default()
    };
    let plain = sample::csv("hall-1", 500, -3.7);
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    zipped.write_all(sample::csv("hall-4", 500, 1e-7).as_bytes())?;
    let numbers = "sensor_id,timestamp,value\n\
        n,2026-11-01T00:00:00Z,0.1\nn,2026-11-01T00:00:01Z,-0\nn,2026-11-01T00:00:02Z,1e300\n\
        n,2026-11-01T00:00:03Z,5e-324\nn,2026-11-01T00:00:04Z,9007199254740993\n\
        n,2026-11-01T00:00:05Z,2.2250738585072011e-308\nn,2026-11-01T00:00:06Z,+7.5\n";
    let times = "sensor_id,timestamp,value\n\
        t,1793491200,1\nt,2026-11-01T00:00:01,2\nt,2026-11-01 00:00:02,3\n\
        t,2026-11-01T00:00:03.250Z,4\nt,2026-11-01T01:00:04+01:00,5\n";
    let quoted = "\"sensor_id\",\"timestamp\",\"value\"\r\n\
        \"hall, \"\"north\"\" \u{1f321}\",2026-11-01T00:00:00Z,\"1.5\"\r\n\
        \"two\nlines\",2026-11-01T00:00:00Z,2.5\r\n";
    let twice = "sensor_id,timestamp,value\nd,2026-11-01T00:00:00Z,1\n";
    let bare = plain
        .split_once('\n')
        .map_or("", |(_, rest)| rest)
        .replace("hall-1", "hall-2");
    let files = [
        ("plain", plain.clone().into_bytes(), Csv::default()),
        ("no-header", bare.into_bytes(), by_position),
        (
            "marked",
            format!("\u{feff}{}", plain.replace("hall-1", "hall-3")).into_bytes(),
            Csv::default(),
        ),
        ("zipped.csv.gz", zipped.finish()?, Csv::default()),
        ("numbers", numbers.into(), Csv::default()),
        ("times", times.into(), Csv::default()),
        ("quoted", quoted.into(), Csv::default()),
        (
            "no-last-line-break",
            twice.trim_end().into(),
            Csv::default(),
        ),
    ];
    let named = files.map(|(name, content, csv)| {
        let name = if name.contains('.') {
            name.to_owned()
        } else {
            format!("{name}.csv")
        };
        (format!("incoming/{name}"), content, csv)
    });
    Ok(named.into())
}
