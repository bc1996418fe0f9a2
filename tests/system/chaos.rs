//! Everything that may go wrong, at once.

use anyhow::Result;
use tests::chaos::{self, SEED};
use tests::run;

#[test]
fn whatever_goes_wrong_every_file_ends_once_and_nothing_is_lost() {
    run(async {
        let mut failed: Vec<String> = vec![];
        let (mut replayed, mut retracted) = (0, 0);
        let seeds = chaos::seeds(SEED)?;
        for &seed in &seeds {
            match chaos::run(seed).await {
                Ok(run) => {
                    replayed += run.replayed;
                    retracted += run.retracted;
                }
                Err(error) => failed.push(format!("{error:#}")),
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert!(
            replayed > 0 && retracted > 0,
            "of what was ordered, {replayed} replays and {retracted} retractions were done"
        );
        Result::<()>::Ok(())
    });
}
