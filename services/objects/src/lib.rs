//! Object storage: the S3 client, set up once; reads that resume; the safe move.

mod client;
mod error;

pub use client::{Body, Head, Listed, Objects};
pub use error::{Error, Result};
