use jiff::Timestamp;
use store::journal::Register;
use store::readings::{Query, Reading};
use store::{Journal, Readings, sqlite};

#[tokio::test(flavor = "multi_thread")]
async fn first() {
    let folder = tempfile::tempdir().unwrap();
    let journal = sqlite::Journal::open(&folder.path().join("j.db"))
        .await
        .unwrap();
    let register = Register::new("key", "a\nb");
    let created = journal.create(&register, b"one").await.unwrap();
    assert!(created.ours);
    assert!(!journal.create(&register, b"two").await.unwrap().ours);
    assert_eq!(
        journal.replace(&register, 1, b"three").await.unwrap(),
        Some(2)
    );
    assert_eq!(journal.replace(&register, 1, b"four").await.unwrap(), None);
    assert_eq!(
        journal.read(&register).await.unwrap().unwrap().value,
        b"three"
    );
    let readings = sqlite::Readings::open(&folder.path().join("r.db"))
        .await
        .unwrap();
    let file = proto::FileId::from_bytes([7; 16]);
    let rows: Vec<_> = (0..25_000)
        .map(|n| Reading {
            sensor: "s".into(),
            metric: "m".into(),
            time: Timestamp::from_second(n).unwrap(),
            value: -0.0,
            write_timestamp: 1,
        })
        .collect();
    readings.write(file, rows).await.unwrap();
    assert_eq!(readings.count(file).await.unwrap(), 25_000);
    let query = Query {
        sensor: "s".into(),
        ..Query::default()
    };
    let page = readings.page(&query, None, 10).await.unwrap();
    assert_eq!(page.len(), 10);
    assert!(page[0].value.is_sign_negative());
    let next = readings.page(&query, page.last(), 10).await.unwrap();
    assert_eq!(next[0].time, Timestamp::from_second(24_989).unwrap());
    assert_eq!(journal.forget(Timestamp::now()).await.unwrap(), 1);
}
