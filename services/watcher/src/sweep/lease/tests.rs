use store::sqlite;
use tempfile::TempDir;

use super::*;

const SILENCE: Duration = Duration::from_millis(200);

async fn journal() -> (TempDir, Arc<dyn Journal>) {
    let folder = tempfile::tempdir().unwrap();
    let journal = sqlite::Journal::open(&folder.path().join("watcher.db"))
        .await
        .unwrap();
    (folder, Arc::new(journal))
}

fn lease(journal: &Arc<dyn Journal>, name: &str) -> Lease {
    Lease::new(Arc::clone(journal), name.to_owned(), SILENCE)
}

async fn ours(lease: &Lease) -> Held {
    match lease.take().await.unwrap() {
        Taken::Ours(held) => held,
        Taken::Done => panic!("somebody else has done it"),
    }
}

#[tokio::test]
async fn whoever_holds_it_keeps_others_out_until_it_is_given_back() {
    let (_folder, journal) = journal().await;
    let (a, b) = (lease(&journal, "a"), lease(&journal, "b"));
    let mut held = ours(&a).await;
    {
        let waits = b.take();
        tokio::select! {
            _ = waits => panic!("two hold it at once"),
            trouble = a.keep(&mut held) => panic!("{trouble}"),
            // Long enough for whoever falls silent to be succeeded.
            () = tokio::time::sleep(SILENCE * 5) => {}
        }
    }
    assert_eq!(b.finished().await.unwrap(), 0);
    a.give_back(held, true).await.unwrap();
    assert_eq!(b.finished().await.unwrap(), 1);
    let held = ours(&b).await;
    b.give_back(held, false).await.unwrap();
    // A sweep that did not come to its end does not count.
    assert_eq!(a.finished().await.unwrap(), 1);
}

#[tokio::test]
async fn a_holder_that_falls_silent_is_succeeded_and_finds_out() {
    let (_folder, journal) = journal().await;
    let (a, b) = (lease(&journal, "a"), lease(&journal, "b"));
    let mut dead = ours(&a).await;
    let began = Instant::now();
    let held = ours(&b).await;
    assert!(began.elapsed() >= SILENCE, "it was taken from the living");
    let found_out = a.keep(&mut dead).await;
    assert!(found_out.to_string().contains("another watcher"));
    // What the dead one gives back is not its own any more.
    a.give_back(dead, true).await.unwrap();
    assert_eq!(a.finished().await.unwrap(), 0);
    b.give_back(held, true).await.unwrap();
    assert_eq!(a.finished().await.unwrap(), 2);
}

#[tokio::test]
async fn a_sweep_that_began_after_the_wish_is_as_good_as_ones_own() {
    let (_folder, journal) = journal().await;
    let (a, b, c) = (
        lease(&journal, "a"),
        lease(&journal, "b"),
        lease(&journal, "c"),
    );
    let first = ours(&a).await;
    let began_before = async {
        // Both wait for the first, which began before their wish: one of them has to sweep.
        let (b_took, c_took) = tokio::join!(take_and_finish(&b), take_and_finish(&c));
        assert!(b_took != c_took, "one sweeps and the other need not");
    };
    let give_back = async {
        // The sweep goes on for a while; both have asked by then.
        tokio::time::sleep(SILENCE / 4).await;
        a.give_back(first, true).await.unwrap();
    };
    tokio::join!(began_before, give_back);
    assert_eq!(a.finished().await.unwrap(), 2);
}

/// Whether it was ours.
async fn take_and_finish(lease: &Lease) -> bool {
    match lease.take().await.unwrap() {
        Taken::Ours(held) => {
            lease.give_back(held, true).await.unwrap();
            true
        }
        Taken::Done => false,
    }
}

#[tokio::test]
async fn a_renewal_that_was_cut_off_does_not_keep_the_lease() {
    let (_folder, journal) = journal().await;
    let a = lease(&journal, "a");
    let held = ours(&a).await;
    // The renewal is written, and whoever asked for it does not hear so.
    let written = a.write(held.revision, &held.value).await.unwrap();
    assert!(written.is_some());
    a.give_back(held, true).await.unwrap();
    let began = Instant::now();
    ours(&lease(&journal, "b")).await;
    assert!(began.elapsed() < SILENCE, "it was not given back");
}
