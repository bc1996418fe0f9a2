use jiff::Timestamp;
use proto::event::{Arrived, FoundBy};
use proto::{Data, Event, File, FileId, User, Version};
use rusqlite::Connection;
use store::journal::Cell;
use store::{Error, Journal, sqlite};

fn event(file: u8) -> Event {
    let now = Timestamp::now();
    let file = File {
        id: FileId::from_bytes([file; 16]),
        bucket: "landfall".to_owned(),
        key: "incoming/a.csv".to_owned(),
        version: Version::new("etag", now, None),
        size: 1,
        content_type: None,
        content_encoding: None,
        order: now,
        profile: "default".to_owned(),
    };
    let data = Data::Arrived(Arrived {
        file,
        replay: 0,
        found_by: FoundBy::Sweep,
    });
    Event::new(User::Watcher, data, now)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_cannot_be_read_is_named_and_keeps_no_other_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = sqlite::Journal::open(&path).await.unwrap();
    let (bad, good) = (event(1), event(2));
    journal.settle(&bad).await.unwrap();
    journal.settle(&good).await.unwrap();
    let raw = Connection::open(&path).unwrap();
    let newer =
        "UPDATE outcome SET event = replace(event, 'arrived.v1', 'arrived.v2') WHERE file = ?1";
    let changed = raw.execute(newer, [[1_u8; 16]]).unwrap();
    assert_eq!(changed, 1);

    for error in [
        journal.settle(&bad).await.unwrap_err(),
        journal.settled(Cell::of(&bad)).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Broken(_)), "{error}");
        let error = error.to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(error.contains("newer Landfall"), "{error}");
    }
    let later = Timestamp::MAX;
    let first = journal.unpublished(later, None, 1).await.unwrap();
    assert_eq!(first.outcomes, []);
    let rest = journal.unpublished(later, first.next, 10).await.unwrap();
    assert_eq!(rest.next, None);
    let events: Vec<Event> = rest
        .outcomes
        .into_iter()
        .map(|settled| settled.event)
        .collect();
    assert_eq!(events, [good]);
}
