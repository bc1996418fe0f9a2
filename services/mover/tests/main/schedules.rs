//! The move as a state machine: schedules that a seed decides, on a store in memory that takes
//! every request as the schedule orders it.
//!
//! A schedule has one or two files that want one destination, replicas that work on the same
//! message, and somebody else who uploads, deletes and puts objects in the way. It decides which
//! of all that is at rest goes on next: a request (done, refused, cut off before or after it was
//! done, answered with an error within a success), a copy between its reading and its writing, a
//! call of the journal, a replica's death, and what a dead one had asked for, carried out later.
//! Of copies in parts each part is such a request, and several wait at once. After every step, `watch` looks at the store itself.
//!
//! `LANDFALL_TEST_SEED=n` lives through that one alone; `LANDFALL_TEST_SEEDS=n` through so many
//! fresh ones.

mod journal;
mod life;
mod real;
mod rig;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use faulty_s3::Flavour;
use tokio::task::JoinSet;

use self::rig::{Column, Rig};

/// Schedules of each column, unless the environment wants others; of copies in parts half as many,
/// since a part is tried again for some seconds.
const SCHEDULES: u64 = 100;

/// Rigs at once: while the client of one waits before it tries again, others go on.
const RIGS: usize = 8;

/// The seeds to try.
fn seeds(count: u64) -> Vec<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name}={text}")),
        )
    };
    if let Some(seed) = number("LANDFALL_TEST_SEED") {
        return vec![seed];
    }
    match number("LANDFALL_TEST_SEEDS") {
        Some(count) => (0..count).map(|_| fastrand::u64(..)).collect(),
        None => (0..count).collect(),
    }
}

async fn live_through_all(column: Column) {
    let count = if column.in_parts {
        SCHEDULES / 2
    } else {
        SCHEDULES
    };
    let seeds = Arc::new(seeds(count));
    let next = Arc::new(AtomicUsize::new(0));
    let mut rigs = JoinSet::new();
    for _ in 0..RIGS.min(seeds.len()) {
        let (seeds, next) = (Arc::clone(&seeds), Arc::clone(&next));
        rigs.spawn(async move {
            let mut rig = Rig::start(column).await;
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                life::live(&mut rig, *seed).await?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(lived) = rigs.join_next().await {
        if let Err(wrong) = lived.unwrap() {
            panic!("{wrong}");
        }
    }
}

#[tokio::test]
async fn no_schedule_loses_or_mixes_up_a_version_on_seaweedfs() {
    live_through_all(Column::of(Flavour::SeaweedFs)).await;
}

#[tokio::test]
async fn nor_on_aws_with_versions() {
    live_through_all(Column::of(Flavour::Aws).versioned()).await;
}

#[tokio::test]
async fn nor_on_minio_with_versions() {
    live_through_all(Column::of(Flavour::MinIo).versioned()).await;
}

#[tokio::test]
async fn nor_on_versitygw() {
    live_through_all(Column::of(Flavour::VersityGw)).await;
}

#[tokio::test]
async fn nor_does_one_whose_copies_are_made_in_parts() {
    live_through_all(Column::of(Flavour::SeaweedFs).in_parts()).await;
}

#[tokio::test]
async fn nor_does_one_whose_copies_are_made_in_parts_with_versions() {
    live_through_all(Column::of(Flavour::MinIo).versioned().in_parts()).await;
}
