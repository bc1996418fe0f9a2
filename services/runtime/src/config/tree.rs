//! The settings as they are written, each with its place: a file, and the environment over it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::wrong::{Place, Wrong};

/// What begins the names of environment variables.
const PREFIX: &str = "LANDFALL_";

/// A setting, or several.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What is written there.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// From the environment, where everything is text: whoever reads it decides what it is.
    Text(String),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Node>;

/// Reads a TOML file's text.
pub(super) fn file(path: &Path, text: &str) -> Result<Table, Wrong> {
    let source = Source {
        path: path.into(),
        text,
    };
    let parsed = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        // Only the message: the error's own display repeats the line, which may hold a secret.
        Wrong::new("", format!("not TOML: {}", error.message())).at("", &source.place(offset))
    })?;
    source.table(parsed.into_inner())
}

/// Reads one value, as it would stand in a file.
fn value(text: &str, place: &Place) -> Result<Value, Wrong> {
    let parsed = DeValue::parse(text)
        .map_err(|error| Wrong::new("", format!("not TOML: {}", error.message())))?;
    let source = Source {
        path: Path::new("").into(),
        text: "",
    };
    let mut node = source.node(parsed)?;
    node.move_to(place);
    Ok(node.value)
}

struct Source<'a> {
    path: Arc<Path>,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Place::Line(Arc::clone(&self.path), line)
    }

    fn table(&self, table: DeTable<'_>) -> Result<Table, Wrong> {
        table
            .into_iter()
            .map(|(key, value)| {
                let mut node = self.node(value)?;
                // A table's place is its header, not its first line.
                node.place = self.place(key.span().start);
                Ok((key.into_inner().into_owned(), node))
            })
            .collect()
    }

    fn node(&self, value: Spanned<DeValue<'_>>) -> Result<Node, Wrong> {
        let place = self.place(value.span().start);
        // Without the number: it may be a secret whose quotes were forgotten.
        let number = || Wrong::new("", "a number that is out of range").at("", &place);
        let value = match value.into_inner() {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Integer(integer) => Value::Integer(
                i64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| number())?,
            ),
            DeValue::Float(float) => Value::Float(float.as_str().parse().map_err(|_| number())?),
            DeValue::Boolean(yes) => Value::Boolean(yes),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Array(list) => Value::List(
                list.into_iter()
                    .map(|node| self.node(node))
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Table(table) => Value::Table(self.table(table)?),
        };
        Ok(Node { place, value })
    }
}

impl Node {
    fn move_to(&mut self, place: &Place) {
        self.place = place.clone();
        match &mut self.value {
            Value::List(list) => list.iter_mut().for_each(|node| node.move_to(place)),
            Value::Table(table) => table.values_mut().for_each(|node| node.move_to(place)),
            _ => {}
        }
    }

    /// The elements of a list. In the environment that is a TOML array, or text between commas.
    pub(super) fn list(&self) -> Result<Option<Vec<Self>>, Wrong> {
        let text = match &self.value {
            Value::List(list) => return Ok(Some(list.clone())),
            Value::Text(text) => text.trim(),
            _ => return Ok(None),
        };
        if text.starts_with('[') {
            return match value(text, &self.place)? {
                Value::List(list) => Ok(Some(list)),
                _ => Ok(None),
            };
        }
        let elements = text
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let element = |text: &str| Self {
            place: self.place.clone(),
            value: Value::Text(text.to_owned()),
        };
        Ok(Some(elements.map(element).collect()))
    }

    /// The settings of a table. In the environment that may be a TOML inline table.
    pub(super) fn table(&self) -> Result<Option<Table>, Wrong> {
        match &self.value {
            Value::Table(table) => Ok(Some(table.clone())),
            Value::Text(text) if text.trim_start().starts_with('{') => {
                match value(text.trim(), &self.place)? {
                    Value::Table(table) => Ok(Some(table)),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }
}

/// Puts the environment's settings over the file's. `sections` are the names at the top.
pub(super) fn overlay(
    root: &mut Table,
    variables: impl IntoIterator<Item = (String, String)>,
    sections: &[&str],
) -> Result<(), Wrong> {
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort();
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let rest = rest.to_ascii_lowercase();
        if rest.contains("__") || sections.contains(&rest.as_str()) {
            let path: Vec<&str> = rest.split("__").collect();
            set(root, &path, &name, text)?;
        } else if !is_foreign(&rest, &text) {
            return Err(Wrong::new(
                "",
                "unknown setting; levels are parted by two underscores, as in LANDFALL_NATS__URL",
            )
            .at("", &Place::Variable(name)));
        }
    }
    Ok(())
}

/// Variables that are no settings: those of the command line and of tests, and what Kubernetes
/// sets in every pod for services named `landfall-…`.
fn is_foreign(rest: &str, text: &str) -> bool {
    rest == "config"
        || rest == "servers"
        || rest.starts_with("test_")
        || rest.ends_with("_service_host")
        || rest.contains("_service_port")
        || rest.contains("_port_")
        || ["tcp://", "udp://", "sctp://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
}

fn set(table: &mut Table, path: &[&str], variable: &str, text: String) -> Result<(), Wrong> {
    let place = Place::Variable(variable.to_owned());
    let [first, rest @ ..] = path else {
        return Ok(());
    };
    if rest.is_empty() {
        let value = Value::Text(text);
        table.insert((*first).to_owned(), Node { place, value });
        return Ok(());
    }
    let empty = || Node {
        place: place.clone(),
        value: Value::Table(Table::new()),
    };
    let node = table.entry((*first).to_owned()).or_insert_with(empty);
    match (&mut node.value, &node.place) {
        (Value::Table(table), _) => set(table, rest, variable, text),
        (Value::List(_), _) => Err(Wrong::new(
            "",
            "a list is set as a whole, as text between commas or as a TOML array",
        )
        .at("", &place)),
        (_, Place::Variable(other)) => {
            Err(Wrong::new("", format!("set by {other} as well")).at("", &place))
        }
        // The environment's `…__FILE` takes the place of a file's plain value.
        (_, Place::Line(..)) => {
            *node = empty();
            match &mut node.value {
                Value::Table(table) => set(table, rest, variable, text),
                _ => Ok(()),
            }
        }
    }
}

/// Where a setting stands; the nearest table above it if it is not set itself.
pub(super) fn place<'a>(table: &'a Table, setting: &str) -> Option<&'a Place> {
    let mut found = None;
    let mut table = Some(table);
    for part in setting.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some(mut node) = table.and_then(|table| table.get(name)) else {
            break;
        };
        if let (Some(index), Value::List(list)) = (index, &node.value) {
            node = list.get(index).unwrap_or(node);
        }
        found = Some(&node.place);
        table = match &node.value {
            Value::Table(table) => Some(table),
            _ => None,
        };
    }
    found
}
