//! The step on a real store: decide once, obey, write.

mod commands;
mod crashes;
mod outcomes;
mod parts;
mod refused_rows;
mod service;
mod together;
