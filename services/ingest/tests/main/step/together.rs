use std::sync::Arc;

use tokio::task::JoinSet;

use crate::bed::{Bed, ingested, run};
use crate::table::pack;

/// A table that packs to very little, so that the first guess of its memory is wrong.
fn table(sensor: usize, rows: u32) -> String {
    (0..rows)
        .map(|row| format!("together-{sensor},{},0\n", 1_700_000_000 + row))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_share_memory_for_one_and_all_end() {
    let mut bed = Bed::new("together").await;
    bed.config.ingest.in_memory = 9_000;
    bed.config.ingest.refused_rows = 100_000;
    bed.config.ingest.memory = bed.config.ingest.most_of_one_file();
    let ingest = Arc::new(bed.ingest());
    let mut files = JoinSet::new();
    for sensor in 0..24_usize {
        let text = table(sensor, 12_000);
        let arrived = match sensor % 3 {
            0 => bed.upload(&format!("{sensor}.csv"), text).await,
            1 => {
                bed.upload(&format!("{sensor}.csv.gz"), pack(text.as_bytes()))
                    .await
            }
            _ => {
                bed.upload(&format!("{sensor}.csv"), table(sensor, 500))
                    .await
            }
        };
        let ingest = Arc::clone(&ingest);
        files.spawn(async move { (sensor, run(&ingest, &arrived).await) });
    }
    while let Some(ended) = files.join_next().await {
        let (sensor, outcome) = ended.unwrap();
        let expected = if sensor % 3 == 2 { 500 } else { 12_000 };
        assert_eq!(ingested(outcome).stored, expected);
    }
    for sensor in 0..24_usize {
        let expected = if sensor % 3 == 2 { 500 } else { 12_000 };
        assert_eq!(
            bed.stored(&format!("together-{sensor}")).await.len(),
            expected
        );
    }
}
