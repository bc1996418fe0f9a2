//! What the registers of a journal must do.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;

use super::Stores;
use super::journal::{TASKS, unwrapped};
use store::Journal;
use store::journal::{Overdue, Register};

/// 50 tasks at two openings.
pub async fn of_many_values_created_in_a_register_one_stays_and_everyone_reads_it(
    stores: &impl Stores,
) {
    let replicas = [stores.journal().await, stores.journal().await];
    for round in 0..10 {
        let register = Register::new("destination", format!("processed/{round}"));
        let tasks = (0..TASKS).map(|task| {
            let journal = Arc::clone(&replicas[usize::from(task.is_multiple_of(2))]);
            let register = register.clone();
            tokio::spawn(async move {
                let value = task.to_be_bytes();
                let created = journal.create(&register, &value).await.unwrap();
                assert!(!created.ours || created.entry.value == value);
                created
            })
        });
        let answers = unwrapped(join_all(tasks).await);
        assert_eq!(answers.iter().filter(|created| created.ours).count(), 1);
        let winner = &answers[0].entry;
        assert!(answers.iter().all(|created| created.entry == *winner));
        assert_eq!(winner.revision, 1);
        for journal in &replicas {
            let read = journal.read(&register).await.unwrap();
            assert_eq!(read.as_ref(), Some(winner));
        }
    }
}

/// 20 tasks at two openings add themselves to one register until all are in it.
pub async fn each_revision_of_a_register_is_replaced_once(stores: &impl Stores) {
    let replicas = [stores.journal().await, stores.journal().await];
    let register = Register::new("key", "incoming/a.csv");
    replicas[0].create(&register, &[]).await.unwrap();
    let tasks = (0..20).map(|task: u8| {
        let journal = Arc::clone(&replicas[usize::from(task.is_multiple_of(2))]);
        let register = register.clone();
        tokio::spawn(async move {
            loop {
                let read = journal.read(&register).await.unwrap().unwrap();
                let mut value = read.value;
                value.push(task);
                let replaced = journal.replace(&register, read.revision, &value).await;
                if let Some(revision) = replaced.unwrap() {
                    assert_eq!(revision, read.revision + 1);
                    return revision;
                }
            }
        })
    });
    let revisions: BTreeSet<u64> = unwrapped(join_all(tasks).await).into_iter().collect();
    assert_eq!(
        revisions,
        (2..=21).collect(),
        "each revision has one writer"
    );
    let read = replicas[1].read(&register).await.unwrap().unwrap();
    assert_eq!(read.revision, 21);
    let tasks: BTreeSet<u8> = read.value.iter().copied().collect();
    assert_eq!((read.value.len(), tasks), (20, (0..20).collect()));
}

/// Nor one that has another revision.
pub async fn a_register_that_is_not_there_is_not_replaced(stores: &impl Stores) {
    let journal = stores.journal().await;
    let register = Register::new("key", "a");
    for revision in [0, 1, 7] {
        let replaced = journal.replace(&register, revision, b"x").await.unwrap();
        assert_eq!(replaced, None);
    }
    assert_eq!(journal.read(&register).await.unwrap(), None);
    journal.create(&register, b"first").await.unwrap();
    for revision in [0, 2] {
        let replaced = journal.replace(&register, revision, b"x").await.unwrap();
        assert_eq!(replaced, None);
    }
    let read = journal.read(&register).await.unwrap().unwrap();
    assert_eq!((read.value.as_slice(), read.revision), (&b"first"[..], 1));
}

/// Each of these is another register.
pub async fn registers_have_any_name(stores: &impl Stores) {
    let journal = stores.journal().await;
    let long = "ä".repeat(512);
    let names = [
        "a",
        "A",
        "a ",
        " a",
        "a\n",
        "a\r\n",
        "a\0",
        "a\0b",
        "ä",
        "a\u{308}",
        "%",
        "_",
        "*",
        "'",
        "\"",
        "\\",
        "\u{1F980}",
        "\u{FFFD}",
        "../a",
        "/",
        "NULL",
        "0",
        "00",
        &long,
        &long[2..],
    ];
    for (kind, names) in [("key", &names[..]), ("mail", &names[..])] {
        for name in names {
            let value = format!("{kind}/{name}");
            let created = journal
                .create(&Register::new(kind, *name), value.as_bytes())
                .await;
            assert!(created.unwrap().ours, "{kind} {name:?}");
        }
    }
    for kind in ["key", "mail"] {
        for name in names {
            let read = journal.read(&Register::new(kind, name)).await.unwrap();
            assert_eq!(read.unwrap().value, format!("{kind}/{name}").into_bytes());
        }
    }
}

/// Empty, every byte, a mebibyte.
pub async fn registers_hold_any_value(stores: &impl Stores) {
    let journal = stores.journal().await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let values = [
        vec![],
        vec![0],
        every_byte.clone(),
        every_byte.repeat(4_096),
    ];
    let register = Register::new("decision", "1");
    journal.create(&register, &values[3]).await.unwrap();
    for (revision, value) in (1..).zip(&values) {
        journal.replace(&register, revision, value).await.unwrap();
        let read = journal.read(&register).await.unwrap().unwrap();
        assert!(read.value == *value, "{} bytes", value.len());
        assert_eq!(read.revision, revision + 1);
    }
    for (number, value) in values.iter().enumerate() {
        let register = Register::new("decision", format!("value {number}"));
        let created = journal.create(&register, value).await.unwrap();
        assert!(created.entry.value == *value);
        assert!(journal.read(&register).await.unwrap().unwrap().value == *value);
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The names of what is overdue, and when it was due.
async fn overdue(journal: &Arc<dyn Journal>, before: i64) -> Vec<(String, Timestamp)> {
    let found = journal.overdue("mail", second(before), None, 100).await;
    let found = found.unwrap().into_iter();
    found
        .map(|found| (found.register.name, found.due))
        .collect()
}

/// By time, at both openings; not what has no time, nor another kind.
pub async fn what_is_overdue_is_named_in_its_order_until_it_is_written_again(stores: &impl Stores) {
    let replicas = [stores.journal().await, stores.journal().await];
    let [journal, other] = &replicas;
    let mail = |name: &str| Register::new("mail", name);
    for (name, due) in [("late", 30), ("early", 10), ("b", 20), ("a", 20)] {
        let due = Some(second(due));
        journal.create_due(&mail(name), b"1", due).await.unwrap();
    }
    journal.create(&mail("never"), b"1").await.unwrap();
    let key = Register::new("key", "early");
    journal
        .create_due(&key, b"1", Some(second(10)))
        .await
        .unwrap();
    let named = |names: &[(&str, i64)]| -> Vec<(String, Timestamp)> {
        let names = names.iter();
        names
            .map(|(name, due)| ((*name).to_owned(), second(*due)))
            .collect()
    };
    for journal in &replicas {
        assert_eq!(overdue(journal, 10).await, []);
        assert_eq!(
            overdue(journal, 30).await,
            named(&[("early", 10), ("a", 20), ("b", 20)])
        );
    }
    // Who comes second changes nothing.
    let (early, sooner) = (mail("early"), Some(second(1)));
    let again = other.create_due(&early, b"2", sooner).await.unwrap();
    assert!(!again.ours);
    let lost = other.replace_due(&early, 7, b"2", sooner).await.unwrap();
    assert_eq!(lost, None);
    // Whoever writes it says when it is due from then on.
    other.replace(&mail("a"), 1, b"2").await.unwrap();
    let later = Some(second(40));
    other
        .replace_due(&mail("early"), 1, b"2", later)
        .await
        .unwrap();
    other
        .replace_due(&mail("never"), 1, b"2", Some(second(5)))
        .await
        .unwrap();
    for journal in &replicas {
        assert_eq!(
            overdue(journal, 41).await,
            named(&[("never", 5), ("b", 20), ("late", 30), ("early", 40)])
        );
    }
    let found = journal.overdue("mail", second(41), None, 1).await.unwrap();
    assert_eq!(
        (found[0].entry.value.as_slice(), found[0].entry.revision),
        (&b"2"[..], 2)
    );
}

/// 25 of which several share a time, by sevens.
pub async fn of_many_that_are_overdue_each_is_on_one_page(stores: &impl Stores) {
    let journal = stores.journal().await;
    let mut expected = vec![];
    for number in 0..25 {
        let register = Register::new("mail", format!("{number:02}"));
        let due = second(number / 10);
        journal.create_due(&register, &[], Some(due)).await.unwrap();
        expected.push((register, due));
    }
    let mut found: Vec<Overdue> = vec![];
    loop {
        let page = journal.overdue("mail", second(9), found.last(), 7).await;
        let page = page.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 7);
        found.extend(page);
    }
    let found: Vec<(Register, Timestamp)> = found
        .into_iter()
        .map(|found| (found.register, found.due))
        .collect();
    assert_eq!(found, expected);
}
