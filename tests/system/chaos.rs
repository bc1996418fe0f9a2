//! Everything that may go wrong, at once.

use anyhow::Result;
use tests::{chaos, run};

/// Any would do.
const SEED: u64 = 1;

#[test]
fn whatever_goes_wrong_every_file_ends_once_and_nothing_is_lost() {
    run(async {
        let mut failed: Vec<String> = vec![];
        for seed in chaos::seeds(SEED)? {
            if let Err(error) = chaos::run(seed).await {
                failed.push(format!("{error:#}"));
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        Result::<()>::Ok(())
    });
}
