//! Which objects are files that arrive: watched buckets and prefixes, and what in them is
//! nobody's file.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use runtime::{Config, Trouble};

/// What the configuration says about where files arrive.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Prefixes by bucket; none of them lies in another.
    buckets: BTreeMap<String, Vec<String>>,
    /// Globs with a `/`, for the whole key.
    ignored_keys: GlobSet,
    /// Globs without one, for the key's last part.
    ignored_names: GlobSet,
    profiles: Vec<ProfileOf>,
}

#[derive(Debug)]
struct ProfileOf {
    name: String,
    bucket: GlobMatcher,
    key: GlobMatcher,
}

/// Why an object is no file that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unwatched {
    /// Its bucket is not watched.
    OtherBucket,
    /// Its bucket is, but none of the prefixes is its.
    OtherPrefix,
    /// It stands for a directory: its key ends in `/`.
    DirectoryMarker,
    /// A glob of `[watcher] ignore` matches its key.
    Ignored,
}

impl Unwatched {
    /// The label of metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OtherBucket => "other_bucket",
            Self::OtherPrefix => "other_prefix",
            Self::DirectoryMarker => "directory_marker",
            Self::Ignored => "ignored",
        }
    }
}

/// The profile that reads what no other is for.
const DEFAULT_PROFILE: &str = "default";

impl Watched {
    /// Reads the configuration. Refuses one under which Landfall would take its own outputs for
    /// files that arrive.
    pub(crate) fn new(config: &Config) -> Result<Self, Trouble> {
        let mut buckets = BTreeMap::<String, Vec<String>>::new();
        for bucket in &config.watcher.buckets {
            let prefixes = buckets.entry(bucket.name.clone()).or_default();
            prefixes.extend(bucket.prefixes.iter().cloned());
        }
        if buckets.values().all(Vec::is_empty) {
            return Err(reject(
                "nothing is watched: name a bucket, as in `[[watcher.buckets]]` `name = \"sensors\"`",
            ));
        }
        refuse_own_outputs(config, &buckets)?;
        for prefixes in buckets.values_mut() {
            *prefixes = outermost(prefixes);
        }
        let (keys, names): (Vec<_>, Vec<_>) = config
            .watcher
            .ignore
            .iter()
            .partition(|glob| glob.contains('/'));
        Ok(Self {
            buckets,
            ignored_keys: glob_set(&keys)?,
            ignored_names: glob_set(&names)?,
            profiles: profiles(config)?,
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
        if key.ends_with('/') {
            return Err(Unwatched::DirectoryMarker);
        }
        let name = key.rsplit('/').next().unwrap_or(key);
        if self.ignored_keys.is_match(key) || self.ignored_names.is_match(name) {
            return Err(Unwatched::Ignored);
        }
        Ok(())
    }

    /// The name of the profile that reads an object: the first that matches.
    pub(crate) fn profile(&self, bucket: &str, key: &str) -> &str {
        self.profiles
            .iter()
            .find(|profile| profile.bucket.is_match(bucket) && profile.key.is_match(key))
            .map_or(DEFAULT_PROFILE, |profile| &profile.name)
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

/// What Landfall writes must not look like what arrives: it would be filed for ever.
fn refuse_own_outputs(
    config: &Config,
    buckets: &BTreeMap<String, Vec<String>>,
) -> Result<(), Trouble> {
    let targets: BTreeSet<&str> = buckets
        .keys()
        .flat_map(|bucket| targets(config, bucket))
        .collect();
    let outputs = [
        ("[mover] processed", &config.mover.processed),
        ("[mover] rejected", &config.mover.rejected),
        ("[ingest] rejected_rows", &config.ingest.rejected_rows),
    ];
    for (bucket, prefixes) in buckets {
        for prefix in prefixes {
            for (setting, output) in outputs {
                let overlap = prefix.starts_with(output) || output.starts_with(prefix);
                if overlap && targets.contains(bucket.as_str()) {
                    return Err(reject(&format!(
                        "the watched prefix `{prefix}` of bucket `{bucket}` and {setting} = `{output}` overlap, \
                         so Landfall would take its own outputs for new files: \
                         watch another prefix, or let outputs go to another bucket ([mover] target_bucket)"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// The buckets that get the outputs of a watched bucket's files.
fn targets<'a>(config: &'a Config, watched: &'a str) -> impl Iterator<Item = &'a str> {
    let general = config.mover.target_bucket.as_deref().unwrap_or(watched);
    config
        .profiles
        .iter()
        .filter_map(|profile| profile.target_bucket.as_deref())
        .chain([general])
}

fn profiles(config: &Config) -> Result<Vec<ProfileOf>, Trouble> {
    let matcher = |profile: &runtime::config::Profile, setting: &str, glob: &str| {
        compile(glob)
            .map(|glob| glob.compile_matcher())
            .map_err(|error| reject(&format!("profile `{}`: {setting}: {error}", profile.name)))
    };
    config
        .profiles
        .iter()
        .map(|profile| {
            Ok(ProfileOf {
                name: profile.name.clone(),
                bucket: matcher(profile, "bucket", &profile.bucket)?,
                key: matcher(profile, "key", &profile.key)?,
            })
        })
        .collect()
}

fn glob_set(globs: &[&String]) -> Result<GlobSet, Trouble> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(compile(glob).map_err(|error| reject(&format!("[watcher] ignore: {error}")))?);
    }
    set.build()
        .map_err(|error| reject(&format!("[watcher] ignore: {error}")))
}

/// `*` does not cross `/`, `**` does.
fn compile(glob: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(glob).literal_separator(true).build()
}

fn reject(reason: &str) -> Trouble {
    Trouble::Reject {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
