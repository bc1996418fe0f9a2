//! Secrets, from the setting itself or from a file, and nowhere to be seen.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A secret: a string, or `{ file = "path" }` whose content (without the last line break) it is.
/// Printed, logged and serialised it is `***`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// A secret from a string.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The secret itself, for the library that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or { file = \"path\" }")]
enum Written {
    Text(String),
    File { file: PathBuf },
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(Self::new(text)),
            Written::File { file } => match std::fs::read_to_string(&file) {
                Ok(text) => Ok(Self::new(text.trim_end_matches(['\r', '\n']))),
                Err(error) => Err(serde::de::Error::custom(format_args!(
                    "cannot read the secret's file {}: {error}",
                    file.display()
                ))),
            },
        }
    }
}
