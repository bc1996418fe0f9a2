//! What the stores behind the buckets can promise, found out by trying.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use objects::{Objects, Preconditions};
use runtime::Trouble;
use runtime::config::Config;
use runtime::config::mover::{self, After};

/// The buckets that files come from and go to.
pub struct Buckets {
    objects: Objects,
    accept_unconditional_delete: bool,
    found: Mutex<HashMap<String, Preconditions>>,
}

impl Buckets {
    /// Nothing is known yet.
    pub fn new(objects: Objects, config: &mover::Config) -> Self {
        Self {
            objects,
            accept_unconditional_delete: config.accept_unconditional_delete,
            found: Mutex::default(),
        }
    }

    /// Probes every bucket of the configuration that anything is taken from or put into, so that
    /// what is missing is said at start and not with the first file.
    pub async fn probe_all(&self, config: &Config) -> Result<(), Trouble> {
        for bucket in &config.watcher.buckets {
            for own in config.owns() {
                if config.mover.after(own) == After::Leave {
                    continue;
                }
                self.source(&bucket.name).await?;
                for rejected in [false, true] {
                    let place = config.mover.place(own, &bucket.name, rejected);
                    self.target(place.bucket).await?;
                }
            }
        }
        Ok(())
    }

    /// What holds in a bucket that files are taken from. Refused where nothing guards an upload
    /// against being deleted in the place of the file before it.
    pub async fn source(&self, bucket: &str) -> Result<Preconditions, Trouble> {
        let found = self.target(bucket).await?;
        match refusal(bucket, found, self.accept_unconditional_delete) {
            Some(reason) => Err(Trouble::Reject { reason }),
            None => Ok(found),
        }
    }

    /// What holds in a bucket that files are put into. Probed once; twice does no harm.
    pub async fn target(&self, bucket: &str) -> Result<Preconditions, Trouble> {
        let known = self.known().get(bucket).copied();
        if let Some(found) = known {
            return Ok(found);
        }
        let found = self.objects.probe(bucket).await?;
        tracing::info!(
            bucket,
            versioned = found.versioned,
            copy_if_absent = found.copy_if_absent,
            copy_source_if_match = found.copy_source_if_match,
            delete_if_match = found.delete_if_match,
            "probed the store's preconditions"
        );
        self.known().insert(bucket.to_owned(), found);
        Ok(found)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Preconditions>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why files may not be taken from a bucket, in one line.
fn refusal(bucket: &str, found: Preconditions, accept: bool) -> Option<String> {
    if found.versioned {
        return None;
    }
    if !found.copy_source_if_match {
        return Some(format!(
            "bucket `{bucket}` keeps no versions and its store ignores \
             `x-amz-copy-source-if-match`: a file could be filed away with another upload's bytes; \
             turn on the bucket's versioning"
        ));
    }
    if !found.delete_if_match && !accept {
        return Some(format!(
            "bucket `{bucket}` keeps no versions and its store ignores `If-Match` on deletes: an \
             upload that replaces a file between the mover's last look and its delete would be \
             lost; turn on the bucket's versioning, or accept the risk with `[mover] \
             accept_unconditional_delete = true`"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    // The table of measured stores: SeaweedFS 4.48, MinIO 2026-02, versitygw 1.8.
    const SEAWEEDFS: Preconditions = Preconditions {
        copy_if_absent: true,
        copy_source_if_match: true,
        delete_if_match: true,
        versioned: false,
    };
    const MINIO: Preconditions = Preconditions {
        copy_if_absent: false,
        delete_if_match: false,
        ..SEAWEEDFS
    };
    const VERSITYGW: Preconditions = Preconditions {
        copy_if_absent: false,
        ..SEAWEEDFS
    };

    #[test]
    fn a_store_that_ignores_conditional_deletes_is_refused_by_the_settings_name() {
        let line = refusal("in", MINIO, false).unwrap();
        assert!(
            line.contains("`[mover] accept_unconditional_delete = true`"),
            "{line}"
        );
        assert!(!line.contains('\n'));
        assert_eq!(refusal("in", MINIO, true), None);
    }

    #[test]
    fn versions_make_up_for_what_a_store_ignores() {
        let versioned = Preconditions {
            versioned: true,
            copy_source_if_match: false,
            ..MINIO
        };
        assert_eq!(refusal("in", versioned, false), None);
    }

    #[test]
    fn stores_that_honour_deletes_are_taken_as_they_are() {
        assert_eq!(refusal("in", SEAWEEDFS, false), None);
        assert_eq!(refusal("in", VERSITYGW, false), None);
    }

    #[test]
    fn nothing_makes_up_for_copies_of_the_wrong_version() {
        let blind = Preconditions {
            copy_source_if_match: false,
            ..SEAWEEDFS
        };
        assert!(refusal("in", blind, true).unwrap().contains("versioning"));
    }
}
