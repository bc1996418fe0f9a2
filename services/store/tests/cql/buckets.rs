//! The cases of the suite that read many readings, with readings in many buckets.

use std::time::Duration;

use store::conformance::readings;
use store::cql::Plan;

use crate::keyspaces::{Keyspaces, plan};

fn small_buckets() -> Keyspaces {
    Keyspaces::of(Plan {
        bucket: Duration::from_secs(4),
        ..plan()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_from_bucket_to_bucket() {
    readings::pages_together_are_the_whole(&small_buckets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_bounded_within_a_bucket() {
    readings::a_query_has_bounds(&small_buckets()).await;
}
