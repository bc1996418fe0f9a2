//! What every model is asked.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::Model;

use crate::{explore, find};

/// Every property holds in every state, and there are at least so many states.
pub(crate) fn holds<M>(name: &str, model: M, at_least: usize)
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let explored = explore(model);
    let broken = explored.broken.iter();
    let broken = broken.map(|(property, steps)| format!("{property}, by {}", steps.join(" ")));
    let broken: Vec<String> = broken.collect();
    assert!(broken.is_empty(), "{name}: {}", broken.join("\n"));
    println!("{name}: {} states", explored.states);
    assert!(explored.states > at_least, "{explored:?}");
}

/// The search finds a way on which a property breaks.
pub(crate) fn breaks<M>(model: M, property: &'static str)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let steps = find(model, property).expect("a way on which the property breaks");
    println!("{property}, broken by\n  {}", steps.join("\n  "));
    assert!(!steps.is_empty(), "it was broken from the start");
}
