//! Ingest: reads a file that arrived, decides once what becomes of it, and stores its readings.

pub mod table;
