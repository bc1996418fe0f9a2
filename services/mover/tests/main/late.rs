//! Copies that the stored outcome does not know.

use jiff::Timestamp;
use proto::event::{Location, MoveOutcome, Moved};
use proto::{Data, Event, User};
use runtime::Step;

use crate::relay::When;
use crate::site::{Site, ingested, run, site};

/// What another replica has settled.
async fn settled(site: &Site, moved: Moved) -> Event {
    let event = Event::new(User::Mover, Data::Moved(moved), Timestamp::UNIX_EPOCH);
    site.journal.settle(&event).await.unwrap().event
}

#[tokio::test]
async fn a_copy_that_came_too_late_is_removed_when_gone_is_stored() {
    for outcome in [MoveOutcome::Gone, MoveOutcome::Replaced] {
        let site = site().await;
        let mover = site.mover().await;
        let file = site.upload("in/a.csv", "the file").await;
        let event = ingested(&file);
        // The copy is made and verified; then the source goes, and another replica that looked
        // before the copy was there has settled what it saw.
        let mut held = site.relay.hold(4, When::Before);
        let acting = async {
            held.reached().await;
            site.delete("in/a.csv").await;
            held.go();
        };
        let (answered, ()) = tokio::join!(run(&mover, &event), acting);
        let answered = answered.unwrap();
        assert_eq!(answered.outcome, MoveOutcome::Archived);
        let stored = Moved {
            outcome,
            destination: None,
            ..answered.clone()
        };
        let stored = settled(&site, stored).await;
        mover
            .stored(&stored, Some(&Data::Moved(answered)))
            .await
            .unwrap();
        assert_eq!(site.keys(&site.bucket).await, Vec::<String>::new());
        // And again, as a redelivery would.
        mover.stored(&stored, None).await.unwrap();
    }
}

#[tokio::test]
async fn the_copy_that_is_stored_stays_and_one_under_the_other_name_goes() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let answered = run(&mover, &ingested(&file)).await.unwrap();
    // The other replica had to take the other name.
    let whole = site.seen(&site.bucket, "processed/in/a.csv").await.unwrap();
    let tagged = format!("processed/in/a.csv~{}", file.id.short());
    let labels: Vec<(&str, String)> = whole
        .metadata
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    site.put_labelled(&site.bucket, &tagged, "the file", &labels)
        .await;
    let stored = Moved {
        destination: Some(Location {
            bucket: site.bucket.clone(),
            key: tagged.clone(),
        }),
        ..answered.clone()
    };
    let stored = settled(&site, stored).await;
    mover
        .stored(&stored, Some(&Data::Moved(answered)))
        .await
        .unwrap();
    assert_eq!(site.keys(&site.bucket).await, [tagged]);
}

#[tokio::test]
async fn nobody_elses_object_is_tidied_away() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    site.delete("in/a.csv").await;
    let gone = run(&mover, &ingested(&file)).await.unwrap();
    assert_eq!(gone.outcome, MoveOutcome::Gone);
    site.put("processed/in/a.csv", "somebody's").await;
    let stored = settled(&site, gone.clone()).await;
    mover
        .stored(&stored, Some(&Data::Moved(gone)))
        .await
        .unwrap();
    assert_eq!(site.keys(&site.bucket).await, ["processed/in/a.csv"]);
}

#[tokio::test]
async fn an_outcome_of_ones_own_costs_no_request() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let moved = run(&mover, &ingested(&file)).await.unwrap();
    let stored = settled(&site, moved.clone()).await;
    site.relay.count();
    mover
        .stored(&stored, Some(&Data::Moved(moved)))
        .await
        .unwrap();
    assert_eq!(site.relay.requests(), Vec::<String>::new());
}
