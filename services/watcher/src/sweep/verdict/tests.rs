use proptest::prelude::*;

use super::*;

const NOON: i64 = 1_795_348_800;
const STUCK_AFTER: i64 = 900;

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(NOON + second).unwrap()
}

fn patience(now: i64) -> Patience {
    Patience {
        now: second(now),
        stuck_after: Duration::from_secs(900),
    }
}

fn heard(what: What, sequence: u64, time: i64) -> Heard {
    Heard {
        what,
        sequence,
        time: second(time),
    }
}

const CAUGHT_UP: Horizon = Horizon {
    last: 100,
    ingest: 100,
    mover: 100,
};

/// The verdict on a file whose `arrived` was published as 10 at noon, an hour later.
fn verdict(events: &[Heard], horizon: &Horizon) -> Verdict {
    let patience = patience(3600);
    let mut suspect = Suspect::new(10, second(0), horizon, &patience).unwrap();
    for event in events {
        suspect.hear(*event);
    }
    suspect.verdict(horizon, &patience)
}

#[test]
fn what_ingest_acknowledged_and_nothing_came_of_is_stuck() {
    assert_eq!(
        verdict(&[heard(What::Arrived, 10, 0)], &CAUGHT_UP),
        Verdict::Stuck
    );
    // The event may be gone by age; the mark remembers it.
    assert_eq!(verdict(&[], &CAUGHT_UP), Verdict::Stuck);
}

#[test]
fn what_the_mover_acknowledged_and_nothing_came_of_is_stuck() {
    for what in [What::Ingested, What::Rejected] {
        let events = [heard(What::Arrived, 10, 0), heard(what, 20, 5)];
        assert_eq!(verdict(&events, &CAUGHT_UP), Verdict::Stuck);
    }
}

#[test]
fn what_waits_for_the_mover_is_left_alone_however_old_it_is() {
    let behind = Horizon {
        mover: 19,
        ..CAUGHT_UP
    };
    let events = [heard(What::Arrived, 10, 0), heard(What::Ingested, 20, 5)];
    assert_eq!(verdict(&events, &behind), Verdict::Waiting);
}

#[test]
fn what_waits_for_the_mover_is_left_alone_though_arrived_came_once_more() {
    let behind = Horizon {
        mover: 19,
        ..CAUGHT_UP
    };
    // Ingest acknowledged the second one, and said nothing to it: it came too soon.
    let events = [
        heard(What::Arrived, 10, 0),
        heard(What::Ingested, 20, 5),
        heard(What::Arrived, 30, 10),
    ];
    assert_eq!(verdict(&events, &behind), Verdict::Waiting);
    assert_eq!(verdict(&events, &CAUGHT_UP), Verdict::Stuck);
    // So it is where the first one was of a stream that is no more.
    let anew = Horizon {
        last: 5,
        ingest: 5,
        mover: 1,
    };
    let mut suspect = Suspect::new(10, second(0), &anew, &patience(3600)).unwrap();
    suspect.hear(heard(What::Ingested, 2, 5));
    suspect.hear(heard(What::Arrived, 3, 10));
    assert_eq!(suspect.verdict(&anew, &patience(3600)), Verdict::Waiting);
}

#[test]
fn what_waits_for_ingest_is_not_even_suspected() {
    let behind = Horizon {
        ingest: 9,
        ..CAUGHT_UP
    };
    assert_eq!(Suspect::new(10, second(0), &behind, &patience(3600)), None);
}

#[test]
fn a_mover_that_is_behind_makes_nobody_suspect() {
    let behind = Horizon {
        mover: 9,
        ..CAUGHT_UP
    };
    assert_eq!(Suspect::new(10, second(0), &behind, &patience(3600)), None);
}

#[test]
fn what_is_young_is_left_alone() {
    let young = patience(STUCK_AFTER - 1);
    assert_eq!(Suspect::new(10, second(0), &CAUGHT_UP, &young), None);
    assert!(Suspect::new(10, second(0), &CAUGHT_UP, &patience(STUCK_AFTER)).is_some());
    // Its last event counts, not its first.
    let events = [heard(What::Arrived, 10, 0), heard(What::Ingested, 90, 3000)];
    assert_eq!(verdict(&events, &CAUGHT_UP), Verdict::Waiting);
    let again = [heard(What::Arrived, 10, 0), heard(What::Arrived, 95, 3000)];
    assert_eq!(verdict(&again, &CAUGHT_UP), Verdict::Waiting);
}

#[test]
fn what_has_ended_stays_ended_whatever_is_said_again() {
    for what in [What::Failed, What::Superseded, What::Moved, What::Notified] {
        let events = [
            heard(What::Arrived, 10, 0),
            heard(what, 20, 5),
            heard(What::Arrived, 30, 10),
            heard(What::Ingested, 31, 11),
        ];
        assert_eq!(verdict(&events, &CAUGHT_UP), Verdict::Ended(what));
    }
}

#[test]
fn a_mark_beyond_the_streams_end_is_of_a_stream_that_is_no_more() {
    let anew = Horizon {
        last: 5,
        ingest: 5,
        mover: 5,
    };
    let suspect = Suspect::new(10, second(0), &anew, &patience(3600)).unwrap();
    assert_eq!(suspect.read_from(&anew), 1);
    assert_eq!(suspect.verdict(&anew, &patience(3600)), Verdict::Stuck);
    // Unless the stream was only read too early.
    let later = Horizon { last: 10, ..anew };
    assert_eq!(suspect.read_from(&later), 10);
    assert_eq!(suspect.verdict(&later, &patience(3600)), Verdict::Waiting);
}

/// How far a file has come, and what became of the last message about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Ingest has not acknowledged it.
    BeforeIngest,
    /// Ingest has acknowledged it, and its output was lost.
    LostByIngest,
    /// The mover has not acknowledged it.
    BeforeMover,
    /// The mover has acknowledged it, and its output was lost.
    LostByMover,
    /// It failed.
    Failed,
    /// It was moved.
    Moved,
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::BeforeIngest),
        Just(State::LostByIngest),
        Just(State::BeforeMover),
        Just(State::LostByMover),
        Just(State::Failed),
        Just(State::Moved),
    ]
}

/// How far a consumer has acknowledged, from what it has not; as the history takes it down.
fn floor(unacknowledged: impl Iterator<Item = u64>, last: u64) -> u64 {
    unacknowledged.min().map_or(last, |first| first - 1)
}

proptest! {
    /// Files in any state, with `arrived` all before or mixed with the rest: only what is lost is
    /// stuck, and where nobody waits before it, all of it.
    #[test]
    fn only_what_is_lost_is_ever_stuck(
        states in prop::collection::vec(state(), 1..60),
        mixed in any::<bool>(),
    ) {
        let mut stream: Vec<(usize, What)> = vec![];
        let first = |stream: &mut Vec<_>, file| stream.push((file, What::Arrived));
        let rest = |stream: &mut Vec<_>, file, state: State| match state {
            State::BeforeIngest | State::LostByIngest => {}
            State::BeforeMover | State::LostByMover => stream.push((file, What::Ingested)),
            State::Failed => stream.push((file, What::Failed)),
            State::Moved => stream.extend([(file, What::Ingested), (file, What::Moved)]),
        };
        if mixed {
            for (file, state) in states.iter().enumerate() {
                first(&mut stream, file);
                rest(&mut stream, file, *state);
            }
        } else {
            for file in 0..states.len() {
                first(&mut stream, file);
            }
            for (file, state) in states.iter().enumerate() {
                rest(&mut stream, file, *state);
            }
        }
        let sequence = |index: usize| u64::try_from(index + 1).unwrap();
        let last = sequence(stream.len() - 1);
        let unacknowledged = |what: What, state: State| {
            let stream = stream.iter().enumerate();
            let states = &states;
            stream
                .filter(move |(_, said)| said.1 == what && states[said.0] == state)
                .map(move |(index, _)| sequence(index))
        };
        let horizon = Horizon {
            last,
            ingest: floor(unacknowledged(What::Arrived, State::BeforeIngest), last),
            mover: floor(unacknowledged(What::Ingested, State::BeforeMover), last),
        };
        let patience = patience(3600);
        let nobody_waits = horizon.ingest == last && horizon.mover == last;
        for (file, state) in states.iter().enumerate() {
            let arrived = stream.iter().position(|said| *said == (file, What::Arrived));
            let arrived = sequence(arrived.unwrap());
            let verdict = Suspect::new(arrived, second(0), &horizon, &patience).map(|mut suspect| {
                for (index, (about, what)) in stream.iter().enumerate() {
                    if *about == file && sequence(index) >= suspect.read_from(&horizon) {
                        suspect.hear(heard(*what, sequence(index), 0));
                    }
                }
                suspect.verdict(&horizon, &patience)
            });
            let lost = matches!(state, State::LostByIngest | State::LostByMover);
            if lost {
                prop_assert!(!matches!(verdict, Some(Verdict::Ended(_))));
                prop_assert!(!nobody_waits || verdict == Some(Verdict::Stuck));
            } else {
                prop_assert_ne!(verdict, Some(Verdict::Stuck));
            }
            if nobody_waits && *state == State::Failed {
                prop_assert_eq!(verdict, Some(Verdict::Ended(What::Failed)));
            }
        }
    }
}
