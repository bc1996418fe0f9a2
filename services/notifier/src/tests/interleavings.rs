//! Whatever comes in whatever order: two replicas, crashes, doubled, early and late messages, a
//! store and a stream that do not answer, clocks that differ.

use std::time::Duration;

use proptest::prelude::*;
use proto::event::MailOutcome;
use proto::{Event, What, subject};
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::world::{Body, Chaos, World};
use crate::fixtures::moved_event;

fn any_chaos() -> impl Strategy<Value = Chaos> {
    let percent = || prop_oneof![Just(0_u64), 0_u64..40];
    let faults = (percent(), percent(), percent(), percent());
    let mails = (percent(), percent(), percent(), percent());
    (any::<u64>(), faults, mails).prop_map(|(seed, faults, mails)| Chaos {
        seed,
        crash: faults.0,
        store: faults.1,
        nats: faults.2,
        doubled: faults.3,
        away: mails.0,
        later: mails.1,
        never: mails.2,
        lost: mails.3,
        at_once: false,
    })
}

/// By how many seconds a clock is wrong: a little, or by up to six hours.
fn any_skew() -> impl Strategy<Value = i64> {
    prop_oneof![3 => -20_i64..20, 1 => -21_600_i64..21_600]
}

/// `moved` comes, and comes again; wakes come that nobody ordered.
async fn disturb(world: &World, event: &Event) {
    let (file, _) = event.about();
    let heard = subject::files(file.id, What::Moved, "default");
    world.publish(&heard, event);
    for _ in 0..world.random(6) {
        sleep(Duration::from_millis(world.random(900_000))).await;
        if world.random(3) == 0 {
            world.publish(&heard, event);
        } else {
            world.wake(event);
        }
    }
}

fn live(chaos: Chaos, skews: [i64; 2]) -> Result<(), TestCaseError> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let world = runtime.block_on(async {
        let world = World::new(chaos);
        let event = moved_event("incoming/a.csv");
        tokio::join!(disturb(&world, &event), async {
            // Not over before the disturbance is.
            sleep(Duration::from_millis(1)).await;
            world.run(skews).await;
        });
        world.run(skews).await;
        world
    });

    prop_assert_eq!(world.violations(), Vec::<String>::new());
    let bodies = world.bodies();
    let taken = bodies.iter().filter(|body| **body == Body::Taken).count();
    prop_assert!(taken <= 1, "{bodies:?}");
    let notified = world.notified();
    prop_assert!(notified.is_some(), "it has not ended");
    let notified = notified.unwrap();
    match notified.outcome {
        MailOutcome::Accepted => prop_assert_eq!(taken, 1),
        MailOutcome::Refused => prop_assert_eq!(taken, 0),
        MailOutcome::Unknown => prop_assert!(
            chaos.lost > 0 || world.crashes() > 0,
            "nothing was lost, and nobody died: {notified:?}"
        ),
        MailOutcome::Nobody => prop_assert!(false, "somebody was to be told"),
    }
    if chaos.never == 0 && chaos.lost == 0 && world.crashes() == 0 && chaos.later < 30 {
        prop_assert_eq!(notified.outcome, MailOutcome::Accepted);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// A body goes out only when every one before it was denied in so many words; at most one is
    /// taken; the outcome is what happened, or *unknown*; and it always ends.
    #[test]
    fn at_most_one_body_is_ever_in_doubt_and_every_mail_ends(
        chaos in any_chaos(),
        skews in [any_skew(), any_skew()],
    ) {
        live(chaos, skews)?;
    }
}
