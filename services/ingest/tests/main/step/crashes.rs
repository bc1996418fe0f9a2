use std::sync::Arc;

use proto::event::Vanished;
use runtime::Trouble;
use serde_json::json;
use store::journal::Register;

use crate::bed::{BUCKET, Bed, Failing, ingested, rejected, run, superseded};

/// Two good rows and a bad one.
const ROWS: &str = "c,1700000000,1\nc,1700000001,2\nc,1700000002,x\n";

/// Lets ingest decide, and fail at its first write.
async fn crash(bed: &Bed, arrived: &proto::event::Arrived) {
    let failing = Failing::after(0, &bed.readings);
    let trouble = run(&bed.ingest_into(failing), arrived).await.unwrap_err();
    assert!(
        matches!(
            trouble,
            Trouble::Outage {
                dependency: "store",
                ..
            }
        ),
        "{trouble:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_obeyed_whatever_is_configured_after_a_crash() {
    let mut bed = Bed::new("obeyed").await;
    bed.add_profile("p", &json!({ "budget": 1 }));
    let arrived = bed.upload_for("p", "a.csv", ROWS).await;
    crash(&bed, &arrived).await;
    // Under what is configured now it would be refused, for three reasons.
    bed.config.profiles.clear();
    bed.add_profile("p", &json!({ "budget": 0, "delimiter": ";" }));
    bed.config.ingest.longest_line = 5;
    bed.config.ingest.in_memory = 1;
    bed.config.ingest.refused_rows = 1;
    bed.config.ingest.rejected_rows = "elsewhere/".to_owned();
    let late = bed
        .ingest()
        .by_clock(|| "1990-01-01T00:00:00Z".parse().unwrap());
    let report = ingested(run(&late, &arrived).await);
    assert_eq!((report.stored, report.rejected), (2, 1));
    assert_eq!(bed.stored("c").await.len(), 2);
    let rejects = report.rejects.unwrap();
    assert_eq!(rejects.key, format!("rejected-rows/{}", arrived.file.key));
    // And a file that comes now is read by what is configured now.
    let next = bed.upload_for("p", "b.csv", ROWS).await;
    assert_eq!(rejected(run(&bed.ingest(), &next).await).1.stored, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_obeyed_too() {
    let mut bed = Bed::new("refusal").await;
    bed.add_profile("p", &json!({ "budget": 0 }));
    let arrived = bed.upload_for("p", "a.csv", ROWS).await;
    let first = rejected(run(&bed.ingest(), &arrived).await);
    bed.config.profiles.clear();
    bed.add_profile("p", &json!({ "budget": 100 }));
    assert_eq!(rejected(run(&bed.ingest(), &arrived).await), first);
    assert_eq!(bed.stored("c").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_vanishes_after_the_decision_says_how_many_rows_there_may_be() {
    let mut bed = Bed::new("halfway").await;
    bed.add_profile("p", &json!({ "budget": 1 }));
    let gone = bed.upload_for("p", "gone.csv", ROWS).await;
    crash(&bed, &gone).await;
    bed.delete(BUCKET, &gone.file.key).await;
    let outcome = superseded(run(&bed.ingest(), &gone).await);
    assert_eq!((outcome.how, outcome.rows_up_to), (Vanished::Gone, 2));

    let replaced = bed.upload_for("p", "replaced.csv", ROWS).await;
    crash(&bed, &replaced).await;
    bed.upload_for("p", "replaced.csv", "c,1700000000,9\n")
        .await;
    let outcome = superseded(run(&bed.ingest(), &replaced).await);
    assert_eq!((outcome.how, outcome.rows_up_to), (Vanished::Replaced, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_that_vanishes_stays_refused() {
    let bed = Bed::new("refused").await;
    let arrived = bed.upload("a.csv", ROWS).await;
    let (reason, report) = rejected(run(&bed.ingest(), &arrived).await);
    let rejects = report.rejects.clone().unwrap();
    bed.delete(BUCKET, &arrived.file.key).await;
    // What was put aside before is found again.
    assert_eq!(
        rejected(run(&bed.ingest(), &arrived).await),
        (reason.clone(), report)
    );
    // If it was not, there is nothing to make it of.
    bed.delete(BUCKET, &format!("{}{}", rejects.key, ingest::shelf::LIST))
        .await;
    let (again, report) = rejected(run(&bed.ingest(), &arrived).await);
    assert_eq!((again, report.rejects), (reason, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_pass_that_sees_something_else_never_says_ingested() {
    let mut bed = Bed::new("differs").await;
    bed.add_profile("p", &json!({ "budget": 1 }));
    let arrived = bed.upload_for("p", "a.csv", ROWS).await;
    crash(&bed, &arrived).await;
    // As if the store had given other bytes then.
    let register = Register::new("decision", format!("{}/0", arrived.file.id));
    let entry = bed.journal.read(&register).await.unwrap().unwrap();
    let mut decision: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
    decision["ingest"]["report"]["read"] = json!(4);
    let changed = serde_json::to_vec(&decision).unwrap();
    let journal = Arc::clone(&bed.journal);
    journal
        .replace(&register, entry.revision, &changed)
        .await
        .unwrap()
        .unwrap();
    let trouble = run(&bed.ingest(), &arrived).await.unwrap_err();
    assert!(
        matches!(&trouble, Trouble::Retry { reason } if reason.contains("was read differently the second time")),
        "{trouble:?}"
    );
    assert_eq!(bed.stored("c").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_as_it_was_used_is_kept_under_its_hash() {
    let mut bed = Bed::new("kept").await;
    bed.add_profile(
        "p",
        &json!({
            "delimiter": ";", "header": "yes", "sensor": { "column": 2 }, "time": "t",
            "time_format": "unix", "values": ["a", { "column": 4, "metric": "b" }, 5],
            "budget": "12.5%",
        }),
    );
    let text = "t;s;a;x;c\n1700000000;k;1;2;3\n";
    let arrived = bed.upload_for("p", "a.csv", text).await;
    let report = ingested(run(&bed.ingest(), &arrived).await);
    assert_eq!(report.stored, 3);
    let journal = ingest::journal::Journal::new(Arc::clone(&bed.journal));
    let kept = journal
        .profile(&report.profile_hash, "p")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept, bed.config.profiles[0]);
    assert_eq!(kept.hash(), report.profile_hash);
}
