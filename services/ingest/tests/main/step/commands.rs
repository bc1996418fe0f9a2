//! A person's commands: which one counts, what is taken over, and crashes in between.

use std::collections::BTreeMap;

use proto::event::{Arrived, Command, Commanded, Stage};
use proto::{Data, Event};
use runtime::Trouble;
use serde_json::json;

use crate::bed::{ARCHIVE, BUCKET, Bed, Failing, hear, ingested, location, rejected, run};

const ROWS: &str = "c,1700000000,1\nc,1700000001,2\n";

fn command(arrived: &Arrived, replay: u32, by: &str, command: Command) -> Event {
    let commanded = Commanded {
        file: arrived.file.clone(),
        replay,
        command,
        by: by.to_owned(),
        why: None,
        copy: None,
    };
    let unique = by.len() as u64;
    Event::command(commanded, unique, jiff::Timestamp::now())
}

fn replay(from: Stage) -> Command {
    Command::Replay {
        from,
        corrected: false,
    }
}

const CORRECTED: Command = Command::Replay {
    from: Stage::Ingest,
    corrected: true,
};

/// Settles what ingest said, as the runtime does.
async fn settle(bed: &Bed, data: Data) -> Data {
    let event = Event::new(proto::User::Ingest, data, jiff::Timestamp::now());
    bed.journal.settle(&event).await.unwrap().event.data
}

fn reason(outcome: Result<Data, Trouble>) -> String {
    match outcome {
        Err(Trouble::Reject { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_commands_for_one_way_the_first_counts_and_both_obey_it() {
    let mut bed = Bed::new("first-command").await;
    bed.add_profile(
        "p",
        &json!({ "values": [{ "column": "value", "metric": "old" }] }),
    );
    let arrived = bed.upload_for("p", "a.csv", ROWS).await;
    ingested(run(&bed.ingest(), &arrived).await);
    bed.config.profiles.clear();
    bed.add_profile(
        "p",
        &json!({ "values": [{ "column": "value", "metric": "new" }] }),
    );
    let plain = command(&arrived, 1, "mara", replay(Stage::Ingest));
    let corrected = command(&arrived, 1, "noor?", CORRECTED);
    let first = hear(&bed.ingest(), &plain).await.unwrap();
    let second = hear(&bed.ingest(), &corrected).await.unwrap();
    assert_eq!(first, second);
    let Data::Ingested(ingested) = first else {
        panic!("{first:?}")
    };
    let replayed = ingested.replayed.unwrap();
    assert_eq!((&*replayed.command, &*replayed.by), (&*plain.id, "mara"));
    // As it was read before, whatever is configured now.
    let metrics: Vec<String> = bed.stored("c").await.into_iter().map(|row| row.0).collect();
    assert_eq!(metrics, ["old", "old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_reads_the_copy_wherever_it_was_filed_and_knows_it_by_its_label() {
    let mut bed = Bed::new("copies").await;
    bed.config.mover.target_bucket = Some(ARCHIVE.to_owned());
    let arrived = bed.upload("a.csv", ROWS).await;
    ingested(run(&bed.ingest(), &arrived).await);
    let key = &arrived.file.key;
    bed.delete(BUCKET, key).await;
    let event = command(&arrived, 1, "mara", replay(Stage::Ingest));
    // Somebody else's, with the same bytes.
    bed.put(ARCHIVE, &format!("processed/{key}"), ROWS).await;
    let missing = reason(hear(&bed.ingest(), &event).await);
    assert!(missing.contains("no copy of"), "{missing}");
    let tagged = format!("rejected/{key}~{}", arrived.file.id.short());
    assert!(missing.contains(&tagged), "{missing}");
    let label = BTreeMap::from([
        ("landfall-file-id".to_owned(), arrived.file.id.to_string()),
        ("landfall-replay".to_owned(), "0".to_owned()),
    ]);
    let at = location(ARCHIVE, &tagged);
    let put = bed.objects.put(&at, ROWS.into(), None, &label);
    put.await.unwrap();
    assert_eq!(ingested(hear(&bed.ingest(), &event).await).stored, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_is_taken_over_and_nothing_is_read_for_it() {
    let bed = Bed::new("taken-over").await;
    let arrived = bed.upload("a.csv", ROWS).await;
    let first = ingested(run(&bed.ingest(), &arrived).await);
    let event = command(&arrived, 1, "mara", replay(Stage::Move));
    let early = reason(hear(&bed.ingest(), &event).await);
    assert!(
        early.contains("replay") && early.contains("from `ingest`"),
        "{early}"
    );
    settle(&bed, run(&bed.ingest(), &arrived).await.unwrap()).await;
    bed.delete(BUCKET, &arrived.file.key).await;
    assert_eq!(ingested(hear(&bed.ingest(), &event).await), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_crashed_goes_on_as_it_was_decided() {
    let mut bed = Bed::new("replay-crash").await;
    let arrived = bed.upload("a.csv", ROWS).await;
    ingested(run(&bed.ingest(), &arrived).await);
    let event = command(&arrived, 1, "mara", CORRECTED);
    let lost = bed.ingest_into(Failing::after(0, &bed.readings));
    let trouble = hear(&lost, &event).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Outage { .. }), "{trouble:?}");
    // Another default, so to speak, than the one that it was decided with.
    let named = json!({ "values": [{ "column": "value", "metric": "other" }] });
    bed.add_profile("default", &named);
    assert_eq!(ingested(hear(&bed.ingest(), &event).await).stored, 2);
    let metrics: Vec<String> = bed.stored("c").await.into_iter().map(|row| row.0).collect();
    assert_eq!(metrics, ["value", "value"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_refused_says_what_stays_in_the_database() {
    let mut bed = Bed::new("stays").await;
    let arrived = bed.upload("a.csv", ROWS).await;
    ingested(run(&bed.ingest(), &arrived).await);
    bed.add_profile("default", &json!({ "delimiter": ";" }));
    let event = command(&arrived, 1, "mara", CORRECTED);
    let (reason, report) = rejected(hear(&bed.ingest(), &event).await);
    assert!(
        reason.contains("2 readings that it wrote before stay"),
        "{reason}"
    );
    let retract = format!("landfall retract {}", arrived.file.id);
    assert!(reason.contains(&retract), "{reason}");
    assert_eq!((report.stored, bed.stored("c").await.len()), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retraction_that_crashed_says_how_many_readings_there_were() {
    let bed = Bed::new("retraction").await;
    let arrived = bed.upload("a.csv", ROWS).await;
    ingested(run(&bed.ingest(), &arrived).await);
    let event = command(&arrived, 1, "mara", Command::Retract);
    let lost = bed.ingest_into(Failing::after(0, &bed.readings));
    let trouble = hear(&lost, &event).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Outage { .. }), "{trouble:?}");
    assert_eq!(bed.stored("c").await, []);
    for _ in 0..2 {
        let data = hear(&bed.ingest(), &event).await.unwrap();
        let Data::Retracted(retracted) = &data else {
            panic!("{data:?}")
        };
        assert_eq!((retracted.readings, &*retracted.by), (2, "mara"));
    }
    // A late first way writes nothing that shows; a later replay does, and stays.
    ingested(run(&bed.ingest(), &arrived).await);
    assert_eq!(bed.stored("c").await, []);
    let replayed = command(&arrived, 2, "mara", replay(Stage::Ingest));
    ingested(hear(&bed.ingest(), &replayed).await);
    hear(&bed.ingest(), &event).await.unwrap();
    assert_eq!(bed.stored("c").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_tenth_replay() {
    let bed = Bed::new("tenth").await;
    let arrived = bed.upload("a.csv", ROWS).await;
    let event = command(&arrived, 10, "mara", replay(Stage::Ingest));
    let refused = reason(hear(&bed.ingest(), &event).await);
    assert!(
        refused.contains("9 times") && refused.contains("upload it again"),
        "{refused}"
    );
}
