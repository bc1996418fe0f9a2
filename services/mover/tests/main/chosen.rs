//! What is left where it is, or deleted, by choice.

use mover::Mover;
use proto::event::{MoveOutcome, Stage};
use proto::{Data, Event, User};
use runtime::config::Profile;
use runtime::config::mover::{After, Own};
use runtime::{Step, Trouble};

use crate::relay::When;
use crate::replays::again;
use crate::site::{Site, archived, die, ingested, labels, rejected, run, site};

async fn set(after: After) -> Site {
    let mut site = site().await;
    site.config.mover.after = after;
    site
}

#[tokio::test]
async fn a_file_is_left_where_it_is_with_one_request() {
    let site = set(After::Leave).await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    for event in [ingested(&file), rejected(&file, "no header")] {
        site.relay.count();
        let moved = run(&mover, &event).await.unwrap();
        assert_eq!(moved.outcome, MoveOutcome::Left);
        assert_eq!(moved.destination, None);
        let looked = format!("HEAD /{}/in/a.csv", site.bucket);
        assert_eq!(site.relay.requests(), [looked]);
    }
    assert_eq!(site.keys(&site.bucket).await, ["in/a.csv"]);
}

#[tokio::test]
async fn nothing_is_tried_on_a_store_where_everything_is_left() {
    let site = set(After::Leave).await;
    site.relay.count();
    site.mover().await;
    assert_eq!(site.relay.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn what_somebody_else_did_to_a_file_that_is_left_is_said() {
    let site = set(After::Leave).await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "one").await;
    site.put("in/a.csv", "two").await;
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(moved.outcome, MoveOutcome::Replaced);
    site.delete("in/a.csv").await;
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(moved.outcome, MoveOutcome::Gone);
}

#[tokio::test]
async fn a_file_is_deleted_with_two_requests() {
    let site = set(After::Delete).await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    site.relay.count();
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(moved.outcome, MoveOutcome::Deleted);
    assert_eq!(moved.destination, None);
    let bucket = &site.bucket;
    assert_eq!(
        site.relay.requests(),
        [
            format!("HEAD /{bucket}/in/a.csv"),
            format!("DELETE /{bucket}/in/a.csv?x-id=DeleteObject"),
        ]
    );
    assert_eq!(site.keys(bucket).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_rejected_is_in_no_database_and_is_moved() {
    let site = set(After::Delete).await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "").await;
    let moved = run(&mover, &rejected(&file, "no header")).await.unwrap();
    assert_eq!(archived(&moved), "rejected/in/a.csv");
}

/// Whoever dies after any request of a deletion, or just before it, comes to the same.
#[tokio::test]
async fn a_deletion_that_was_begun_ends_as_one() {
    for (request, when) in [
        (1, When::Before),
        (1, When::After),
        (2, When::Before),
        (2, When::After),
    ] {
        let site = set(After::Delete).await;
        let mover = site.mover().await;
        let file = site.upload("in/a.csv", "the file").await;
        let event = ingested(&file);
        let mut held = site.relay.hold(request, when);
        die(&mover, &event, &mut held).await;
        site.relay.count();
        let moved = run(&mover, &event).await.unwrap();
        assert_eq!(moved.outcome, MoveOutcome::Deleted, "{request} {when:?}");
        assert_eq!(site.keys(&site.bucket).await, Vec::<String>::new());
        // Somebody uploads the key again: that is another file, and nobody's to delete.
        site.put("in/a.csv", "the next").await;
        let again = run(&mover, &event).await.unwrap();
        assert_eq!(again, moved);
        assert_eq!(site.bytes("in/a.csv").await.as_deref(), Some("the next"));
    }
}

#[tokio::test]
async fn of_two_who_delete_a_file_neither_says_that_somebody_else_did() {
    let site = set(After::Delete).await;
    let (slow, fast) = (site.mover().await, site.mover().await);
    let file = site.upload("in/a.csv", "the file").await;
    let event = ingested(&file);
    // The slow one looks when the other is done.
    let mut held = site.relay.hold(1, When::Before);
    let (late, early) = tokio::join!(run(&slow, &event), async {
        held.reached().await;
        let early = run(&fast, &event).await;
        held.go();
        early
    });
    assert_eq!(early.unwrap().outcome, MoveOutcome::Deleted);
    assert_eq!(late.unwrap().outcome, MoveOutcome::Deleted);
}

#[tokio::test]
async fn an_upload_between_the_look_and_the_delete_is_not_touched() {
    let site = set(After::Delete).await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "one").await;
    let event = ingested(&file);
    let mut held = site.relay.hold(2, When::Before);
    let (moved, ()) = tokio::join!(run(&mover, &event), async {
        held.reached().await;
        site.put("in/a.csv", "two").await;
        held.go();
    });
    // The version that was processed is gone either way.
    assert_eq!(moved.unwrap().outcome, MoveOutcome::Deleted);
    assert_eq!(site.bytes("in/a.csv").await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_file_that_was_gone_before_was_not_deleted_by_landfall() {
    let site = set(After::Delete).await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "one").await;
    site.delete("in/a.csv").await;
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(moved.outcome, MoveOutcome::Gone);
    let file = site.upload("in/b.csv", "one").await;
    site.put("in/b.csv", "two").await;
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(moved.outcome, MoveOutcome::Replaced);
    assert_eq!(site.bytes("in/b.csv").await.as_deref(), Some("two"));
}

#[tokio::test]
async fn in_a_versioned_bucket_exactly_the_processed_version_goes() {
    let site = set(After::Delete).await;
    site.version_bucket(&site.bucket).await;
    let mover = site.mover().await;
    let one = site.upload("in/a.csv", "one").await;
    site.put("in/a.csv", "two").await;
    let moved = run(&mover, &ingested(&one)).await.unwrap();
    assert_eq!(moved.outcome, MoveOutcome::Deleted);
    assert_eq!(site.bytes("in/a.csv").await.as_deref(), Some("two"));
    let versions = site.s3.list_object_versions().bucket(&site.bucket);
    let versions = versions.send().await.unwrap();
    assert_eq!(versions.versions().len(), 1);
    assert_eq!(versions.delete_markers().len(), 0);
}

#[tokio::test]
async fn the_first_try_chooses_whatever_is_set_by_then() {
    let mut site = set(After::Leave).await;
    let file = site.upload("in/a.csv", "the file").await;
    let event = ingested(&file);
    run(&*site.mover().await, &event).await.unwrap();
    site.config.mover.after = After::Delete;
    let moved = run(&*site.mover().await, &event).await.unwrap();
    assert_eq!(moved.outcome, MoveOutcome::Left);
    assert_eq!(site.keys(&site.bucket).await, ["in/a.csv"]);
}

#[tokio::test]
async fn a_replay_of_a_file_that_was_left_leaves_it_and_one_of_a_copy_files_that() {
    let mut site = site().await;
    let moving = site.mover().await;
    site.config.mover.after = After::Leave;
    let leaving = site.mover().await;

    let left = site.upload("in/left.csv", "left").await;
    run(&leaving, &ingested(&left)).await.unwrap();
    let moved = run(&leaving, &again(&left, 1, Stage::Ingest, false))
        .await
        .unwrap();
    assert_eq!(moved.outcome, MoveOutcome::Left);

    let filed = site.upload("in/filed.csv", "filed").await;
    run(&moving, &ingested(&filed)).await.unwrap();
    let moved = run(&leaving, &again(&filed, 1, Stage::Ingest, false))
        .await
        .unwrap();
    assert_eq!(archived(&moved), "processed/in/filed.csv");
    let keys = site.keys(&site.bucket).await;
    assert_eq!(keys, ["in/left.csv", "processed/in/filed.csv"]);
}

/// Of two movers with one message one sees the source. The other one sees that somebody has deleted
/// it meanwhile, and files the copy that a way before had left, which was given up on: the last one.
/// Whichever answer is stored, neither takes it away.
#[tokio::test]
async fn of_two_who_leave_a_file_neither_takes_its_last_copy_away() {
    for left_is_stored in [true, false] {
        let site = set(After::Leave).await;
        let (slow, fast) = (site.mover().await, site.mover().await);
        let file = site.upload("in/a.csv", "the file").await;
        let copy = "processed/in/a.csv";
        site.put_labelled(&site.bucket, copy, "the file", &labels(&file))
            .await;
        let event = again(&file, 1, Stage::Move, false);
        let mut held = site.relay.hold(1, When::Before);
        let (filed, left) = tokio::join!(run(&slow, &event), async {
            held.reached().await;
            let left = run(&fast, &event).await;
            site.delete("in/a.csv").await;
            held.go();
            left
        });
        let (filed, left) = (filed.unwrap(), left.unwrap());
        assert_eq!(left.outcome, MoveOutcome::Left);
        assert_eq!(archived(&filed), copy);
        let outcome = if left_is_stored { &left } else { &filed };
        let outcome = Data::Moved(outcome.clone());
        let outcome = Event::new(User::Mover, outcome, jiff::Timestamp::UNIX_EPOCH);
        for (mover, answer) in [(slow, filed), (fast, left)] {
            let answer = Data::Moved(answer);
            mover.stored(&outcome, Some(&answer)).await.unwrap();
        }
        assert_eq!(site.keys(&site.bucket).await, [copy], "{left_is_stored}");
        assert_eq!(site.bytes(copy).await.as_deref(), Some("the file"));
    }
}

async fn profiled() -> (Site, std::sync::Arc<Mover>) {
    let mut site = site().await;
    site.config.mover.rejected = "bad/".to_owned();
    let bucket = site.another_bucket().await;
    site.config.profiles = vec![
        Profile {
            name: "kept".to_owned(),
            mover: Own {
                after: Some(After::Leave),
                ..Own::default()
            },
            ..Profile::built_in().clone()
        },
        Profile {
            name: "filed".to_owned(),
            mover: Own {
                target_bucket: Some(bucket),
                processed: Some("done/".to_owned()),
                ..Own::default()
            },
            ..Profile::built_in().clone()
        },
    ];
    let mover = site.mover().await;
    (site, mover)
}

#[tokio::test]
async fn a_profile_chooses_for_its_files() -> Result<(), Trouble> {
    let (site, mover) = profiled().await;
    let mut file = site.upload("in/kept.csv", "x").await;
    file.profile = "kept".to_owned();
    let moved = run(&mover, &ingested(&file)).await?;
    assert_eq!(moved.outcome, MoveOutcome::Left);
    for (profile, bad, expected) in [
        ("filed", false, "done/in/"),
        ("filed", true, "bad/in/"),
        ("default", false, "processed/in/"),
        ("default", true, "bad/in/"),
    ] {
        let key = format!("in/{profile}-{bad}.csv");
        let mut file = site.upload(&key, "x").await;
        file.profile = profile.to_owned();
        let event = if bad {
            rejected(&file, "no header")
        } else {
            ingested(&file)
        };
        let moved = run(&mover, &event).await?;
        assert_eq!(archived(&moved), format!("{expected}{profile}-{bad}.csv"));
        let own = profile == "filed";
        let bucket = &moved.destination.unwrap().bucket;
        assert_eq!(bucket != &site.bucket, own, "{bucket}");
    }
    Ok(())
}
