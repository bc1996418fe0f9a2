//! Ingest: reads a file that arrived, decides once what becomes of it, and stores its readings.
//!
//! ```text
//! arrived ─► first pass ─► decision (journal) ─► readings, refused rows ─► ingested
//!                │              │                     │                     rejected
//!              source        obeyed by all         second pass,           superseded
//!                            later tries           if they are many
//!
//! commanded ─► which command counts (journal) ─► the same, from a copy; or the way before's
//!                                                outcome; or a retraction
//! ```
//!
//! [`table`] is the core, without I/O: from an object's bytes to readings. [`Ingest`] is the shell:
//! [`way`] is what it is about, [`source`] reads, [`decision`] is what is decided, [`journal`] keeps
//! it, [`writer`] and [`shelf`] do it, in the [`memory`] that all files share.

pub mod decision;
pub mod journal;
mod measure;
pub mod memory;
pub mod shelf;
pub mod source;
mod step;
pub mod table;
pub mod way;
pub mod writer;

pub use step::Ingest;
