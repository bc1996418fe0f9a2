//! The contract between Landfall's services: events, subjects, streams, consumers and rights.
//!
//! Nothing here does I/O. Everything that is written down elsewhere (JSON Schemas, the AsyncAPI
//! document, NATS permissions, golden examples) is generated from this crate, and a test fails
//! when it differs.

pub mod artefact;
pub mod asyncapi;
pub mod backfill;
pub mod consumer;
pub mod event;
pub mod example;
pub mod file;
pub mod header;
pub mod nats;
pub mod schema;
pub mod stream;
pub mod subject;
pub mod user;

pub use event::{Data, Event, What};
pub use file::{File, FileId, Version};
pub use user::User;
