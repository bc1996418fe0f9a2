//! Something happens between any two requests of a move, on the real store.

use objects::archive::label;
use proto::File;
use proto::event::{MoveOutcome, Moved};

use crate::relay::When;
use crate::site::{Site, die, ingested, labels, run, site};

/// Of a copy in parts: as small as parts may be.
const PART: usize = 5 << 20;

/// What somebody else does in the middle of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    Nothing,
    Replaces,
    Deletes,
    UploadsTheSameAgain,
}

const OUTSIDE: [Outside; 4] = [
    Outside::Nothing,
    Outside::Replaces,
    Outside::Deletes,
    Outside::UploadsTheSameAgain,
];

/// A moment of a move of so many requests.
fn moments(requests: usize) -> impl Iterator<Item = (usize, When)> {
    (1..=requests).flat_map(|number| [When::Before, When::After].map(|when| (number, when)))
}

impl Outside {
    async fn act(self, site: &Site, key: &str, body: &str) {
        match self {
            Self::Nothing => {}
            Self::Replaces => site.put(key, "the next upload").await,
            Self::Deletes => site.delete(key).await,
            Self::UploadsTheSameAgain => site.put(key, body).await,
        }
    }
}

/// Whatever happened: the file's bytes are in one place at most and under no other's name, what
/// came later is untouched, and the outcome is true.
async fn check(site: &Site, file: &File, body: &str, moved: &Moved, outside: Outside, case: &str) {
    let source = site.bytes(&file.key).await;
    let copy = site
        .seen(&site.bucket, &format!("processed/{}", file.key))
        .await;
    match moved.outcome {
        MoveOutcome::Archived => {
            let copy = copy.unwrap_or_else(|| panic!("{case}: no copy"));
            assert!(copy.bytes == body.as_bytes(), "{case}");
            assert_eq!(copy.metadata[label::FILE_ID], file.id.to_string(), "{case}");
        }
        MoveOutcome::Left | MoveOutcome::Deleted => panic!("{case}: nobody chose that"),
        MoveOutcome::Replaced | MoveOutcome::Gone => {
            assert_eq!(copy, None, "{case}");
            assert_ne!(outside, Outside::Nothing, "{case}");
        }
    }
    match outside {
        Outside::Replaces => assert_eq!(source.as_deref(), Some("the next upload"), "{case}"),
        Outside::Nothing | Outside::Deletes => assert_eq!(source, None, "{case}"),
        // Within one second it is the same file; later, it is another with the same bytes.
        Outside::UploadsTheSameAgain => {
            assert!(source.is_none_or(|bytes| bytes == body), "{case}");
        }
    }
}

/// Moves a file for each moment of its so many requests. Then somebody acts; before, the mover may
/// die, and it comes again afterwards.
async fn move_at_each_moment(
    (site, body): (&Site, &str),
    requests: usize,
    outsides: &[Outside],
    dies: bool,
) {
    let mover = site.mover().await;
    for &outside in outsides {
        for (number, when) in moments(requests) {
            let crash = if dies { "crash and " } else { "" };
            let case = format!("{crash}{outside:?} {when:?} request {number}");
            let key = format!("in/{case}.csv");
            let file = site.upload(&key, body).await;
            let event = ingested(&file);
            let mut held = site.relay.hold(number, when);
            let moved = if dies {
                die(&mover, &event, &mut held).await;
                outside.act(site, &key, body).await;
                site.relay.count();
                run(&mover, &event).await
            } else {
                let acting = async {
                    held.reached().await;
                    outside.act(site, &key, body).await;
                    held.go();
                };
                tokio::join!(run(&mover, &event), acting).0
            };
            check(site, &file, body, &moved.unwrap(), outside, &case).await;
            site.delete(&format!("processed/{key}")).await;
        }
    }
}

#[tokio::test]
async fn whatever_somebody_does_between_two_requests_nothing_is_lost_or_mixed_up() {
    let site = site().await;
    move_at_each_moment((&site, "the file"), 5, &OUTSIDE, false).await;
}

#[tokio::test]
async fn a_crash_between_two_requests_is_made_good_by_the_next_try() {
    let site = site().await;
    move_at_each_moment((&site, "the file"), 5, &OUTSIDE, true).await;
}

/// Tags, begin, two parts, the source once more, end, in place of the copy.
const REQUESTS_IN_PARTS: usize = 10;

/// A site where everything of more than one part is copied in parts, and a file of two.
async fn in_parts() -> (Site, String) {
    let mut site = site().await;
    site.config.objects.copy_above = PART as u64;
    site.config.objects.copy_part = PART as u64;
    (site, "sixteen bytes.\n\n".repeat(PART / 16 + 1))
}

#[tokio::test]
async fn what_somebody_does_during_a_copy_in_parts_loses_and_mixes_up_nothing() {
    let (site, body) = in_parts().await;
    let outsides = [Outside::Replaces, Outside::Deletes];
    move_at_each_moment((&site, &body), REQUESTS_IN_PARTS, &outsides, false).await;
}

#[tokio::test]
async fn a_crash_between_two_requests_of_a_copy_in_parts_is_made_good_by_the_next_try() {
    let (site, body) = in_parts().await;
    let outsides = [Outside::Nothing, Outside::Replaces];
    move_at_each_moment((&site, &body), REQUESTS_IN_PARTS, &outsides, true).await;
}

#[tokio::test]
async fn the_same_bytes_uploaded_a_second_later_are_another_file_and_stay() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    // Before the last look at the source.
    let mut held = site.relay.hold(4, When::Before);
    let event = ingested(&file);
    let acting = async {
        held.reached().await;
        while site.file(&site.bucket, "in/a.csv").await.id == file.id {
            site.put("in/a.csv", "the file").await;
        }
        held.go();
    };
    let (moved, ()) = tokio::join!(run(&mover, &event), acting);
    assert_eq!(moved.unwrap().outcome, MoveOutcome::Archived);
    assert_eq!(site.bytes("in/a.csv").await.as_deref(), Some("the file"));
}

#[tokio::test]
async fn a_copy_that_is_spoilt_before_it_is_verified_leaves_the_source_until_it_is_right() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let labels = labels(&file);
    let mut held = site.relay.hold(3, When::Before);
    let event = ingested(&file);
    let acting = async {
        held.reached().await;
        // As many bytes, under the same label.
        site.put_labelled(&site.bucket, "processed/in/a.csv", "THE FILE", &labels)
            .await;
        held.go();
    };
    let (moved, ()) = tokio::join!(run(&mover, &event), acting);
    assert_eq!(moved.unwrap().outcome, MoveOutcome::Archived);
    assert_eq!(
        site.bytes("processed/in/a.csv").await.as_deref(),
        Some("the file")
    );
    assert_eq!(site.bytes("in/a.csv").await, None);
}

#[tokio::test]
async fn a_copy_that_is_spoilt_each_time_never_costs_the_source() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let labels = labels(&file);
    let (s3, bucket) = (site.s3.clone(), site.bucket.clone());
    site.relay.watch(move |_, when, line| {
        let mut request = s3.put_object().bucket(&bucket).key("processed/in/a.csv");
        for (name, value) in &labels {
            request = request.metadata(*name, value);
        }
        Box::pin(async move {
            if when == When::After && line.starts_with("PUT ") {
                request
                    .body(b"THE FILE".to_vec().into())
                    .send()
                    .await
                    .unwrap();
            }
        })
    });
    let error = run(&mover, &ingested(&file)).await.unwrap_err();
    assert!(matches!(error, runtime::Trouble::Retry { .. }), "{error:?}");
    assert_eq!(site.bytes("in/a.csv").await.as_deref(), Some("the file"));
    // Once the store is well again the move ends.
    site.relay.count();
    run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(
        site.bytes("processed/in/a.csv").await.as_deref(),
        Some("the file")
    );
    assert_eq!(site.bytes("in/a.csv").await, None);
}

#[tokio::test]
async fn a_spoilt_copy_whose_source_is_gone_is_told_and_kept() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let labels = labels(&file);
    site.put_labelled(&site.bucket, "processed/in/a.csv", "half", &labels)
        .await;
    site.delete("in/a.csv").await;
    let error = run(&mover, &ingested(&file)).await.unwrap_err();
    assert!(
        matches!(error, runtime::Trouble::Reject { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("is not whole"), "{error}");
    assert_eq!(
        site.bytes("processed/in/a.csv").await.as_deref(),
        Some("half")
    );
}
