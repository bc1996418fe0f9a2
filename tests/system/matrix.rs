//! Every service, killed at every call to the outside that it makes.

mod advisories;
mod chain;
mod files;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use failpoint::{Call, Moment};
use futures::future::{join, join_all};
use proto::User;
use tests::run;

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
        let all = Call::ALL
            .iter()
            .flat_map(|call| Moment::ALL.map(|moment| format!("{call}.{moment}")));
        let missed: Vec<String> = all.filter(|point| !killed.contains(point)).collect();
        ensure!(missed.is_empty(), "nobody was killed at {missed:?}");
        Ok(())
    });
}

#[test]
#[ignore = "takes minutes; `make soak` runs it"]
fn wherever_one_of_two_replicas_is_killed_every_file_ends_as_if_it_had_not_been() {
    run(all(vec![
        Chain::of(User::Watcher).beside_another().share(0, 2),
        Chain::of(User::Watcher).beside_another().share(1, 2),
        Chain::of(User::Ingest).beside_another(),
        Chain::of(User::Mover).beside_another(),
        Chain::of(User::Notifier).beside_another(),
    ]));
}

/// Runs chains, most of the time of which is waiting, at the same time; answers where they killed.
async fn all(chains: Vec<Chain>) -> Result<BTreeSet<String>> {
    let mut killed = BTreeSet::new();
    let mut wrong = vec![];
    for ended in join_all(chains.into_iter().map(Chain::run)).await {
        match ended {
            Ok(points) => killed.extend(points),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(killed)
}
