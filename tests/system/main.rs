//! The whole of Landfall on real servers.

mod delay;
mod destinations;
mod keys;
mod order;
mod permissions;
mod refused;
mod sensors;
mod superseded;
mod sweep;
mod way;
