//! The table, from bytes to readings.

mod gzip;
mod header;
mod number;
mod real_files;
mod refusal;
mod rejects;
mod round_trip;
mod time;
