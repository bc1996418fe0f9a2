//! Explores every model much further than the tests do: `make soak`.

use std::fmt::Debug;
use std::hash::Hash;
use std::process::ExitCode;

use model::{command, decision, filing, mail, order, outcome, refiling, sweep, way};
use stateright::Model;

fn main() -> ExitCode {
    let weaker = None;
    let bounds = outcome::Bounds::DEEP;
    let mut all = holds("outcome", outcome::Outcome { bounds, weaker });
    let weaker = None;
    for (name, bounds) in [
        ("order", order::Bounds::DEEP),
        ("order, versioned", order::Bounds::DEEP_VERSIONED),
    ] {
        all &= holds(name, order::Order { bounds, weaker });
    }
    let (bounds, weaker) = (sweep::Bounds::DEEP, None);
    all &= holds("sweep", sweep::Sweep { bounds, weaker });
    let weaker = None;
    for bounds in decision::Bounds::DEEP.sorts() {
        all &= holds("decision", decision::Deciding { bounds, weaker });
    }
    let (bounds, weaker) = (command::Bounds::DEEP, None);
    all &= holds("command", command::Commands { bounds, weaker });
    let (bounds, weaker) = (refiling::Bounds::DEEP, None);
    all &= holds("refiling", refiling::Refiling { bounds, weaker });
    let weaker = None;
    for (name, bounds) in filing::Bounds::ALL {
        let bounds = bounds.deep();
        all &= holds(name, filing::Filing { bounds, weaker });
    }
    let (bounds, weaker) = (mail::Bounds::DEEP, None);
    all &= holds("mail", mail::Mail { bounds, weaker });
    let weaker = None;
    for (name, bounds) in way::Bounds::DEEP {
        all &= holds(name, way::Way { bounds, weaker });
    }
    if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Explores a model, and says what was found.
fn holds<M>(name: &str, model: M) -> bool
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let explored = model::explore(model);
    println!(
        "{name}: {} states, {} steps deep",
        explored.states, explored.depth
    );
    for (property, steps) in &explored.broken {
        println!("  {property}, broken by\n    {}", steps.join("\n    "));
    }
    explored.broken.is_empty()
}
