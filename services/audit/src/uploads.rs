//! The list of every upload there ever was, for whoever knows it: a line of JSON an upload, in the
//! order in which they were made.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use crate::event::Place;
use crate::facts::Upload;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    bucket: String,
    key: String,
    etag: String,
    #[serde(default)]
    version: Option<String>,
    /// Of what was uploaded, as hex.
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    deleted: bool,
}

/// Reads the list.
pub(crate) fn read(list: &Path) -> anyhow::Result<Vec<Upload>> {
    let shown = list.display();
    let text = std::fs::read_to_string(list).with_context(|| format!("cannot read {shown}"))?;
    let lines = text.lines().zip(1..).map(|(line, number)| {
        let line: Line = serde_json::from_str(line)
            .with_context(|| format!("line {number} of {shown} is no upload"))?;
        Ok(Upload {
            place: Place {
                bucket: line.bucket,
                key: line.key,
            },
            etag: line.etag,
            version: line.version,
            sha256: line.sha256,
            deleted: line.deleted,
        })
    });
    lines.collect()
}
