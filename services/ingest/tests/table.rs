//! The table, from bytes to readings.

mod gzip;
mod number;
mod refusal;
mod round_trip;
mod time;
