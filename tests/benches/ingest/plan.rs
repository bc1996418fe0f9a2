//! What is measured.

use anyhow::{Context, Result};

use crate::input::Input;

/// What loads, or does a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Loader {
    Landfall,
    Bare,
    Dsbulk,
    Cqlsh,
    Sqlite,
    Parse,
    Records,
}

impl Loader {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Landfall => "landfall",
            Self::Bare => "bare loop",
            Self::Dsbulk => "dsbulk",
            Self::Cqlsh => "cqlsh copy",
            Self::Sqlite => "landfall, sqlite",
            Self::Parse => "landfall, parsing alone",
            Self::Records => "csv::ByteRecord",
        }
    }

    pub(crate) fn loads_into_cassandra(self) -> bool {
        matches!(
            self,
            Self::Landfall | Self::Bare | Self::Dsbulk | Self::Cqlsh
        )
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Case {
    pub(crate) loader: Loader,
    pub(crate) input: Input,
    /// How often, at most.
    pub(crate) runs: u32,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.loader.name(), self.input)
    }
}

/// How much is measured.
pub(crate) struct Options {
    pub(crate) rows: u64,
    pub(crate) runs: u32,
    /// Only the cases with this in what they are called.
    only: Option<String>,
}

impl Options {
    /// `--rows N --runs N --only NAME`
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let after = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            arguments.get(at + 1)
        };
        let number = |name: &str, usual: u64| {
            let number = after(name).map(|text| text.parse::<u64>());
            let number = number.transpose();
            number
                .map(|number| number.unwrap_or(usual))
                .with_context(|| format!("{name} wants a number"))
        };
        Ok(Self {
            rows: number("--rows", 2_000_000)?,
            runs: u32::try_from(number("--runs", 3)?)?,
            only: after("--only").cloned(),
        })
    }

    /// All rows in so many files.
    pub(crate) fn input(&self, files: u64) -> Input {
        Input {
            rows: self.rows,
            sensors: 1_000,
            files,
        }
    }

    /// In the order in which they take turns.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases = vec![];
        let mut add = |loader, input, runs| {
            cases.push(Case {
                loader,
                input,
                runs,
            });
        };
        for files in [1, 200] {
            let all = self.input(files);
            let some = Input {
                rows: self.rows / 4,
                ..all
            };
            add(Loader::Landfall, all, self.runs);
            add(Loader::Bare, all, self.runs);
            add(Loader::Dsbulk, some, self.runs);
            add(Loader::Cqlsh, some, self.runs);
            add(Loader::Sqlite, all, self.runs);
        }
        let all = self.input(1);
        add(Loader::Parse, all, self.runs);
        add(Loader::Records, all, self.runs);
        // For the memory; and where partitions are many, batches are small.
        let many = Input {
            sensors: 100_000,
            ..all
        };
        add(Loader::Landfall, many, self.runs);
        add(Loader::Bare, many, self.runs);
        for input in [all, many] {
            let input = Input {
                rows: 10 * self.rows,
                ..input
            };
            add(Loader::Landfall, input, 1);
        }
        let wanted = |case: &Case| {
            let only = self.only.iter();
            only.clone().all(|name| case.to_string().contains(name))
        };
        cases.retain(wanted);
        cases
    }
}
