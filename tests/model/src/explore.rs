//! Explores a model to its last state, and says what was found.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

/// What the whole exploration of a model came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explored {
    /// How many different states the checker has seen.
    pub states: usize,
    /// How many steps the longest way took that it went.
    pub depth: usize,
    /// Properties that do not hold, each with the steps of a way on which it breaks; and what
    /// should have been seen and was not, with no steps.
    pub broken: Vec<(&'static str, Vec<String>)>,
}

/// Explores the whole model, however many states it has.
///
/// # Panics
///
/// Where another search, which shares nothing with the checker's, counts other states (then the
/// checker has not seen them all), and where a way leads back to a state that it came from. In a
/// model without such ways every way ends, and where each ends well all end well; with them a
/// property of the last states alone says nothing about who goes round for ever.
pub fn explore<M>(model: M) -> Explored
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let counted = count(&model);
    let properties = model.properties();
    let checker = model.checker().spawn_dfs().join();
    let broken: Vec<_> = properties
        .iter()
        .filter_map(|property| {
            let found = checker.discovery(property.name);
            match (&property.expectation, found) {
                (Expectation::Sometimes, None) => Some((property.name, vec![])),
                (Expectation::Sometimes, Some(_)) | (_, None) => None,
                (_, Some(path)) => Some((property.name, steps(&path.into_actions()))),
            }
        })
        .collect();
    let states = checker.unique_state_count();
    assert!(
        !broken.is_empty() || states == counted,
        "the checker saw {states} states of {counted}"
    );
    Explored {
        states,
        depth: checker.max_depth(),
        broken,
    }
}

/// A way on which a property breaks, step by step: of the shortest, or little longer. None if it
/// holds in every state.
///
/// # Panics
///
/// Where the model has no property of this name.
pub fn find<M>(model: M, property: &'static str) -> Option<Vec<String>>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let property: Property<M> = model.property(property);
    let until = HasDiscoveries::AllOf([property.name].into());
    let checker = model.checker().finish_when(until).spawn_bfs().join();
    let path = checker.discovery(property.name)?;
    Some(steps(&path.into_actions()))
}

fn steps<A: Debug>(actions: &[A]) -> Vec<String> {
    actions.iter().map(|action| format!("{action:?}")).collect()
}

/// Counts the states of a model, depth first.
fn count<M>(model: &M) -> usize
where
    M: Model,
    M::State: Hash,
{
    /// Whether the way that is being gone leads through a state.
    struct OnTheWay(bool);

    let mut seen: HashMap<u64, OnTheWay> = HashMap::new();
    // Each state on the way, and those that come after it and were not looked at yet.
    let mut way: Vec<(u64, Vec<M::State>)> = vec![(0, model.init_states())];
    while let Some((here, after)) = way.last_mut() {
        let Some(state) = after.pop() else {
            seen.insert(*here, OnTheWay(false));
            way.pop();
            continue;
        };
        let digest = digest(&state);
        match seen.entry(digest) {
            Entry::Vacant(entry) => {
                entry.insert(OnTheWay(true));
                way.push((digest, model.next_states(&state)));
            }
            Entry::Occupied(entry) => assert!(!entry.get().0, "a way leads round in a circle"),
        }
    }
    // The way itself has an entry.
    seen.len() - 1
}

fn digest<S: Hash>(state: &S) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts to three, and perhaps begins anew.
    #[derive(Clone)]
    struct Counter {
        round: bool,
    }

    impl Model for Counter {
        type State = u8;
        type Action = ();

        fn init_states(&self) -> Vec<u8> {
            vec![0]
        }

        fn actions(&self, state: &u8, actions: &mut Vec<()>) {
            actions.extend((*state < 3 || self.round).then_some(()));
        }

        fn next_state(&self, before: &u8, (): ()) -> Option<u8> {
            Some((before + 1) % 4)
        }

        fn properties(&self) -> Vec<Property<Self>> {
            vec![
                Property::always("not two", |_, state| *state != 2),
                Property::sometimes("nine", |_, state| *state == 9),
                Property::always("below four", |_, state| *state < 4),
            ]
        }
    }

    #[test]
    fn what_breaks_and_what_is_never_seen_is_told() {
        let explored = explore(Counter { round: false });
        let broken: Vec<_> = explored.broken.iter().map(|(name, _)| *name).collect();
        assert_eq!(explored.states, 4);
        assert_eq!(broken, ["not two", "nine"]);
        let steps = vec!["()".to_owned(); 2];
        assert_eq!(find(Counter { round: false }, "not two"), Some(steps));
        assert_eq!(find(Counter { round: false }, "below four"), None);
    }

    #[test]
    #[should_panic(expected = "a way leads round in a circle")]
    fn a_way_without_end_is_told() {
        explore(Counter { round: true });
    }
}
