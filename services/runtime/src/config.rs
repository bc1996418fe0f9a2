//! The configuration: one TOML file for the whole installation, and `LANDFALL_*` over it.
//!
//! Every service reads the whole file and refuses what it does not know, so that a misspelt
//! section does not pass in silence. A setting `[nats] password` is `LANDFALL_NATS__PASSWORD` in
//! the environment; a secret may also be `{ file = "/run/secrets/nats" }`.

pub mod ingest;
pub mod mover;
pub mod nats;
pub mod notifier;
pub mod objects;
pub mod period;
pub mod profile;
pub mod secret;
pub mod service;
pub mod store;
pub mod watcher;

use serde::{Deserialize, Serialize};

pub use profile::Profile;

/// Everything that can be set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How every service runs.
    pub service: service::Config,
    /// NATS.
    pub nats: nats::Config,
    /// Object storage.
    pub objects: objects::Config,
    /// Where readings and journals are.
    pub store: store::Config,
    /// The watcher.
    pub watcher: watcher::Config,
    /// Ingest.
    pub ingest: ingest::Config,
    /// The mover.
    pub mover: mover::Config,
    /// The notifier.
    pub notifier: notifier::Config,
    /// How files look; the first that matches a file reads it. The built-in `default` is last.
    pub profiles: Vec<Profile>,
}
