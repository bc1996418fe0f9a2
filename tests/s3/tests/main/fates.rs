//! What a client sees of each fate, and what was done.

use std::collections::BTreeMap;

use faulty_s3::{Fate, Flavour, Held, Operation, Refusal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::client::{bytes, client, put, refused, server};

/// Lets the next request meet its fate.
async fn next(held: &mut UnboundedReceiver<Held>, fate: Fate) -> Operation {
    let held = held.recv().await.unwrap();
    let operation = held.call().operation;
    held.meet(fate);
    operation
}

#[tokio::test]
async fn a_refused_request_is_not_done_and_answered_so() {
    let (server, s3) = server(Flavour::Aws).await;
    let mut held = server.hold(&["tester"]);
    for (refusal, status) in [
        (Refusal::SlowDown, 503),
        (Refusal::InternalError, 500),
        (Refusal::ConditionalRequestConflict, 409),
        (Refusal::PreconditionFailed, 412),
    ] {
        let put = s3.put_object().bucket("b").key("k").send();
        let (put, operation) = tokio::join!(put, next(&mut held, Fate::Refused(refusal)));
        assert_eq!(refused(&put), status);
        assert_eq!(operation, Operation::PutObject);
    }
    assert_eq!(server.store().lying().count(), 0);
}

#[tokio::test]
async fn a_connection_is_cut_before_a_request_is_done_or_after_it() {
    let (server, s3) = server(Flavour::Aws).await;
    let mut held = server.hold(&["tester"]);
    for (fate, objects) in [(Fate::Cut, 0), (Fate::DoneAndCut, 1)] {
        let put = s3.put_object().bucket("b").key("k").send();
        let (put, _) = tokio::join!(put, next(&mut held, fate));
        assert!(put.unwrap_err().raw_response().is_none());
        assert_eq!(server.store().lying().count(), objects);
    }
}

#[tokio::test]
async fn an_error_within_a_success_is_seen_whether_or_not_the_copy_was_done() {
    let (server, s3) = server(Flavour::Aws).await;
    put(&s3, "b", "k", "bytes").await;
    let mut held = server.hold(&["tester"]);
    for (done, objects) in [(false, 1), (true, 2)] {
        let copy = s3.copy_object().bucket("b").key("l").copy_source("b/k");
        let fate = Fate::ErrorWithin { done };
        let (copy, _) = tokio::join!(copy.send(), next(&mut held, fate));
        assert_eq!(refused(&copy), 200);
        assert_eq!(server.store().lying().count(), objects);
    }
}

#[tokio::test]
async fn a_copy_reads_at_one_moment_and_writes_at_a_later_one() {
    let (server, s3) = server(Flavour::Aws).await;
    put(&s3, "b", "k", "one").await;
    let mut held = server.hold(&["tester"]);
    let copy = s3.copy_object().bucket("b").key("l").copy_source("b/k");
    let acting = async {
        let mut held = held.recv().await.unwrap();
        held.read();
        let two = server.store().put("b", "k", "two", BTreeMap::new());
        assert!(two.is_some());
        held.meet(Fate::Done);
    };
    let (copy, ()) = tokio::join!(copy.send(), acting);
    copy.unwrap();
    let other = client(server.endpoint(), "somebody else", "secret");
    assert_eq!(bytes(&other, "b", "l").await.unwrap(), b"one");
}

#[tokio::test]
async fn only_those_who_are_held_wait_and_their_requests_outlive_them() {
    let (server, s3) = server(Flavour::Aws).await;
    let mut held = server.hold(&["tester"]);
    let left = {
        let put = s3.put_object().bucket("b").key("k").send();
        tokio::select! {
            _ = put => panic!("it waits"),
            held = held.recv() => held.unwrap(),
        }
    };
    let other = client(server.endpoint(), "somebody else", "secret");
    put(&other, "b", "l", "bytes").await;
    assert_eq!(left.call().who, "tester");
    left.meet(Fate::Done);
    assert!(bytes(&other, "b", "k").await.is_some());
}
