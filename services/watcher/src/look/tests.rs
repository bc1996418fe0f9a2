//! Every way in which two watchers can look at one key while it is uploaded to, and one of them
//! dies: the real code over a model of journal, store and stream, one step at a time.

mod lives;
mod model;

use jiff::Timestamp;
use proptest::prelude::*;
use proto::Version;

use self::lives::{Exhaustive, Scheduler, check, live};
use self::model::{NOON, Outside, Scenario};
use crate::notification::Announced;

fn check_all(scenario: &Scenario) {
    let mut scheduler = Exhaustive::default();
    let mut lives = 0_u32;
    loop {
        check(&live(scenario, &mut scheduler));
        lives += 1;
        if !scheduler.next() {
            break;
        }
    }
    assert!(lives > 10_000, "{lives} lives are too few to say anything");
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(NOON + second).unwrap()
}

fn version(etag: &str, last_modified: i64) -> Version {
    Version::new(etag, second(last_modified), None)
}

fn announced(etag: &str, time: i64) -> Announced {
    Announced {
        etag: Some(etag.to_owned()),
        version_id: None,
        time: Some(second(time)),
    }
}

#[test]
fn two_watchers_that_look_at_one_version_settle_it_once_whenever_one_dies() {
    check_all(&Scenario {
        versions: vec![version("a", 10)],
        outside: vec![],
        looks: vec![announced("a", 12), Announced::default()],
        deaths: 1,
        fine: true,
    });
}

#[test]
fn a_version_that_comes_while_another_is_looked_at_is_ordered_after_it() {
    // In one second, and with a notification's time that is later than the next one's.
    check_all(&Scenario {
        versions: vec![version("a", 10), version("b", 10)],
        outside: vec![Outside::Upload],
        looks: vec![announced("a", 12), announced("b", 10)],
        deaths: 0,
        fine: true,
    });
}

#[test]
fn a_watcher_that_dies_leaves_the_order_of_versions_as_it_was() {
    check_all(&Scenario {
        versions: vec![version("a", 10), version("b", 10)],
        outside: vec![Outside::Upload],
        looks: vec![announced("a", 12), announced("b", 10)],
        deaths: 1,
        fine: false,
    });
}

#[test]
fn three_versions_are_ordered_as_they_were_uploaded() {
    check_all(&Scenario {
        versions: vec![version("a", 10), version("b", 10), version("c", 11)],
        outside: vec![Outside::Upload, Outside::Upload],
        looks: vec![announced("a", 10), Announced::default()],
        deaths: 0,
        fine: false,
    });
}

#[test]
fn a_deletion_in_between_leaves_nothing_half_done() {
    check_all(&Scenario {
        versions: vec![version("a", 10), version("b", 11)],
        outside: vec![Outside::Delete, Outside::Upload],
        looks: vec![announced("a", 10), announced("b", 11)],
        deaths: 0,
        fine: false,
    });
}

#[test]
fn a_version_that_comes_to_light_again_is_ordered_before_what_covered_it() {
    let versioned =
        |etag: &str, last_modified, id| Version::new(etag, second(last_modified), Some(id));
    check_all(&Scenario {
        versions: vec![versioned("a", 10, "v1"), versioned("b", 11, "v2")],
        outside: vec![Outside::Upload, Outside::Uncover],
        looks: vec![Announced::default(), Announced::default()],
        deaths: 0,
        fine: false,
    });
}

/// Choices as they come, the same again after the last.
struct Given<'a>(std::iter::Cycle<std::slice::Iter<'a, u8>>);

impl Scheduler for Given<'_> {
    fn choose(&mut self, choices: usize) -> usize {
        usize::from(*self.0.next().unwrap()) % choices
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// More of everything than can be tried exhaustively.
    #[test]
    fn any_number_of_watchers_uploads_and_deaths_ends_well(
        seconds in prop::collection::vec(0_i64..4, 1..6),
        outside in prop::collection::vec(any::<bool>(), 0..4),
        looks in prop::collection::vec((0_usize..6, 0_i64..8), 1..5),
        deaths in 0_usize..3,
        choices in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let mut seconds = seconds;
        seconds.sort_unstable();
        let versions: Vec<Version> = seconds
            .iter()
            .enumerate()
            .map(|(index, second)| version(&format!("e{index}"), *second))
            .collect();
        let mut uploads = versions.len() - 1;
        let mut script = vec![];
        for delete in outside {
            script.push(if delete || uploads == 0 { Outside::Delete } else { uploads -= 1; Outside::Upload });
        }
        script.extend(std::iter::repeat_n(Outside::Upload, uploads));
        let scenario = Scenario {
            looks: looks
                .into_iter()
                .map(|(version, time)| announced(&format!("e{version}"), time))
                .collect(),
            versions,
            outside: script,
            deaths,
            fine: true,
        };
        check(&live(&scenario, &mut Given(choices.iter().cycle())));
    }
}
