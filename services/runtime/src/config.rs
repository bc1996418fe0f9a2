//! The configuration: one TOML file for the whole installation, and `LANDFALL_*` over it.
//!
//! Every service reads the whole file and refuses what it does not know, so that a misspelt
//! section does not pass in silence. A setting `[nats] password` is `LANDFALL_NATS__PASSWORD` in
//! the environment; a secret may also be `{ file = "/run/secrets/nats" }`.

pub mod address;
mod forms;
pub mod glob;
pub mod ingest;
pub mod mover;
pub mod nats;
pub mod notifier;
pub mod objects;
pub mod period;
pub mod profile;
mod read;
mod rules;
pub mod secret;
pub mod service;
pub mod store;
pub mod tracing;
mod tree;
pub mod watcher;
mod wrong;

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use profile::Profile;
pub use secret::Secret;
pub use wrong::{Place, Wrong};

/// Read where no other file is named.
const FILE: &str = "landfall.toml";

/// What stands at the top of the file.
const SECTIONS: [&str; 10] = [
    "service", "nats", "objects", "store", "tracing", "watcher", "ingest", "mover", "notifier",
    "profiles",
];

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
    /// Where spans go.
    pub tracing: tracing::Config,
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

impl Config {
    /// Reads the file (`landfall.toml` if none is named and it exists) and the environment's
    /// `LANDFALL_*` over it, and refuses what is unknown or wrong.
    pub fn load(file: Option<&Path>) -> Result<Self, Wrong> {
        let (path, needed) = match file {
            Some(path) => (path, true),
            None => (Path::new(FILE), false),
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if !needed && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                let path = path.display();
                return Err(Wrong::new("", format!("cannot read {path}: {error}")));
            }
        };
        let mut variables = vec![];
        for (name, text) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match text.into_string() {
                Ok(text) => variables.push((name, text)),
                Err(_) if name.starts_with("LANDFALL_") => {
                    let place = Place::Variable(name);
                    return Err(Wrong::new("", "is not UTF-8").at("", &place));
                }
                Err(_) => {}
            }
        }
        Self::read(path, &text, variables)
    }

    /// [`Config::load`] for a text and variables that are at hand.
    pub fn read(
        file: &Path,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Wrong> {
        let mut root = tree::file(file, text)?;
        tree::overlay(&mut root, variables, &SECTIONS)?;
        let node = tree::Node {
            place: Place::Line(file.into(), 1),
            value: tree::Value::Table(root.clone()),
        };
        let config = Self::deserialize(read::Setting::root(&node))?;
        rules::check(&config).map_err(|wrong| match tree::place(&root, &wrong.setting) {
            Some(place) => wrong.at("", place),
            // It is as wrong as its default, beside something else that is set.
            None => wrong,
        })?;
        Ok(config)
    }

    /// The effective configuration as TOML, secrets masked.
    pub fn shown(&self) -> String {
        match toml::to_string(self) {
            Ok(text) => text,
            Err(error) => format!("# cannot be shown: {error}\n"),
        }
    }

    /// The profile that reads a file: the first that matches, the built-in one if none does.
    pub fn profile_for(&self, bucket: &str, key: &str) -> &Profile {
        self.profiles
            .iter()
            .find(|profile| profile.matches(bucket, key))
            .unwrap_or_else(|| Profile::built_in())
    }

    /// A profile by its name.
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles
            .iter()
            .chain([Profile::built_in()])
            .find(|profile| profile.name == name)
    }

    /// What the mover is told of a file apart, by the name of the profile that reads it.
    pub fn own(&self, profile: &str) -> &mover::Own {
        &self.profile(profile).unwrap_or(Profile::built_in()).mover
    }

    /// What the mover is told of every file and of some apart.
    pub fn owns(&self) -> impl Iterator<Item = &mover::Own> {
        let profiles = self.profiles.iter().chain([Profile::built_in()]);
        profiles.map(|profile| &profile.mover)
    }

    /// Whether no file is ever moved or deleted.
    pub fn leaves_everything(&self) -> bool {
        self.owns()
            .all(|own| self.mover.after(own) == mover::After::Leave)
    }

    /// Everywhere that a file from the bucket `source` is filed now, each place once.
    pub fn targets<'a>(&'a self, source: &'a str) -> BTreeSet<mover::Place<'a>> {
        self.owns()
            .flat_map(|own| [false, true].map(|rejected| self.mover.place(own, source, rejected)))
            .collect()
    }

    /// Everywhere that such a file may have been filed, each place once; its own bucket is among
    /// them, where nothing may have been set when it was filed.
    pub fn places<'a>(&'a self, source: &'a str) -> BTreeSet<mover::Place<'a>> {
        let bucket = source;
        let targets = self.targets(source).into_iter();
        targets
            .flat_map(|place| [place, mover::Place { bucket, ..place }])
            .collect()
    }

    /// Whether an object lies where Landfall puts things: files that are done with, rejected rows.
    pub fn is_output(&self, bucket: &str, key: &str) -> bool {
        let watched = self.watcher.buckets.iter();
        let sources = watched.map(|watched| watched.name.as_str()).chain([bucket]);
        let mut places = sources.flat_map(|source| self.targets(source));
        places.any(|place| {
            let rows = &self.ingest.rejected_rows;
            place.bucket == bucket && (key.starts_with(place.prefix) || key.starts_with(rows))
        })
    }

    /// Every place where files are filed, whichever watched bucket they came from.
    pub fn all_places(&self) -> BTreeSet<mover::Place<'_>> {
        let watched = self.watcher.buckets.iter();
        watched
            .flat_map(|bucket| self.places(&bucket.name))
            .collect()
    }
}

#[cfg(test)]
mod tests;
