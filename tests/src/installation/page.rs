//! A page of `deploy/storage/`, done as a person would: its blocks of shell run as they stand, with
//! an installation's values in the place of those that the first block shows.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use servers::installed;
use tokio::process::Command;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/storage");

/// What is exported already stays; for the block that shows values.
const VALUES_STAY: &str = "set -euo pipefail\n\
    export() { local one; for one; do [[ -v ${one%%=*} ]] || builtin export \"$one\"; done; }\n";

/// Values in the place of the page's, by their names.
pub(super) type Values<'a> = [(&'static str, &'a str)];

/// A store's page.
#[derive(Debug)]
pub(super) struct Page {
    /// Marked `sh`, before the store is started; the first shows values.
    before: Vec<String>,
    /// The same, after that.
    after: Vec<String>,
    /// What belongs to the store in `landfall.toml`.
    pub(super) settings: String,
    /// Where it is run.
    folder: PathBuf,
}

impl Page {
    /// The page of a store, to be run in `folder`.
    pub(super) fn open(store: &str, folder: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(format!("{PAGES}/{store}.md"))?;
        let (mut before, mut after) = (vec![], vec![]);
        let (mut started, mut settings) = (false, None);
        for (language, block) in blocks(&text) {
            match language {
                "sh" if started => after.push(block),
                "sh" => before.push(block),
                "console" => started = true,
                "toml" if block.starts_with("# landfall.toml") => settings = Some(block),
                _ => {}
            }
        }
        ensure!(started && !before.is_empty(), "no store is started");
        std::fs::create_dir_all(folder)?;
        std::fs::copy(format!("{PAGES}/policy.json"), folder.join("policy.json"))?;
        Ok(Self {
            before,
            after,
            settings: settings.context("no landfall.toml")?,
            folder: folder.to_owned(),
        })
    }

    /// Passes over the one line with `what` in it.
    pub(super) fn leave_out(&mut self, what: &str) -> Result<()> {
        let blocks = self.after.iter_mut();
        let block = blocks.into_iter().find(|block| block.contains(what));
        let block = block.with_context(|| format!("no line has {what}"))?;
        let kept = block.lines().filter(|line| !line.contains(what));
        *block = kept.map(|line| format!("{line}\n")).collect();
        Ok(())
    }

    /// Does what comes before the store is started; answers the environment that it starts in.
    pub(super) async fn environment(&self, values: &Values<'_>) -> Result<Vec<(String, String)>> {
        let said = self.run(values, &self.before[1..], "env -0").await?;
        let variables = said.split('\0').filter_map(|line| line.split_once('='));
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(owned.collect())
    }

    /// Does what comes after the store was started.
    pub(super) async fn finish(&self, values: &Values<'_>) -> Result<()> {
        self.run(values, &self.after, "").await.map(drop)
    }

    /// Answers what `last` says.
    async fn run(&self, values: &Values<'_>, blocks: &[String], last: &str) -> Result<String> {
        let first = &self.before[0];
        for (name, _) in values {
            ensure!(first.contains(&format!("{name}=")), "{name} is not shown");
        }
        let rest = blocks.concat();
        let script = format!("{VALUES_STAY}{first}unset -f export\n{{\n{rest}:\n}} >&2\n{last}\n");
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", installed::path_of_stores()?)
            .env("HOME", &self.folder)
            .envs(values.iter().copied())
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "{}\n{rest}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// The blocks of a page, and what each is marked as.
fn blocks(page: &str) -> impl Iterator<Item = (&str, String)> {
    page.split("\n```").skip(1).step_by(2).filter_map(|block| {
        let (language, text) = block.split_once('\n')?;
        Some((language, format!("{text}\n")))
    })
}
