//! Who gets which name.

use std::collections::BTreeSet;
use std::sync::Arc;

use mover::Mover;
use mover::claim::{Claims, Shelf};
use mover::filing::{Filing, Places};
use objects::archive::label;
use objects::{Objects, Preconditions};
use proto::File;
use proto::event::{Location, MoveOutcome};
use runtime::config::mover::After;
use store::journal::Register;

use crate::relay::When;
use crate::site::{Site, archived, die, ingested, run, site};

fn awkward() -> Vec<String> {
    let mut keys: Vec<String> = [
        "in/a b.csv",
        "in/ends with a space ",
        "in/a+b.csv",
        "in/a%b.csv",
        "in/a%2Bb.csv",
        "in/ü ö ß.csv",
        "in/u\u{308}.csv",
        "in/😀.csv",
        "in/'single' \"double\" `back`.csv",
        "in/new\nline.csv",
        "in/carriage\rreturn.csv",
        "in/\u{1}control\u{7f}",
        "in/#?&=;:@!$*(),[]{}|^<>.csv",
        "in/a..b...csv",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push(format!("in/{}", "n".repeat(255)));
    keys
}

#[tokio::test]
async fn awkward_keys_are_filed_whole() {
    let site = site().await;
    let mover = site.mover().await;
    for key in awkward() {
        let file = site.upload(&key, &key).await;
        let moved = run(&mover, &ingested(&file)).await.unwrap();
        assert_eq!(archived(&moved), format!("processed/{key}"));
        let copy = site
            .seen(&site.bucket, &format!("processed/{key}"))
            .await
            .unwrap();
        assert_eq!(copy.bytes, key.as_bytes());
        assert_eq!(label::original_key(&copy.metadata), Some(key));
    }
    let kept: BTreeSet<String> = site.keys(&site.bucket).await.into_iter().collect();
    let expected = awkward().into_iter().map(|key| format!("processed/{key}"));
    assert_eq!(kept, expected.collect());
}

#[tokio::test]
async fn keys_that_leave_no_room_are_shortened_and_kept_in_the_metadata() {
    let site = site().await;
    let mover = site.mover().await;
    let stem = format!("in/{}", "ü/".repeat(330));
    for end in ["x", "y"] {
        let key = format!("{stem}{}", end.repeat(1024 - stem.len()));
        let file = site.upload(&key, end).await;
        let moved = run(&mover, &ingested(&file)).await.unwrap();
        let name = archived(&moved);
        assert!(name.starts_with("processed/in/ü/ü/"), "{name}");
        assert!(name.ends_with(&format!("~{}", file.id.short())), "{name}");
        assert!(name.len() <= 1024);
        let copy = site.seen(&site.bucket, name).await.unwrap();
        assert_eq!(copy.bytes, end.as_bytes());
        assert_eq!(label::original_key(&copy.metadata), Some(key));
    }
}

#[tokio::test]
async fn keys_that_the_store_folds_are_filed_and_removed() {
    let site = site().await;
    let mover = site.mover().await;
    for key in ["/leading.csv", "in//double.csv", "in/back\\slash.csv"] {
        let file = site.upload(key, key).await;
        let moved = run(&mover, &ingested(&file)).await.unwrap();
        let copy = site.seen(&site.bucket, archived(&moved)).await.unwrap();
        assert_eq!(copy.bytes, key.as_bytes());
        assert_eq!(site.bytes(key).await, None);
    }
}

#[tokio::test]
async fn a_name_that_the_store_does_not_take_is_given_up_for_the_tagged_one() {
    let mut site = site().await;
    // With this prefix the first segment is longer than the store's 255 bytes.
    site.config.mover.processed = "done-".to_owned();
    let mover = site.mover().await;
    let file = site.upload(&"n".repeat(253), "x").await;
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    let name = archived(&moved);
    assert_eq!(name.len(), 255);
    assert!(name.ends_with(&format!("~{}", file.id.short())), "{name}");
    assert_eq!(site.keys(&site.bucket).await, [name]);
}

async fn two_buckets(site: &mut Site) -> (String, String) {
    let (second, target) = (site.another_bucket().await, site.another_bucket().await);
    site.config.mover.target_bucket = Some(target.clone());
    (second, target)
}

#[tokio::test]
async fn two_files_that_want_one_name_are_both_filed() {
    let mut site = site().await;
    let (second, target) = two_buckets(&mut site).await;
    let mover = site.mover().await;
    for round in 0..10 {
        let key = format!("in/{round}.csv");
        let one = site.upload(&key, "one").await;
        site.put_labelled(&second, &key, "two", &[]).await;
        let two = site.file(&second, &key).await;
        let (one_event, two_event) = (ingested(&one), ingested(&two));
        let (a, b) = tokio::join!(run(&mover, &one_event), run(&mover, &two_event));
        let (a, b) = (a.unwrap(), b.unwrap());
        for (moved, bytes) in [(&a, "one"), (&b, "two")] {
            let copy = site.seen(&target, archived(moved)).await.unwrap();
            assert_eq!(copy.bytes, bytes.as_bytes());
            assert_eq!(copy.metadata[label::FILE_ID], moved.file.id.to_string());
        }
        let whole = format!("processed/{key}");
        let names = BTreeSet::from([archived(&a), archived(&b)]);
        let tagged = if archived(&a) == whole { &two } else { &one };
        let tagged = format!("{whole}~{}", tagged.id.short());
        assert_eq!(names, BTreeSet::from([whole.as_str(), tagged.as_str()]));
        // A redelivery changes nothing.
        assert_eq!(run(&mover, &one_event).await.unwrap(), a);
        assert_eq!(run(&mover, &two_event).await.unwrap(), b);
    }
    assert_eq!(site.keys(&target).await.len(), 20);
    assert_eq!(site.keys(&second).await, Vec::<String>::new());
}

async fn the_next_is_filed_beside_the_first(site: &Site, mover: &Mover) {
    let next = site.upload("in/a.csv", "two").await;
    let moved = run(mover, &ingested(&next)).await.unwrap();
    let tagged = format!("processed/in/a.csv~{}", next.id.short());
    assert_eq!(archived(&moved), tagged);
    assert_eq!(
        site.bytes("processed/in/a.csv").await.as_deref(),
        Some("one")
    );
    assert_eq!(site.bytes(&tagged).await.as_deref(), Some("two"));
}

#[tokio::test]
async fn the_next_upload_of_a_key_is_filed_beside_the_first() {
    let site = site().await;
    let mover = site.mover().await;
    let first = site.upload("in/a.csv", "one").await;
    run(&mover, &ingested(&first)).await.unwrap();
    the_next_is_filed_beside_the_first(&site, &mover).await;
}

#[tokio::test]
async fn a_copy_whose_claim_was_forgotten_is_not_overwritten() {
    let site = site().await;
    let mover = site.mover().await;
    let first = site.upload("in/a.csv", "one").await;
    run(&mover, &ingested(&first)).await.unwrap();
    // Journals keep their rows for 90 days, archives for ever.
    site.journal.forget(jiff::Timestamp::MAX).await.unwrap();
    the_next_is_filed_beside_the_first(&site, &mover).await;
}

#[tokio::test]
async fn somebody_elses_object_keeps_its_name_and_the_choice_outlasts_it() {
    let site = site().await;
    let mover = site.mover().await;
    site.put("processed/in/a.csv", "somebody's").await;
    let file = site.upload("in/a.csv", "the file").await;
    let event = ingested(&file);
    // HEAD, COPY (412), HEAD, HEAD; then the copy to the tagged name has been made.
    let mut held = site.relay.hold(5, When::After);
    die(&mover, &event, &mut held).await;
    assert_eq!(
        site.bytes("processed/in/a.csv").await.as_deref(),
        Some("somebody's")
    );
    site.delete("processed/in/a.csv").await;
    site.relay.count();
    let moved = run(&mover, &event).await.unwrap();
    let tagged = format!("processed/in/a.csv~{}", file.id.short());
    assert_eq!(archived(&moved), tagged);
    assert_eq!(site.keys(&site.bucket).await, [tagged]);
}

#[tokio::test]
async fn a_file_without_any_free_name_stays_and_the_line_says_what_to_do() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let tagged = format!("processed/in/a.csv~{}", file.id.short());
    site.put("processed/in/a.csv", "somebody's").await;
    site.put(&tagged, "somebody's too").await;
    let error = run(&mover, &ingested(&file)).await.unwrap_err();
    assert!(
        matches!(error, runtime::Trouble::Reject { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(&tagged), "{error}");
    assert_eq!(site.bytes("in/a.csv").await.as_deref(), Some("the file"));
    assert_eq!(site.bytes(&tagged).await.as_deref(), Some("somebody's too"));
}

#[tokio::test]
async fn a_move_that_was_begun_ends_where_it_was_begun_whatever_is_set_by_then() {
    let mut site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let event = ingested(&file);
    let mut held = site.relay.hold(5, When::After);
    die(&mover, &event, &mut held).await;
    site.relay.count();
    site.config.mover.processed = "done/".to_owned();
    let other = site.mover().await;
    let moved = run(&other, &event).await.unwrap();
    assert_eq!(archived(&moved), "processed/in/a.csv");
    let next = site.upload("in/b.csv", "the file").await;
    let moved = run(&other, &ingested(&next)).await.unwrap();
    assert_eq!(archived(&moved), "done/in/b.csv");
}

#[tokio::test]
async fn the_claim_is_in_the_journal_before_the_copy_is_made() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let event = ingested(&file);
    let mut held = site.relay.hold(1, When::Before);
    die(&mover, &event, &mut held).await;
    let name = format!("{}/processed/in/a.csv", site.bucket);
    let register = Register::new("destination", name);
    let claim = site.journal.read(&register).await.unwrap().unwrap();
    let value = String::from_utf8(claim.value).unwrap();
    assert!(value.contains(&file.id.to_string()), "{value}");
}

#[tokio::test]
async fn two_movers_of_one_file_agree() {
    let site = site().await;
    let (one, two) = (site.mover().await, site.mover().await);
    for round in 0..20 {
        let file = site.upload(&format!("in/{round}.csv"), "the file").await;
        let events = [ingested(&file), ingested(&file)];
        let (a, b) = tokio::join!(run(&one, &events[0]), run(&two, &events[1]));
        let expected = Some(Location {
            bucket: site.bucket.clone(),
            key: format!("processed/in/{round}.csv"),
        });
        for moved in [a.unwrap(), b.unwrap()] {
            assert_eq!(moved.outcome, MoveOutcome::Archived);
            assert_eq!(moved.destination, expected);
        }
    }
    assert_eq!(site.keys(&site.bucket).await.len(), 20);
    assert_eq!(Arc::strong_count(&one), 1);
}

/// What a store without conditional copies promises, as measured of versitygw 1.8.
const VERSITYGW: Preconditions = Preconditions {
    copy_if_absent: false,
    copy_source_if_match: true,
    delete_if_match: true,
    versioned: false,
};

/// Moves a file as if the store ignored `If-None-Match` on copies: it is never sent.
async fn file_away(site: &Site, file: &File, bucket: &str) -> (MoveOutcome, Option<Location>) {
    let shelf = Shelf {
        after: After::Move,
        bucket: bucket.to_owned(),
        prefix: "processed/".to_owned(),
    };
    let filing = Filing {
        objects: &site.objects,
        claims: &Claims::new(Arc::clone(&site.journal)),
        file,
        replay: 0,
        places: &Places::of(file, &shelf),
        source: VERSITYGW,
        target: VERSITYGW,
    };
    filing.run().await.unwrap()
}

#[tokio::test]
async fn without_conditional_copies_the_claims_keep_two_files_apart() {
    let mut site = site().await;
    let (second, target) = two_buckets(&mut site).await;
    for round in 0..10 {
        let key = format!("in/{round}.csv");
        let one = site.upload(&key, "one").await;
        site.put_labelled(&second, &key, "two", &[]).await;
        let two = site.file(&second, &key).await;
        let moves = (
            file_away(&site, &one, &target),
            file_away(&site, &two, &target),
        );
        let ((_, a), (_, b)) = tokio::join!(moves.0, moves.1);
        for (at, bytes) in [(a, "one"), (b, "two")] {
            let copy = site.seen(&target, &at.unwrap().key).await.unwrap();
            assert_eq!(copy.bytes, bytes.as_bytes());
        }
    }
    assert_eq!(site.keys(&target).await.len(), 20);
}

#[tokio::test]
async fn without_conditional_copies_it_is_looked_before_anything_is_written() {
    let site = site().await;
    site.put("processed/in/a.csv", "somebody's").await;
    let file = site.upload("in/a.csv", "the file").await;
    let (_, at) = file_away(&site, &file, &site.bucket).await;
    assert_eq!(
        at.unwrap().key,
        format!("processed/in/a.csv~{}", file.id.short())
    );
    assert_eq!(
        site.bytes("processed/in/a.csv").await.as_deref(),
        Some("somebody's")
    );
}

#[tokio::test]
async fn without_conditional_copies_a_file_is_filed_with_seven_requests() {
    let mut site = site().await;
    let file = site.upload("in/a.csv", "the file").await;
    site.objects = Objects::new(&site.config.objects).await.unwrap();
    site.relay.count();
    file_away(&site, &file, &site.bucket).await;
    let requests = site.relay.requests();
    let methods = requests
        .iter()
        .filter_map(|request| request.split_once(' '));
    let methods: Vec<&str> = methods.map(|(method, _)| method).collect();
    // After the source the destination, and, nothing being there, its bucket.
    let expected = ["HEAD", "HEAD", "HEAD", "PUT", "HEAD", "HEAD", "DELETE"];
    assert_eq!(methods, expected);
}
