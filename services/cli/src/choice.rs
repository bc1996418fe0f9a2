//! Which files a command is about: ids, keys, and what lies under prefixes.

use std::collections::{BTreeSet, HashSet};

use futures::StreamExt;
use objects::Objects;
use objects::archive::label;
use proto::FileId;
use runtime::Config;

use crate::failure::Failure;
use crate::journals::Journals;
use crate::output::plain;

/// A file by id; the latest version of a key; the latest versions of all keys that begin so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Id(FileId),
    Key(String),
    Prefix(String),
}

impl Name {
    /// 32 hex digits are an id; what ends in `/` or `*` is a prefix.
    pub(crate) fn read(text: &str) -> Self {
        if let Ok(id) = text.parse() {
            return Self::Id(id);
        }
        if let Some(prefix) = text.strip_suffix('*') {
            return Self::Prefix(prefix.to_owned());
        }
        if text.ends_with('/') {
            return Self::Prefix(text.to_owned());
        }
        Self::Key(text.to_owned())
    }
}

/// Looks names up.
pub(crate) struct Choice<'a> {
    pub(crate) config: &'a Config,
    pub(crate) journals: &'a Journals,
    /// The bucket that keys are of; all that are watched if none.
    pub(crate) bucket: Option<&'a str>,
}

impl Choice<'_> {
    /// The files that are meant, each once, in the order of the names. What means none is told, and
    /// the command fails.
    pub(crate) async fn files(&self, names: &[String]) -> Result<Vec<FileId>, Failure> {
        let mut files = Vec::new();
        let mut known = HashSet::new();
        for text in names {
            let found = match Name::read(text) {
                Name::Id(id) => vec![id],
                Name::Key(key) => self.latest(&BTreeSet::from([key])).await?,
                Name::Prefix(prefix) => self.latest(&self.below(&prefix).await?).await?,
            };
            if found.is_empty() {
                let text = plain(text);
                return Err(Failure::failed(format!(
                    "no file is known as {text}: give an id, a key as it was uploaded, or a prefix \
                     that ends in `/` or `*`; what the journals have forgotten has to be uploaded \
                     again"
                )));
            }
            files.extend(found.into_iter().filter(|file| known.insert(*file)));
        }
        Ok(files)
    }

    fn buckets(&self) -> Vec<&str> {
        match self.bucket {
            Some(bucket) => vec![bucket],
            None => {
                let watched = self.config.watcher.buckets.iter();
                watched.map(|bucket| bucket.name.as_str()).collect()
            }
        }
    }

    /// The latest version of each key, where one is known.
    async fn latest(&self, keys: &BTreeSet<String>) -> Result<Vec<FileId>, Failure> {
        let mut files = Vec::new();
        for key in keys {
            for bucket in self.buckets() {
                files.extend(self.journals.latest(bucket, key).await?);
            }
        }
        Ok(files)
    }

    /// The keys below a prefix that objects have or had: by what lies at the source, and by the
    /// names and labels of copies.
    async fn below(&self, prefix: &str) -> Result<BTreeSet<String>, Failure> {
        let objects = Objects::new(&self.config.objects)
            .await
            .map_err(Failure::failed)?;
        let mut keys = BTreeSet::new();
        let mut filed = BTreeSet::new();
        for bucket in self.buckets() {
            let mut listing = objects.list(bucket, prefix);
            while let Some(line) = listing.next().await {
                let listed = line.and_then(|line| line).map_err(Failure::failed)?;
                keys.insert(listed.key);
            }
            filed.extend(self.config.places(bucket));
        }
        for place in filed {
            let mut listing = objects.list(place.bucket, &format!("{}{prefix}", place.prefix));
            while let Some(line) = listing.next().await {
                let listed = line.and_then(|line| line).map_err(Failure::failed)?;
                let key = listed.key.strip_prefix(place.prefix);
                let key = key.unwrap_or_default().to_owned();
                keys.extend(uploaded_as(&objects, place.bucket, &listed.key).await?);
                keys.insert(key);
            }
        }
        Ok(keys)
    }
}

/// The key that a copy's label names, where the copy's own name is not that of its key.
async fn uploaded_as(
    objects: &Objects,
    bucket: &str,
    key: &str,
) -> Result<Option<String>, Failure> {
    let tag = key.rsplit_once('~').map_or("", |(_, tag)| tag);
    if tag.len() != 16 || !tag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let head = objects.head(bucket, key).await.map_err(Failure::failed)?;
    Ok(head.and_then(|head| label::original_key(&head.metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keys_and_prefixes_are_told_apart_by_how_they_look() {
        let id = "0a7a90281a3cdd790a7a90281a3cdd79";
        assert_eq!(Name::read(id), Name::Id(id.parse().unwrap()));
        let key = |text: &str| Name::Key(text.to_owned());
        let prefix = |text: &str| Name::Prefix(text.to_owned());
        assert_eq!(Name::read("incoming/a.csv"), key("incoming/a.csv"));
        assert_eq!(Name::read("incoming/lab/"), prefix("incoming/lab/"));
        assert_eq!(Name::read("incoming/2026-*"), prefix("incoming/2026-"));
        assert_eq!(Name::read("*"), prefix(""));
    }
}
