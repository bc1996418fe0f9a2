use proto::event::Vanished;
use runtime::Trouble;
use serde_json::json;

use crate::bed::{BUCKET, Bed, ingested, rejected, run, superseded};
use crate::table::pack;

#[tokio::test(flavor = "multi_thread")]
async fn the_readings_of_a_file_are_stored_and_counted() {
    let bed = Bed::new("plain").await;
    let text = "sensor_id,timestamp,value\n\
                a,2024-01-01T00:00:00.0009Z,1.5\n\
                a,2024-01-01T00:00:01Z,2\n\
                b,2024-01-01 00:00:00,-3e2\n\
                a,2024-01-01T00:00:01Z,4\n";
    let arrived = bed.upload("a.csv", text).await;
    let report = ingested(run(&bed.ingest(), &arrived).await);
    assert_eq!(
        bed.stored("a").await,
        [
            ("value".to_owned(), 1_704_067_200_000, 1.5),
            ("value".to_owned(), 1_704_067_201_000, 4.0),
        ]
    );
    assert_eq!(
        bed.stored("b").await,
        [("value".to_owned(), 1_704_067_200_000, -300.0)]
    );
    assert_eq!((report.read, report.stored, report.duplicated), (4, 3, 1));
    assert_eq!(
        (report.rejected, report.truncated_times, report.at_least),
        (0, 1, false)
    );
    assert_eq!(report.first, Some("2024-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(report.last, Some("2024-01-01T00:00:01Z".parse().unwrap()));
    assert_eq!((report.rejects, report.profile_hash.len()), (None, 64));
    assert_eq!(bed.readings.count(arrived.file.id).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_readings_are_ingested() {
    let bed = Bed::new("empty").await;
    for (name, text) in [
        ("zero.csv", ""),
        ("header.csv", "sensor_id,timestamp,value\n"),
    ] {
        let arrived = bed.upload(name, text).await;
        let report = ingested(run(&bed.ingest(), &arrived).await);
        assert_eq!((report.read, report.first), (0, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_file_reads_like_a_plain_one_through_its_profile() {
    let mut bed = Bed::new("gzip").await;
    let settings = json!({ "delimiter": ";", "sensor": "file_name", "values": ["x", "y"] });
    bed.add_profile("wide", &settings);
    let packed = pack(b"timestamp;x;y\n1700000000;1;\n1700000001;;2\n");
    let arrived = bed.upload_for("wide", "pump.csv.gz", packed).await;
    assert_eq!(ingested(run(&bed.ingest(), &arrived).await).stored, 2);
    assert_eq!(
        bed.stored("pump").await,
        [
            ("x".to_owned(), 1_700_000_000_000, 1.0),
            ("y".to_owned(), 1_700_000_001_000, 2.0),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_upload_wins_in_whatever_order_the_two_are_read() {
    let bed = Bed::new("later").await;
    let first = bed
        .upload("a.csv", "later,1700000000,1\nlater,1700000001,1\n")
        .await;
    // The watcher gives a later version a later order time, by at least a second.
    let mut second = bed.upload("b.csv", "later,1700000000,2\n").await;
    second.file.order = first.file.order + jiff::SignedDuration::from_secs(1);
    for arrived in [&second, &first, &second] {
        ingested(run(&bed.ingest(), arrived).await);
    }
    assert_eq!(
        bed.stored("later").await,
        [
            ("value".to_owned(), 1_700_000_000_000, 2.0),
            ("value".to_owned(), 1_700_000_001_000, 1.0),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_table_is_rejected_with_one_line() {
    let bed = Bed::new("broken").await;
    for (name, bytes, expected) in [
        (
            "a.csv",
            &b"PK\x03\x04"[..],
            "it is no CSV; by its first bytes it is a zip archive or an Excel workbook",
        ),
        (
            "b.csv",
            b"device,when\nx,y\n",
            "line 1 names no column `sensor_id`, which the profile uses; it has: device, when (it is no row of data either)",
        ),
        (
            "c.csv.gz",
            &pack(b"a,1700000000,1\n")[..20],
            "its gzip data ends too early: the file was cut off, upload it again",
        ),
        (
            "d.csv",
            b"sensor_id,timestamp,value\nx,1700000000,1\ny,never,1\n",
            "1 line of 2 could not be read, and the profile `default` allows 1% of them: line 3, column timestamp: `never` is neither an ISO 8601 nor a Unix time",
        ),
        (
            "e.csv",
            b"x,1700000000,1\ny,\"1700000001,1\nx,1700000002,1\n",
            "a quote opened in line 2 is never closed; so 3 lines of 4 could not be read, and the profile `default` allows 1% of them",
        ),
    ] {
        let arrived = bed.upload(name, bytes).await;
        let (reason, report) = rejected(run(&bed.ingest(), &arrived).await);
        assert_eq!(reason, expected);
        assert_eq!(report.stored, 0);
    }
    assert_eq!(bed.stored("x").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_replaced_is_superseded_with_no_rows() {
    let bed = Bed::new("vanished").await;
    let gone = bed.upload("gone.csv", "v,1700000000,1\n").await;
    bed.delete(BUCKET, &gone.file.key).await;
    let replaced = bed.upload("replaced.csv", "v,1700000000,1\n").await;
    let newer = bed.upload("replaced.csv", "v,1700000000,22\n").await;
    let ingest = bed.ingest();
    for (arrived, how) in [(&gone, Vanished::Gone), (&replaced, Vanished::Replaced)] {
        let outcome = superseded(run(&ingest, arrived).await);
        assert_eq!((outcome.how, outcome.rows_up_to), (how, 0));
    }
    assert_eq!(bed.stored("v").await, []);
    // That was decided for good: the same bytes again are nothing new.
    bed.upload("gone.csv", "v,1700000000,1\n").await;
    assert_eq!(superseded(run(&ingest, &gone).await).how, Vanished::Gone);
    assert_eq!(ingested(run(&ingest, &newer).await).stored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_too_far_in_the_future_are_refused() {
    let mut bed = Bed::new("future").await;
    bed.config.ingest.future = std::time::Duration::from_secs(3600);
    bed.add_profile("lenient", &json!({ "budget": 5 }));
    let text = "f,2024-01-01T01:00:00Z,1\nf,2024-01-01T01:00:00.001Z,2\n";
    let arrived = bed.upload_for("lenient", "a.csv", text).await;
    let ingest = bed
        .ingest()
        .by_clock(|| "2024-01-01T00:00:00Z".parse().unwrap());
    // Its order time is of today, which that clock finds too late to write: look at the decision.
    assert!(matches!(
        run(&ingest, &arrived).await,
        Err(Trouble::Retry { .. })
    ));
    let mut arrived = arrived;
    arrived.replay = 1;
    arrived.file.order = "2024-01-01T00:00:00Z".parse().unwrap();
    let report = ingested(run(&ingest, &arrived).await);
    assert_eq!((report.stored, report.rejected), (1, 1));
    assert_eq!(report.first_rejects[0].reason, "lies too far in the future");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_profile_is_a_configuration_to_mend() {
    let bed = Bed::new("unknown").await;
    let arrived = bed.upload_for("new-one", "a.csv", "a,1700000000,1\n").await;
    let trouble = run(&bed.ingest(), &arrived).await.unwrap_err();
    assert!(
        matches!(&trouble, Trouble::Reject { reason } if reason.contains("`new-one`")),
        "{trouble:?}"
    );
}
