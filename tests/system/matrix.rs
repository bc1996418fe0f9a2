//! Every service, killed at every call to the outside that it makes.

mod advisories;
mod chain;
mod files;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use failpoint::{Call, Moment};
use futures::future::{join, join_all};
use proto::User;
use tests::{Kind, run};

use chain::Chain;

#[test]
fn wherever_a_service_is_killed_every_file_ends_as_if_it_had_not_been() {
    run(async {
        let chains = vec![
            Chain::of(User::Watcher).share(0, 2),
            Chain::of(User::Watcher).share(1, 2),
            Chain::of(User::Ingest),
            Chain::of(User::Mover),
            Chain::of(User::Notifier),
        ];
        let (chains, advisories) = join(all(chains), advisories::run()).await;
        let mut killed = chains?;
        killed.extend(advisories?);
        let missed = missed(&killed);
        ensure!(missed.is_empty(), "nobody was killed at {missed:?}");
        Ok(())
    });
}

/// What no service calls beside a replica that lives: that one does the work before its message has
/// killed the other as often as it is delivered, so that there is no advisory to look into.
const ALONE: [Call; 1] = [Call::AdvisoryOriginal];

#[test]
#[ignore = "takes minutes; `make soak` runs it"]
fn wherever_one_of_two_replicas_is_killed_every_file_ends_as_if_it_had_not_been() {
    run(async {
        let chains = vec![
            Chain::of(User::Watcher).beside_another().share(0, 2),
            Chain::of(User::Watcher).beside_another().share(1, 2),
            Chain::of(User::Ingest).beside_another(),
            Chain::of(User::Mover).beside_another(),
            Chain::of(User::Notifier).beside_another(),
        ];
        let missed = missed(&all(chains).await?);
        let alone: Vec<String> = points(&ALONE).filter(|point| is_tried(point)).collect();
        ensure!(
            missed == alone,
            "nobody was killed at {missed:?}, which should be {alone:?}"
        );
        Ok(())
    });
}

/// Every point of these calls.
fn points(calls: &[Call]) -> impl Iterator<Item = String> {
    calls
        .iter()
        .flat_map(|call| Moment::ALL.map(|moment| format!("{call}.{moment}")))
}

/// Every point at which nobody was killed who should have been.
fn missed(killed: &BTreeSet<String>) -> Vec<String> {
    points(Call::ALL)
        .filter(|point| is_tried(point) && !killed.contains(point))
        .collect()
}

/// On CQL only what is asked of the database is tried: the rest is the same as on `SQLite`, and each
/// kill there takes seconds.
fn is_tried(point: &str) -> bool {
    let of_database = point.starts_with("journal.") || point.starts_with("readings.");
    of_database || !matches!(Kind::chosen(), Ok(Kind::Cql))
}

/// Runs chains, most of the time of which is waiting, at the same time; answers where they killed.
/// Each is a task: what one has to do without waiting (tidying up its folder) keeps no other from
/// answering its servers in time.
async fn all(chains: Vec<Chain>) -> Result<BTreeSet<String>> {
    let mut killed = BTreeSet::new();
    let mut wrong = vec![];
    let tasks = chains.into_iter().map(|chain| tokio::spawn(chain.run()));
    for ended in join_all(tasks).await {
        match ended? {
            Ok(points) => killed.extend(points),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(killed)
}
