use std::time::{Duration, Instant};

use rusqlite::Connection;
use store::journal::Register;
use store::{Error, Journal, sqlite};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_locked_is_an_outage_for_writers_and_none_for_readers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = sqlite::Journal::open(&path).await.unwrap();
    let register = Register::new("key", "a");
    journal.create(&register, b"x").await.unwrap();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
        .execute("UPDATE register SET value = x'00'", [])
        .unwrap();
    let started = Instant::now();
    let (replaced, read) = tokio::join!(journal.replace(&register, 1, b"y"), async {
        let read = journal.read(&register).await;
        (read, started.elapsed())
    });
    let (read, elapsed) = read;
    assert_eq!(read.unwrap().unwrap().value, b"x");
    assert!(
        elapsed < Duration::from_secs(3),
        "the reader waited for {elapsed:?}"
    );
    let error = replaced.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error}");
    assert!(error.to_string().contains("another process"), "{error}");

    other.execute_batch("ROLLBACK").unwrap();
    let replaced = journal.replace(&register, 1, b"z").await.unwrap();
    assert_eq!(replaced, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_held_for_a_moment_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = sqlite::Journal::open(&path).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let release = async {
        // The moment for which the other one works.
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.execute_batch("COMMIT").unwrap();
    };
    let register = Register::new("key", "a");
    let (created, ()) = tokio::join!(journal.create(&register, b""), release);
    assert!(created.unwrap().ours);
}
