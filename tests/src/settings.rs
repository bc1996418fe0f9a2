//! The configuration of an installation, as a person would write it.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// Sets `path` (`notifier.delay`) to `value`, creating the sections on the way.
pub(crate) fn set(settings: &mut Table, path: &str, value: impl Into<Value>) -> Result<()> {
    let (sections, name) = match path.rsplit_once('.') {
        Some((sections, name)) => (Some(sections), name),
        None => (None, path),
    };
    let mut table = settings;
    for section in sections
        .into_iter()
        .flat_map(|sections| sections.split('.'))
    {
        table = table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .with_context(|| format!("`{section}` of `{path}` is no section"))?;
    }
    table.insert(name.to_owned(), value.into());
    Ok(())
}

/// Adds settings written in TOML; what is there already is replaced, and lists grow.
pub(crate) fn merge(settings: &mut Table, text: &str) -> Result<()> {
    add(settings, text.parse()?)
}

fn add(settings: &mut Table, more: Table) -> Result<()> {
    for (name, value) in more {
        match (settings.get_mut(&name), value) {
            (Some(Value::Table(there)), Value::Table(more)) => add(there, more)?,
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more),
            (Some(Value::Table(_)), _) => bail!("`{name}` is a section"),
            (_, value) => {
                settings.insert(name, value);
            }
        }
    }
    Ok(())
}
