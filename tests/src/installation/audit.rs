//! What `landfall audit` said.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// The result of an audit.
#[derive(Clone, Debug, Deserialize)]
pub struct Audit {
    /// In numbers.
    pub summary: Value,
    /// Files on their way.
    pub open: Vec<Value>,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Violation {
    /// Which rule is broken.
    pub rule: String,
    /// Id of the file.
    pub file: Option<String>,
    /// `bucket/key` of the file or object.
    pub name: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Audit {
    /// A line for each thing that is wrong.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Violation {
            rule,
            file,
            name,
            what,
        } in &self.violations
        {
            let about = [file, name].into_iter().flatten();
            let about: String = about.map(|about| format!("{about} ")).collect();
            writeln!(f, "{rule}: {about}{what}")?;
        }
        Ok(())
    }
}

impl Audit {
    /// Reads what the command printed; its exit code must say the same.
    pub(super) fn read(output: &Output) -> Result<Self> {
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        let audit: Self = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("the audit ended with {}:\n{}", output.status, said()))?;
        let code = output.status.code();
        let expected = i32::from(!audit.violations.is_empty());
        ensure!(code == Some(expected), "it exits with {code:?}: {audit:#?}");
        Ok(audit)
    }

    /// The rules that are broken, each once, sorted.
    pub fn broken(&self) -> Vec<&str> {
        let mut rules: Vec<&str> = self.violations.iter().map(|wrong| &*wrong.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// An error unless nothing is wrong.
    pub fn is_clean(&self) -> Result<()> {
        ensure!(self.violations.is_empty(), "{:#?}", self.violations);
        Ok(())
    }
}
