//! The whole of Landfall on real servers.

mod audit;
mod chaos;
mod commands;
mod delay;
mod destinations;
mod keys;
mod kills;
mod order;
mod permissions;
mod refused;
mod sensors;
mod superseded;
mod sweep;
mod way;
