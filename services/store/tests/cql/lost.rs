//! Whichever request is lost, or answer to one, in the middle of whatever the journal does: it
//! does it, and says what became of it.

mod deaths;

use std::sync::Arc;

use conformance::journal::event;
use faulty_cql::{Loss, Proxy};
use jiff::Timestamp;
use store::Journal;
use store::journal::{Cell, Register};

use crate::keyspaces::Keyspaces;
use crate::server;

/// Does something again and again, each time losing the next of its executions, until it has none
/// that was not lost once; and looks at it each time when nothing is lost any more.
async fn losing_each<A, C>(proxy: &Proxy, act: impl Fn(u64) -> A, check: impl Fn(u64) -> C)
where
    A: Future<Output = ()>,
    C: Future<Output = ()>,
{
    let mut number = 0;
    for loss in [Loss::Request, Loss::Answer] {
        for passed in 0.. {
            proxy.lose(passed, loss);
            act(number).await;
            let lost = proxy.heal();
            check(number).await;
            number += 1;
            if !lost {
                // So many executions, and no more.
                assert!(passed > 5, "nothing was lost");
                break;
            }
        }
    }
}

async fn journal() -> (Proxy, Arc<dyn Journal>) {
    let server = server::access_for_wires().await;
    let proxy = Proxy::start(&server.nodes[0]).await.unwrap();
    let keyspaces = Keyspaces::new();
    keyspaces.journal(&server).await;
    let journal = keyspaces
        .journal(&server::access_to(&proxy.address.to_string()))
        .await;
    (proxy, journal)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_register_is_written_once_and_by_whoever_is_told_so() {
    let (proxy, journal) = journal().await;
    let journal = &journal;
    let register = |number: u64| Register::new("mail", number.to_string());
    let due = Some(Timestamp::from_second(10).unwrap());
    let act = |number| async move {
        let register = register(number);
        let created = journal.create_due(&register, b"1", due).await.unwrap();
        assert!(created.ours, "{number}");
        let second = journal.create_due(&register, b"2", due).await.unwrap();
        assert!(!second.ours, "{number}");
        assert_eq!(second.entry, created.entry);
        let replaced = journal.replace_due(&register, 1, b"3", due).await;
        assert_eq!(replaced.unwrap(), Some(2), "{number}");
        let late = journal.replace_due(&register, 1, b"4", due).await;
        assert_eq!(late.unwrap(), None, "{number}");
    };
    let check = |number| async move {
        let register = register(number);
        let read = journal.read(&register).await.unwrap().unwrap();
        assert_eq!((&read.value[..], read.revision), (&b"3"[..], 2));
        let overdue = journal.overdue("mail", Timestamp::MAX, None, 10).await;
        let overdue = overdue.unwrap();
        assert_eq!(overdue.len(), 1, "{number}");
        assert_eq!(
            (&overdue[0].register, &overdue[0].entry),
            (&register, &read)
        );
        journal.replace(&register, 2, b"5").await.unwrap().unwrap();
        let overdue = journal.overdue("mail", Timestamp::MAX, None, 10).await;
        assert_eq!(overdue.unwrap(), []);
    };
    losing_each(&proxy, act, check).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_settled_and_marked_once() {
    let (proxy, journal) = journal().await;
    let journal = &journal;
    let cell = |number| Cell::of(&event(number, 0, ""));
    let unpublished = async || {
        let page = journal.unpublished(Timestamp::MAX, None, 10).await;
        let outcomes = page.unwrap().outcomes.into_iter();
        outcomes.map(|settled| settled.event).collect::<Vec<_>>()
    };
    let act = |number| async move {
        let first = event(number, 0, "first");
        assert_eq!(journal.settle(&first).await.unwrap().event, first);
        let second = event(number, 0, "second");
        assert_eq!(journal.settle(&second).await.unwrap().event, first);
        let marked = journal.mark_published(cell(number), number + 1);
        marked.await.unwrap();
        let again = journal.mark_published(cell(number), number + 2);
        again.await.unwrap();
    };
    let check = async |number| {
        let settled = journal.settled(cell(number)).await.unwrap().unwrap();
        assert_eq!(settled.published, Some(number + 1));
        assert_eq!(unpublished().await, []);
        let unmarked = journal.unmark(Timestamp::UNIX_EPOCH, number).await;
        assert_eq!(unmarked.unwrap(), 1, "{number}");
        assert_eq!(unpublished().await, [settled.event]);
        let marked = journal.mark_published(cell(number), number + 1);
        marked.await.unwrap();
        assert_eq!(unpublished().await, []);
    };
    losing_each(&proxy, act, check).await;
}
