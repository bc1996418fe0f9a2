//! Who gets in, and may do what.

use std::sync::Arc;

use conformance::journal::event;
use jiff::Timestamp;
use proto::{FileId, User};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use runtime::Trouble;
use runtime::config::secret::Secret;
use store::cql::rights;
use store::journal::{Cell, Register};
use store::readings::{Query, Reading};
use store::{Error, Journal};

use crate::nodes::nodes;

const SERVICES: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

fn file(number: u8) -> FileId {
    FileId::from_bytes([number; 16])
}

fn reading() -> Reading {
    Reading {
        sensor: "rights".into(),
        metric: "value".into(),
        time: Timestamp::UNIX_EPOCH,
        value: 1.0,
        write_timestamp: 1,
    }
}

/// Everything that a journal is asked to do.
async fn keep(journal: &Arc<dyn Journal>) {
    let (event, register) = (event(1, 0, ""), Register::new("mail", "a".to_owned()));
    let cell = Cell::of(&event);
    journal.settle(&event).await.unwrap();
    let unpublished = journal.unpublished(Timestamp::MAX, None, 10).await;
    assert_eq!(unpublished.unwrap().outcomes.len(), 1);
    journal.mark_published(cell, 1).await.unwrap();
    assert_eq!(journal.unmark(Timestamp::UNIX_EPOCH, 0).await.unwrap(), 1);
    journal.mark_published(cell, 1).await.unwrap();
    let due = Some(Timestamp::UNIX_EPOCH);
    assert!(journal.create_due(&register, b"1", due).await.unwrap().ours);
    let overdue = journal.overdue("mail", Timestamp::MAX, None, 10).await;
    assert_eq!(overdue.unwrap().len(), 1);
    let replaced = journal.replace_due(&register, 1, b"2", None).await;
    assert_eq!(replaced.unwrap(), Some(2));
    journal.renew(&[cell], &[register]).await.unwrap();
    assert_eq!(journal.forget(Timestamp::MAX).await.unwrap(), 2);
}

/// What it says that stands in the way.
fn refused<T>(answer: Result<T, Error>) -> String {
    match answer {
        Ok(_) => panic!("it was done"),
        Err(Error::Away { reason, .. }) => one_line(reason),
        Err(error) => panic!("it is broken: {error}"),
    }
}

fn one_line(text: String) -> String {
    assert!(!text.contains('\n'), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_has_the_right_to_what_it_does_and_to_no_other_journal() {
    let nodes = nodes().await.read().await;
    let does_its_work = async |user: User| {
        let store = nodes.settings.config(user.name()).store;
        keep(&runtime::journal(&store, user).await.unwrap()).await;
        for other in SERVICES.into_iter().filter(|other| *other != user) {
            let journal = runtime::journal(&store, other).await.unwrap();
            let event = event(2, 0, "");
            let read = refused(journal.settled(Cell::of(&event)).await);
            assert!(read.contains(&format!("landfall_{user}")), "{read}");
            assert!(read.contains("SELECT"), "{read}");
            let written = refused(journal.settle(&event).await);
            assert!(written.contains("MODIFY"), "{written}");
            let table = format!("landfall_journal.{other}_");
            assert!(written.contains(&table), "{written}");
        }
    };
    futures::future::join_all(SERVICES.map(does_its_work)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_right_can_be_tried_and_what_is_missing_is_what_to_grant() {
    let nodes = nodes().await.read().await;
    let missing = async |role: User, user: User| {
        let cql = nodes.settings.config(role.name()).store.cql;
        let access = runtime::access(&cql).unwrap();
        let missing = rights::missing(&access, &cql.plan(), user).await.unwrap();
        let missing = missing.into_iter();
        missing
            .map(|(grant, said)| (grant.to_string(), one_line(said)))
            .collect::<Vec<_>>()
    };
    for user in SERVICES.into_iter().chain([User::Operator]) {
        assert_eq!(missing(user, user).await, [], "{user}");
    }
    let grants: Vec<String> = missing(User::Operator, User::Ingest)
        .await
        .into_iter()
        .map(|(grant, said)| {
            assert!(said.contains("landfall_operator"), "{said}");
            grant
        })
        .collect();
    let tables = ["outcomes", "registers", "agenda"].into_iter();
    let modify = tables.map(|table| format!("MODIFY ON landfall_journal.ingest_{table}"));
    let modify = modify.chain(["MODIFY ON KEYSPACE landfall".to_owned()]);
    assert_eq!(grants, modify.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_alone_writes_readings_and_people_read_everything() {
    let nodes = nodes().await.read().await;
    let of = async |role| {
        let store = nodes.settings.config(role).store;
        runtime::readings(&store).await.unwrap()
    };
    let query = Query {
        sensor: "rights".to_owned(),
        ..Query::default()
    };
    let ingest = of("ingest").await;
    for number in 1..=2 {
        ingest.write(file(number), vec![reading()]).await.unwrap();
    }
    assert_eq!(ingest.count(file(2)).await.unwrap(), 1);
    for role in ["watcher", "mover", "notifier"] {
        let readings = of(role).await;
        let read = refused(readings.page(&query, None, 10).await);
        assert!(read.contains(&format!("landfall_{role}")), "{read}");
        let written = refused(readings.write(file(3), vec![reading()]).await);
        assert!(
            written.contains("landfall.buckets") || written.contains("landfall.files"),
            "{written}"
        );
    }
    let operator = of("operator").await;
    assert_eq!(operator.page(&query, None, 10).await.unwrap().len(), 1);
    assert_eq!(operator.sensors("rights", 1).await.unwrap(), ["rights"]);
    assert_eq!(operator.series("rights").await.unwrap().len(), 1);
    refused(operator.write(file(3), vec![reading()]).await);
    refused(operator.retract(file(2), i64::MAX).await);
    let store = nodes.settings.config("operator").store;
    for user in SERVICES {
        let journal = runtime::journal(&store, user).await.unwrap();
        let event = event(3, 0, "");
        assert_eq!(journal.settled(Cell::of(&event)).await.unwrap(), None);
        let register = Register::new("mail", "b".to_owned());
        assert_eq!(journal.read(&register).await.unwrap(), None);
        refused(journal.settle(&event).await);
        refused(journal.create_due(&register, b"1", None).await);
    }
    assert_eq!(ingest.retract(file(2), i64::MAX).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_get_in_is_told_which_setting_to_mend() {
    let nodes = nodes().await.read().await;
    let stranger = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let CertifiedKey { cert, .. } = stranger;
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, cert.pem()).unwrap();
    let told = async |change: &dyn Fn(&mut runtime::config::store::Cql)| {
        let mut store = nodes.settings.config("mover").store;
        change(&mut store.cql);
        match runtime::journal(&store, User::Mover).await {
            Err(Trouble::Outage { reason, .. }) => one_line(reason),
            Err(trouble) => panic!("{trouble:?}"),
            Ok(_) => panic!("it got in"),
        }
    };
    let wrong = told(&|cql| cql.password = Some(Secret::new("wrong"))).await;
    assert!(wrong.contains("landfall_mover"), "{wrong}");
    assert!(wrong.contains("`store.cql.password`"), "{wrong}");
    let nobody = told(&|cql| (cql.user, cql.password) = (None, None)).await;
    assert!(nobody.contains("set `store.cql.user`"), "{nobody}");
    let plain = told(&|cql| (cql.tls, cql.ca_file) = (false, None)).await;
    assert!(plain.contains("`store.cql.tls = true`"), "{plain}");
    let stranger = told(&|cql| cql.ca_file = Some(other.clone())).await;
    assert!(stranger.contains("`store.cql.ca_file`"), "{stranger}");
    let public = told(&|cql| cql.ca_file = None).await;
    assert!(public.contains("`store.cql.ca_file`"), "{public}");
}
