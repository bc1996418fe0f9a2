//! Moves of replays, on the real store: wherever the file is, one copy is left.

use mover::Mover;
use objects::archive::label;
use proto::event::{Ingested, Rejected, Replayed, Report, Stage};
use proto::{Data, Event, File, User};
use runtime::{Step, Trouble};

use crate::relay::When;
use crate::site::{Site, archived, die, ingested, labels, rejected, run, site};

pub(crate) fn again(file: &File, replay: u32, from: Stage, refused: bool) -> Event {
    let replayed = Some(Replayed {
        command: format!("{}/{replay}/operator/0000000000000007", file.id),
        from,
        by: "mara".to_owned(),
        why: None,
    });
    let (file, report) = (file.clone(), Report::default());
    let data = match refused {
        false => Data::Ingested(Ingested {
            file,
            replay,
            report,
            replayed,
        }),
        true => Data::Rejected(Rejected {
            file,
            replay,
            reason: "no header".to_owned(),
            report,
            replayed,
        }),
    };
    Event::new(User::Ingest, data, jiff::Timestamp::UNIX_EPOCH)
}

/// One copy, of this replay, with the file's bytes.
async fn check(site: &Site, file: &File, key: &str, replay: &str, case: &str) {
    assert_eq!(site.keys(&site.bucket).await, [key], "{case}");
    let seen = site.seen(&site.bucket, key).await.unwrap();
    assert_eq!(seen.bytes, b"the file", "{case}");
    assert_eq!(seen.metadata[label::REPLAY], replay, "{case}");
    assert_eq!(seen.metadata[label::FILE_ID], file.id.to_string(), "{case}");
    assert_eq!(seen.metadata[label::KEY], file.key, "{case}");
}

#[tokio::test]
async fn a_copy_is_copied_over_in_its_place_or_goes_to_where_the_replay_is_filed() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    run(&mover, &ingested(&file)).await.unwrap();
    let at = "processed/in/a.csv";
    let moved = run(&mover, &again(&file, 1, Stage::Move, false))
        .await
        .unwrap();
    assert_eq!((archived(&moved), moved.replay), (at, 1));
    check(&site, &file, at, "1", "in its place").await;
    let at = "rejected/in/a.csv";
    let moved = run(&mover, &again(&file, 2, Stage::Ingest, true))
        .await
        .unwrap();
    assert_eq!(archived(&moved), at);
    assert_eq!(moved.replayed.unwrap().by, "mara");
    check(&site, &file, at, "2", "elsewhere").await;
    // A message of the first way that comes late touches nothing.
    let first = site.mover().await;
    let late = Data::Moved(run(&first, &rejected(&file, "late")).await.unwrap());
    let late = Event::new(User::Mover, late, jiff::Timestamp::UNIX_EPOCH);
    first.stored(&late, None).await.unwrap();
    check(&site, &file, at, "2", "beside a late message").await;
}

#[tokio::test]
async fn whichever_request_a_replay_dies_at_one_copy_is_left() {
    let site = site().await;
    let mover = site.mover().await;
    // Whether the bytes are at the source, and where copies of the first way are.
    for (case, (upload, copies)) in [
        (true, &[][..]),
        (true, &["processed/"]),
        (false, &["processed/"]),
        (false, &["rejected/"]),
        (true, &["processed/", "rejected/"]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut over = false;
        for number in 1.. {
            for when in [When::Before, When::After] {
                let case = format!("{case}-{number}-{when:?}");
                over |= dies_at(&site, &mover, upload, copies, (number, when), &case).await;
            }
            if over {
                assert!(number > 5, "{number} requests");
                break;
            }
        }
    }
}

/// A replay's mover dies at a request, and the next one finishes; whether it had come to its end.
async fn dies_at(
    site: &Site,
    mover: &Mover,
    upload: bool,
    copies: &[&str],
    (number, when): (usize, When),
    case: &str,
) -> bool {
    let key = format!("in/{case}.csv");
    let file = site.upload(&key, "the file").await;
    for shelf in copies {
        let at = format!("{shelf}{key}");
        site.put_labelled(&site.bucket, &at, "the file", &labels(&file))
            .await;
    }
    if !upload {
        site.delete(&key).await;
    }
    let event = again(&file, 1, Stage::Ingest, false);
    let mut held = site.relay.hold(number, when);
    let over = tokio::select! {
        moved = run(mover, &event) => moved.is_ok(),
        () = held.reached() => false,
    };
    drop(held);
    let at = format!("processed/{key}");
    let moved = run(mover, &event).await.unwrap();
    assert_eq!(archived(&moved), at, "{case}");
    let mut keys = site.keys(&site.bucket).await;
    keys.retain(|found| found.ends_with(&key));
    assert_eq!(keys, [&*at], "{case}");
    let seen = site.seen(&site.bucket, &at).await.unwrap();
    assert_eq!(seen.bytes, b"the file", "{case}");
    assert_eq!(seen.metadata[label::REPLAY], "1", "{case}");
    over
}

#[tokio::test]
async fn without_any_copy_it_is_given_up_on_and_says_where_it_looked() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    site.delete("in/a.csv").await;
    // Somebody else's.
    site.put("processed/in/a.csv", "the file").await;
    let lost = run(&mover, &again(&file, 1, Stage::Ingest, true)).await;
    let Err(Trouble::Reject { reason }) = lost else {
        panic!("{lost:?}")
    };
    assert!(reason.contains("no copy of \"in/a.csv\""), "{reason}");
    assert!(reason.contains("processed/in/a.csv"), "{reason}");
    assert_eq!(site.keys(&site.bucket).await, ["processed/in/a.csv"]);
}

#[tokio::test]
async fn what_another_has_taken_is_left_and_the_tagged_name_is_taken() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    run(&mover, &ingested(&file)).await.unwrap();
    let other = site.upload("in/a.csv", "another").await;
    run(&mover, &rejected(&other, "no header")).await.unwrap();
    let moved = run(&mover, &again(&file, 1, Stage::Ingest, true))
        .await
        .unwrap();
    let tagged = format!("rejected/in/a.csv~{}", file.id.short());
    assert_eq!(archived(&moved), tagged);
    let mut keys = vec!["rejected/in/a.csv".to_owned(), tagged];
    keys.sort();
    assert_eq!(site.keys(&site.bucket).await, keys);
}

#[tokio::test]
async fn a_replay_that_only_tells_takes_over_what_was_settled() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let told = again(&file, 1, Stage::Notify, false);
    assert!(matches!(
        run(&mover, &told).await,
        Err(Trouble::Reject { .. })
    ));
    let first = run(&mover, &ingested(&file)).await.unwrap();
    let event = Event::new(
        User::Mover,
        Data::Moved(first.clone()),
        jiff::Timestamp::UNIX_EPOCH,
    );
    site.journal.settle(&event).await.unwrap();
    site.relay.count();
    let moved = run(&mover, &told).await.unwrap();
    assert_eq!(site.relay.requests(), Vec::<String>::new());
    assert_eq!(moved.destination, first.destination);
    assert_eq!(moved.replay, 1);
    check(&site, &file, "processed/in/a.csv", "0", "untouched").await;
}

#[tokio::test]
async fn a_late_move_of_the_first_way_beside_a_replay_loses_nothing() {
    let site = site().await;
    let (late, mover) = (site.mover().await, site.mover().await);
    let file = site.upload("in/a.csv", "the file").await;
    // The first way's mover is given up on, alive, with its copy made and the source there.
    let mut held = site.relay.hold(3, When::After);
    die(&late, &ingested(&file), &mut held).await;
    let event = again(&file, 1, Stage::Ingest, true);
    let moved = run(&mover, &event).await.unwrap();
    assert_eq!(archived(&moved), "rejected/in/a.csv");
    held.go();
    check(&site, &file, "rejected/in/a.csv", "1", "beside").await;
}
