//! The whole of Landfall on real servers.

mod audit;
mod backfill;
mod changed;
mod chaos;
mod commands;
mod crash_loop;
mod crowd;
mod delay;
mod destinations;
mod dev;
mod durability;
mod keys;
mod killed_database;
mod kills;
mod limits;
mod matrix;
mod order;
mod outages;
mod refused;
mod repeated;
mod replaced;
mod replay;
mod sensors;
mod superseded;
mod sweep;
mod way;
