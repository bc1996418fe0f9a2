//! The protocol as small models, each explored to its last state.

pub mod decision;
mod explore;
pub mod filing;
pub mod order;
pub mod outcome;
pub mod sweep;

pub use explore::{Explored, explore, find};

#[cfg(test)]
mod tests;
