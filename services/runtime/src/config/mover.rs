//! The mover.

use serde::{Deserialize, Serialize};

/// `[mover]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What becomes of an object whose readings are stored.
    pub after: After,
    /// Bucket for the files that are done with; the one they came from unless set.
    pub target_bucket: Option<String>,
    /// Bucket for those that were rejected; that of the others unless set.
    pub rejected_bucket: Option<String>,
    /// Prefix of files that were ingested.
    pub processed: String,
    /// Prefix of files that were rejected.
    pub rejected: String,
    /// Accept a store that ignores conditional deletes in an unversioned bucket: an upload that
    /// replaces the file between the last look and the delete is then lost.
    pub accept_unconditional_delete: bool,
}

/// A profile's `mover = { … }`: what goes before `[mover]` for its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Own {
    /// Before `[mover] after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
    /// Before `[mover] target_bucket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bucket: Option<String>,
    /// Before `[mover] rejected_bucket`, as `target_bucket` is where that is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_bucket: Option<String>,
    /// Before `[mover] processed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processed: Option<String>,
    /// Before `[mover] rejected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
}

/// What becomes of an object whose readings are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    /// It is copied to its place, and deleted where it was.
    #[default]
    Move,
    /// It stays where it is, whatever came of it.
    Leave,
    /// It is deleted; its readings are then in the database alone. One that was rejected is in no
    /// database, and is moved all the same.
    Delete,
}

/// Where files of one kind are filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// What stands before their keys.
    pub prefix: &'a str,
}

impl Config {
    /// What becomes of files whose profile has these settings of its own.
    pub fn after(&self, own: &Own) -> After {
        own.after.unwrap_or(self.after)
    }

    /// Where such a file is filed that came from the bucket `source`.
    pub fn place<'a>(&'a self, own: &'a Own, source: &'a str, rejected: bool) -> Place<'a> {
        let target = own.target_bucket.as_ref();
        if !rejected {
            return Place {
                bucket: target
                    .or(self.target_bucket.as_ref())
                    .map_or(source, |name| name),
                prefix: own.processed.as_ref().unwrap_or(&self.processed),
            };
        }
        let bucket = own.rejected_bucket.as_ref().or(target);
        let bucket = bucket.or(self.rejected_bucket.as_ref());
        Place {
            bucket: bucket
                .or(self.target_bucket.as_ref())
                .map_or(source, |name| name),
            prefix: own.rejected.as_ref().unwrap_or(&self.rejected),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            after: After::Move,
            target_bucket: None,
            rejected_bucket: None,
            processed: "processed/".to_owned(),
            rejected: "rejected/".to_owned(),
            accept_unconditional_delete: false,
        }
    }
}
