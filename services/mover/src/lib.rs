//! The mover: files away what ingest is done with, to `processed/` or `rejected/`.
//!
//! Its one promise is that it never removes a version's last copy (unless its owner had deleted or
//! replaced it), nor puts it under another's name. [`progress`] decides what is done when, without
//! I/O; [`filing`] does it, or [`source`] where an object is left or deleted by choice; [`refiling`] is the move of a replay; [`claim`] keeps two files apart
//! that want one name; [`buckets`] finds out what the store can promise.

pub mod buckets;
pub mod claim;
pub mod filing;
pub mod progress;
pub mod refiling;
pub mod source;
mod step;

pub use step::Mover;
