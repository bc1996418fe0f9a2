//! Which objects are files that arrive: watched buckets and prefixes, and what in them is
//! nobody's file. That Landfall's own outputs are not among them the configuration sees to.

use std::collections::BTreeMap;

use runtime::{Config, Trouble};

/// What the configuration says about where files arrive.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Prefixes by bucket; none of them lies in another.
    buckets: BTreeMap<String, Vec<String>>,
    config: Config,
}

/// Why an object is no file that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwatched {
    /// Its bucket is not watched.
    OtherBucket,
    /// Its bucket is, but none of the prefixes is its.
    OtherPrefix,
    /// It stands for a directory: its key ends in `/`.
    DirectoryMarker,
    /// Landfall has put it there.
    Output,
    /// A glob of `[watcher] ignore` matches its key, or it is a probe of the store.
    Ignored,
}

impl Unwatched {
    /// The label of metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OtherBucket => "other_bucket",
            Self::OtherPrefix => "other_prefix",
            Self::DirectoryMarker => "directory_marker",
            Self::Output => "output",
            Self::Ignored => "ignored",
        }
    }
}

impl Watched {
    /// Reads the configuration.
    pub(crate) fn new(config: &Config) -> Result<Self, Trouble> {
        let buckets: BTreeMap<String, Vec<String>> = config
            .watcher
            .buckets
            .iter()
            .map(|bucket| (bucket.name.clone(), outermost(&bucket.prefixes)))
            .collect();
        if buckets.is_empty() {
            return Err(Trouble::Reject {
                reason: "nothing is watched: name a bucket, as in `[[watcher.buckets]]` with `name = \"sensors\"`"
                    .to_owned(),
            });
        }
        Ok(Self {
            buckets,
            config: config.clone(),
        })
    }

    /// Buckets with their prefixes, to be listed.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.buckets
            .iter()
            .map(|(bucket, prefixes)| (bucket.as_str(), prefixes.as_slice()))
    }

    /// Whether an object is a file that arrives, and if not, why.
    pub(crate) fn judge(&self, bucket: &str, key: &str) -> Result<(), Unwatched> {
        let Some(prefixes) = self.buckets.get(bucket) else {
            return Err(Unwatched::OtherBucket);
        };
        if !prefixes.iter().any(|prefix| key.starts_with(prefix)) {
            return Err(Unwatched::OtherPrefix);
        }
        self.judge_name(bucket, key)
    }

    /// Whether an object that a person wants taken is a file, wherever it lies.
    pub(crate) fn judge_anywhere(&self, bucket: &str, key: &str) -> Result<(), Unwatched> {
        if self.config.is_output(bucket, key) {
            return Err(Unwatched::Output);
        }
        self.judge_name(bucket, key)
    }

    fn judge_name(&self, bucket: &str, key: &str) -> Result<(), Unwatched> {
        if key.ends_with('/') {
            return Err(Unwatched::DirectoryMarker);
        }
        // The second: what the store is tried on, by the mover and `doctor`, whatever is set.
        if self.config.watcher.ignores(bucket, key) || objects::is_probe(key) {
            return Err(Unwatched::Ignored);
        }
        Ok(())
    }

    /// The name of the profile that reads an object.
    pub(crate) fn profile(&self, bucket: &str, key: &str) -> &str {
        &self.config.profile_for(bucket, key).name
    }
}

/// Without the prefixes that another one covers, so that nothing is listed twice.
fn outermost(prefixes: &[String]) -> Vec<String> {
    let mut sorted = prefixes.to_vec();
    sorted.sort();
    let mut kept: Vec<String> = vec![];
    for prefix in sorted {
        // Sorted, whatever covers a prefix stands before it.
        if !kept.iter().any(|outer| prefix.starts_with(outer)) {
            kept.push(prefix);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
