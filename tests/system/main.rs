//! The whole of Landfall on real servers.

mod audit;
mod chaos;
mod commands;
mod crash_loop;
mod crowd;
mod delay;
mod destinations;
mod dev;
mod keys;
mod kills;
mod limits;
mod matrix;
mod order;
mod permissions;
mod refused;
mod repeated;
mod sensors;
mod superseded;
mod sweep;
mod way;
