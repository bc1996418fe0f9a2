//! The table `files`: in which partitions each file has written, so that its readings can be
//! counted, and taken out again.
//!
//! Each write notes its partitions in a list or a few. A row for each would be one row more to
//! write for every ten readings where a file has a day of a thousand sensors. A partition may so
//! stand in many lists; whoever goes through them meets it once.

use futures::future::BoxFuture;
use hashbrown::HashSet;
use proto::FileId;

use scylla::response::PagingState;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::cluster::Cluster;
use super::fingerprint::Fingerprint;
use super::gather;
use super::schema::Plan;
use super::together;
use crate::Result;

/// Partitions over which the lists of a file are spread. Never changes.
const SHARDS: i32 = 8;
/// Bytes of names in one list, but for a list of one.
const LIST: usize = 64 << 10;
/// Lists that are read at once.
const PAGE: i32 = 4;
/// Partitions that are told apart in one pass over the lists, as many as a hash table with 2^18
/// places takes.
const PASS: u64 = 229_376;

/// Sensor, metric and bucket, as they are read.
pub(super) type Partition = (String, String, CqlTimestamp);

/// The same as they are written.
type Noted<'a> = (&'a str, &'a str, CqlTimestamp);

/// Statements that note, and look up.
pub(super) struct Written {
    note: PreparedStatement,
    lists: PreparedStatement,
}

impl Written {
    pub(super) async fn prepare(cluster: &Cluster, plan: &Plan) -> Result<Self> {
        let table = format!("{}.files", plan.readings);
        let note =
            format!("INSERT INTO {table} (file, shard, list, partitions) VALUES (?, ?, ?, ?)");
        let lists = format!("SELECT partitions FROM {table} WHERE file = ? AND shard = ?");
        let mut lists = cluster.prepare(&lists).await?;
        lists.set_page_size(PAGE);
        Ok(Self {
            note: cluster.prepare(&note).await?,
            lists,
        })
    }

    /// Notes that a file writes in these partitions. The same ones, noted again, are the same rows.
    pub(super) async fn note(
        &self,
        cluster: &Cluster,
        file: Uuid,
        partitions: impl Iterator<Item = &gather::Partition>,
    ) -> Result<()> {
        let mut partitions: Vec<Noted> = partitions
            .map(|of| (&*of.sensor, &*of.metric, CqlTimestamp(of.bucket)))
            .collect();
        partitions.sort_unstable();
        together::each(lists(&partitions).map(|list| {
            let (id, shard) = name(list);
            Box::pin(async move {
                let values = (file, shard, id, list);
                cluster.execute(&self.note, values).await.map(drop)
            }) as _
        }))
        .await
    }

    /// Does something with each partition in which a file has written, and answers the sum of what
    /// that came to.
    ///
    /// There is memory for so many partitions and no more. Where there are more, there are several
    /// passes over the lists, each for the partitions whose fingerprints leave its number as the
    /// remainder.
    pub(super) async fn sum<'a>(
        &'a self,
        cluster: &'a Cluster,
        file: FileId,
        does: impl Fn(Partition) -> BoxFuture<'a, Result<u64>> + Send + Sync,
    ) -> Result<u64> {
        let mut noted = 0;
        let mut lists = self.lists(cluster, file);
        while let Some(partitions) = lists.next().await? {
            noted += partitions.len() as u64;
        }
        let passes = u128::from(noted.div_ceil(PASS));
        let fingerprint = Fingerprint::new();
        let mut sum = 0;
        for pass in 0..passes {
            let mut met = HashSet::new();
            let mut lists = self.lists(cluster, file);
            while let Some(mut partitions) = lists.next().await? {
                partitions.retain(|partition| {
                    let print = fingerprint.of(partition);
                    print % passes == pass && met.insert(print)
                });
                sum += together::sum(partitions.into_iter().map(&does)).await?;
            }
        }
        Ok(sum)
    }

    fn lists<'a>(&'a self, cluster: &'a Cluster, file: FileId) -> Lists<'a> {
        Lists {
            cluster,
            statement: &self.lists,
            file: Uuid::from_bytes(file.bytes()),
            shard: 0,
            position: Some(PagingState::start()),
        }
    }
}

/// All lists of a file.
struct Lists<'a> {
    cluster: &'a Cluster,
    statement: &'a PreparedStatement,
    file: Uuid,
    shard: i32,
    position: Option<PagingState>,
}

impl Lists<'_> {
    /// What stands in the next few of them.
    async fn next(&mut self) -> Result<Option<Vec<Partition>>> {
        if self.position.is_none() {
            self.shard += 1;
            self.position = Some(PagingState::start());
        }
        let Some(from) = self.position.take_if(|_| self.shard < SHARDS) else {
            return Ok(None);
        };
        let values = (self.file, self.shard);
        let page = self
            .cluster
            .page::<(Vec<Partition>,)>(self.statement, values, from);
        let (lists, position) = page.await?;
        self.position = position;
        Ok(Some(lists.into_iter().flat_map(|(list,)| list).collect()))
    }
}

/// The lists that many partitions come to.
fn lists<'a, 'b>(mut rest: &'b [Noted<'a>]) -> impl Iterator<Item = &'b [Noted<'a>]> + Send {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|(sensor, metric, _)| {
            let first = bytes == 0;
            bytes += sensor.len() + metric.len() + size_of::<CqlTimestamp>();
            first || bytes <= LIST
        });
        let (list, others) = rest.split_at(fitting.count());
        rest = others;
        (!list.is_empty()).then_some(list)
    })
}

/// What a list is called, and its shard: by what is in it, so that no two have the same name.
fn name(list: &[Noted]) -> (Uuid, i32) {
    let mut hash = Sha256::new();
    for (sensor, metric, CqlTimestamp(bucket)) in list {
        for part in [sensor, metric] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(bucket.to_be_bytes());
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    (Uuid::from_bytes(id), i32::from(id[0]) % SHARDS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_partition_is_in_one_list_and_no_list_is_long(
            lengths in prop::collection::vec((0_usize..40_000, 0_usize..40_000), 0..40),
        ) {
            let long = "x".repeat(40_000);
            let partitions: Vec<Noted> = lengths
                .iter()
                .map(|(sensor, metric)| (&long[..*sensor], &long[..*metric], CqlTimestamp(0)))
                .collect();
            let noted: Vec<_> = lists(&partitions).collect();
            prop_assert_eq!(noted.concat(), partitions.clone());
            for list in noted {
                let names = list.iter().map(|(sensor, metric, _)| sensor.len() + metric.len());
                prop_assert!(!list.is_empty());
                prop_assert!(list.len() == 1 || names.sum::<usize>() <= LIST);
            }
        }
    }

    #[test]
    fn a_list_has_its_name_for_ever_and_no_other_has_it() {
        let noted = |sensor, metric, bucket| [(sensor, metric, CqlTimestamp(bucket))];
        // As `printf` and `sha256sum` say: lengths of 8 bytes and what they are of, then the time.
        let expected = "196a72b6135a6e2ea678883a0ac7f6e8";
        let (id, shard) = name(&noted("ab", "c", 1));
        assert_eq!(
            (id.simple().to_string().as_str(), shard),
            (expected, 0x19 % 8)
        );
        assert_ne!(name(&noted("a", "bc", 1)).0, id);
        assert_ne!(name(&noted("ab", "c", 2)).0, id);
    }
}
