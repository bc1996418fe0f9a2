//! Rows of a result, as a table for people, as CSV or as lines of JSON.

use std::borrow::Cow;
use std::io::{self, Write};

use runtime::text::is_formula;
use serde::{Serialize, Serializer};

use crate::failure::Failure;
use crate::options::Format;
use crate::output::{self, plain};

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// In CSV and JSON: people's programs rely on it.
    pub(crate) name: &'static str,
    /// In tables; a column without one is not in them.
    pub(crate) heading: Option<String>,
    /// Letters that it takes in tables; more where a cell is longer.
    pub(crate) width: usize,
}

impl Column {
    pub(crate) fn new(name: &'static str, heading: impl Into<String>, width: usize) -> Self {
        Self {
            name,
            heading: Some(heading.into()),
            width,
        }
    }

    /// For programs only.
    pub(crate) fn hidden(name: &'static str) -> Self {
        Self {
            name,
            heading: None,
            width: 0,
        }
    }
}

/// What stands in a column.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    Text(String),
    Number(f64),
    Nothing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Prints rows, and the heading before the first.
pub(crate) struct Rows {
    format: Format,
    columns: Vec<Column>,
    pub(crate) begun: bool,
}

impl Rows {
    pub(crate) fn new(format: Format, columns: Vec<Column>) -> Self {
        Self {
            format,
            columns,
            begun: false,
        }
    }

    /// Prints some more rows to standard output.
    pub(crate) fn print(&mut self, rows: &[Vec<Cell>]) -> Result<(), Failure> {
        output::print(|out| self.write(out, rows))
    }

    fn write(&mut self, out: &mut impl Write, rows: &[Vec<Cell>]) -> io::Result<()> {
        let first = !self.begun && !rows.is_empty();
        self.begun |= first;
        match self.format {
            Format::Table => self.table(out, first, rows),
            Format::Csv => self.csv(out, first, rows),
            Format::Json => rows.iter().try_for_each(|row| self.json(out, row)),
        }
    }

    fn table(&self, out: &mut impl Write, first: bool, rows: &[Vec<Cell>]) -> io::Result<()> {
        if first {
            let headings = self.columns.iter().map(|column| {
                let heading = column.heading.as_deref();
                Cow::Borrowed(heading.unwrap_or_default())
            });
            writeln!(out, "{}", self.aligned(headings, &rows[0]))?;
        }
        for row in rows {
            let cells = row.iter().map(|cell| match cell {
                Cell::Text(text) => plain(text),
                Cell::Number(number) => number.to_string().into(),
                Cell::Nothing => "".into(),
            });
            writeln!(out, "{}", self.aligned(cells, row))?;
        }
        Ok(())
    }

    /// Numbers to the right.
    fn aligned<'a>(&self, texts: impl Iterator<Item = Cow<'a, str>>, row: &[Cell]) -> String {
        let columns = self.columns.iter().zip(row);
        let shown = columns.zip(texts);
        let shown = shown.filter(|((column, _), _)| column.heading.is_some());
        let texts: Vec<String> = shown
            .map(|((column, cell), text)| match cell {
                Cell::Number(_) => format!("{text:>width$}", width = column.width),
                _ => format!("{text:<width$}", width = column.width),
            })
            .collect();
        texts.join("  ").trim_end().to_owned()
    }

    fn csv(&self, out: &mut impl Write, first: bool, rows: &[Vec<Cell>]) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        if first {
            writer.write_record(self.columns.iter().map(|column| column.name))?;
        }
        for row in rows {
            let cells = row.iter().map(|cell| match cell {
                Cell::Text(text) => harmless(text),
                Cell::Number(number) => number.to_string().into(),
                Cell::Nothing => "".into(),
            });
            writer.write_record(cells.map(Cow::into_owned).map(String::into_bytes))?;
        }
        writer.flush()
    }

    fn json(&self, out: &mut impl Write, row: &[Cell]) -> io::Result<()> {
        let columns = &self.columns;
        let line = serde_json::to_string(&Line { columns, row })?;
        writeln!(out, "{}", output::json(&line))
    }
}

/// A text, so that no spreadsheet takes it for a formula.
fn harmless(text: &str) -> Cow<'_, str> {
    if is_formula(text) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

/// A row as an object, in the order of the columns.
struct Line<'a> {
    columns: &'a [Column],
    row: &'a [Cell],
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.columns.iter().map(|column| column.name);
        serializer.collect_map(names.zip(self.row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, rows: &[Vec<Cell>]) -> String {
        let columns = vec![
            Column::hidden("sensor_id"),
            Column::new("metric", "metric (of it)", 10),
            Column::new("value", "value", 8),
            Column::new("key", "key", 0),
        ];
        let mut out = vec![];
        let mut written = Rows::new(format, columns);
        for row in rows {
            written.write(&mut out, std::slice::from_ref(row)).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    fn rows() -> [Vec<Cell>; 2] {
        [
            vec![
                "=1+1".into(),
                "@SUM(1)\u{9b}".into(),
                Cell::Number(-1.5),
                Cell::Nothing,
            ],
            vec!["s".into(), "P1".into(), Cell::Number(2.0), "a,b\n".into()],
        ]
    }

    #[test]
    fn names_are_no_formulas_and_no_commands_to_a_terminal() {
        let csv = "sensor_id,metric,value,key\n'=1+1,'@SUM(1)\u{9b},-1.5,\ns,P1,2,\"a,b\n\"\n";
        assert_eq!(written(Format::Csv, &rows()), csv);
        let json = r#"{"sensor_id":"=1+1","metric":"@SUM(1)\u009b","value":-1.5,"key":null}
{"sensor_id":"s","metric":"P1","value":2.0,"key":"a,b\n"}
"#;
        assert_eq!(written(Format::Json, &rows()), json);
        let table = "metric (of it)     value  key\n@SUM(1)\\u{9b}      -1.5\nP1                 2  a,b\\n\n";
        assert_eq!(written(Format::Table, &rows()), table);
        assert_eq!(written(Format::Csv, &[]), "");
    }
}
