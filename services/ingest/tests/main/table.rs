//! The table, from bytes to readings.

mod any_bytes;
mod cells;
mod gzip;
mod header;
mod number;
mod real_files;
mod refusal;
mod rejects;
mod round_trip;
mod time;

pub(crate) use gzip::pack;
