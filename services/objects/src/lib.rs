//! Object storage: the S3 client, set up once; reads that resume; writes, copies and deletes with
//! preconditions; and what a bucket's store makes of those preconditions.
//!
//! Every request goes through one place ([`Objects`]' `call`), which bounds how many are under
//! way, how long each may take, measures it, and sorts what can go wrong into [`Error`]. Where one
//! object may be to blame instead of the store, another is asked (`blame`). [`archive`] is where
//! Landfall files files away; [`rights`] is who makes which requests, and [`Trial`] tries them.

pub mod archive;
mod blame;
mod call;
mod client;
mod encoding;
mod error;
mod head;
mod list;
mod parts;
mod probe;
mod read;
pub mod rights;
pub mod trial;
mod upload;
mod write;

pub use client::Objects;
pub use encoding::metadata_value;
pub use error::{Error, Result};
pub use head::{Head, Kms};
pub use list::Listed;
pub use probe::{PROBE_PREFIX, Preconditions, is_probe};
pub use read::Body;
pub use trial::Trial;
pub use upload::Uploaded;
pub use write::{Copy, Removal};
