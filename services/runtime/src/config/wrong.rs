//! What is wrong with the configuration, in one line.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a file.
    Line(Arc<Path>, usize),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// A setting that is unknown or wrong: its full name, where it stands and what is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    pub(super) place: Option<Place>,
    pub(super) setting: String,
    pub(super) what: String,
}

impl Wrong {
    /// Something is wrong with `setting`.
    pub(super) fn new(setting: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: None,
            setting: setting.into(),
            what: what.into(),
        }
    }

    /// Notes the setting and its place, unless that is known more exactly.
    pub(super) fn at(mut self, setting: &str, place: &Place) -> Self {
        if self.setting.is_empty() {
            setting.clone_into(&mut self.setting);
        }
        self.place.get_or_insert_with(|| place.clone());
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.setting.is_empty() {
            write!(f, "`{}`: ", self.setting)?;
        }
        // What stood there may hold line breaks; the line is one line.
        f.write_str(&self.what.replace(['\n', '\r'], " "))
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self::new("", what.to_string())
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::custom(format_args!(
            "expected {}, found {found}",
            in_words(&expected.to_string())
        ))
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(_: &str, allowed: &'static [&'static str]) -> Self {
        Self::custom(format_args!(
            "unknown setting; allowed here: {}",
            allowed.join(", ")
        ))
    }

    fn unknown_variant(found: &str, allowed: &'static [&'static str]) -> Self {
        Self::custom(format_args!(
            "expected one of {}, found `{found}`",
            quoted(allowed)
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("`{field}` is missing"))
    }
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

/// What serde calls a type, for people.
pub(super) fn in_words(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other.strip_prefix("struct ").map_or(other, |_| "a table"),
    }
}
