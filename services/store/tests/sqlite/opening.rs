use std::path::Path;
use std::process::Child;

use jiff::Timestamp;
use rusqlite::Connection;
use store::journal::Register;
use store::{Error, Journal, Readings, sqlite};

use crate::child;

/// What a child does: opens both stores and adds a register of its own.
pub(crate) async fn open(folder: &Path) {
    let journal = sqlite::Journal::open(&folder.join("journal.db"))
        .await
        .unwrap();
    sqlite::Readings::open(&folder.join("readings.db"))
        .await
        .unwrap();
    let own = Register::new("child", std::process::id().to_string());
    assert!(journal.create(&own, b"").await.unwrap().ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_create_the_same_files_at_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("not/there/yet");
        let children: Vec<Child> = (0..6)
            .map(|_| child::command("open", &inner).spawn().unwrap())
            .collect();
        let names: Vec<String> = children
            .iter()
            .map(|child| child.id().to_string())
            .collect();
        for child in children {
            assert!(child.wait_with_output().unwrap().status.success());
        }
        let journal = sqlite::Journal::open(&inner.join("journal.db"))
            .await
            .unwrap();
        for name in names {
            let register = Register::new("child", name);
            assert!(journal.read(&register).await.unwrap().is_some());
        }
    }
}

async fn error_of_journal(path: &Path) -> String {
    match sqlite::Journal::open(path).await {
        Err(Error::Broken(reason)) => {
            assert!(reason.contains(path.to_str().unwrap()), "{reason}");
            assert!(!reason.contains('\n'), "{reason}");
            reason
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    drop(sqlite::Journal::open(&path).await.unwrap());
    let raw = Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    let reason = error_of_journal(&path).await;
    assert!(reason.contains("version 99"), "{reason}");
    assert!(reason.contains("version 2;"), "{reason}");
    raw.pragma_update(None, "user_version", 2).unwrap();
    sqlite::Journal::open(&path).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_the_version_before_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let old = Register::new("mail", "old");
    let journal = sqlite::Journal::open(&path).await.unwrap();
    journal.create(&old, b"kept").await.unwrap();
    drop(journal);
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(
        "DROP INDEX due; ALTER TABLE register DROP COLUMN due; PRAGMA user_version = 1",
    )
    .unwrap();
    drop(raw);
    let journal = sqlite::Journal::open(&path).await.unwrap();
    let kept = journal.read(&old).await.unwrap().unwrap();
    assert_eq!(kept.value, b"kept");
    let due = Some(Timestamp::UNIX_EPOCH);
    journal.replace_due(&old, 1, b"new", due).await.unwrap();
    let overdue = journal.overdue("mail", Timestamp::now(), None, 9).await;
    assert_eq!(overdue.unwrap()[0].register, old);
    drop(journal);
    sqlite::Journal::open(&path).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_kind_are_refused_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let readings = folder.path().join("readings.db");
    drop(sqlite::Readings::open(&readings).await.unwrap());
    let reason = error_of_journal(&readings).await;
    assert!(reason.contains("not of Landfall's journal"), "{reason}");

    let foreign = folder.path().join("foreign.db");
    let raw = Connection::open(&foreign).unwrap();
    raw.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(raw);
    let before = std::fs::read(&foreign).unwrap();
    let reason = error_of_journal(&foreign).await;
    assert!(reason.contains("move it away"), "{reason}");
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    let text = folder.path().join("text.db");
    let content = "sensor_id,timestamp,value\n".repeat(1_000);
    std::fs::write(&text, &content).unwrap();
    let reason = error_of_journal(&text).await;
    assert!(reason.contains("move it away"), "{reason}");
    assert_eq!(std::fs::read_to_string(&text).unwrap(), content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_leads_nowhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    match sqlite::Journal::open(&file.join("journal.db")).await {
        Err(Error::Broken(reason)) => {
            assert!(reason.contains("cannot create the folder"), "{reason}");
        }
        _ => panic!("a file is no folder"),
    }
    let reason = error_of_journal(folder.path()).await;
    assert!(reason.contains("right to write"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_taken_away_is_an_outage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = sqlite::Journal::open(&path).await.unwrap();
    let register = Register::new("key", "a");
    journal.create(&register, b"x").await.unwrap();
    let aside = folder.path().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    let error = journal.replace(&register, 1, b"y").await.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error}");
    assert!(
        error.to_string().contains("moved, removed or replaced"),
        "{error}"
    );
    std::fs::write(&path, "another file").unwrap();
    let error = journal.replace(&register, 1, b"y").await.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error}");
    std::fs::rename(&aside, &path).unwrap();
    let replaced = journal.replace(&register, 1, b"y").await.unwrap();
    assert_eq!(replaced, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_can_read_the_readings_with_sqlite3() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.db");
    let store = sqlite::Readings::open(&path).await.unwrap();
    let reading = store::readings::Reading {
        sensor: "plant-7".into(),
        metric: "temperature".into(),
        time: "2026-03-01T12:00:00.125Z".parse().unwrap(),
        value: 21.5,
        write_timestamp: 1,
    };
    let file = "0123456789abcdef0123456789abcdef".parse().unwrap();
    store.write(file, vec![reading]).await.unwrap();
    let raw = Connection::open(&path).unwrap();
    let row: (String, String, String, f64, String) = raw
        .query_row(
            "SELECT sensor, metric, time, value, file FROM readings",
            [],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            },
        )
        .unwrap();
    let expected = (
        "plant-7".to_owned(),
        "temperature".to_owned(),
        "2026-03-01T12:00:00.125Z".to_owned(),
        21.5,
        "0123456789abcdef0123456789abcdef".to_owned(),
    );
    assert_eq!(row, expected);
}
