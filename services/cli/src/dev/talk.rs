//! What `landfall dev` says: its own lines, and those of the services with their names before
//! them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, Read, Write};

use anstyle::{AnsiColor, Style};

use jiff::Timestamp;

use crate::describe;
use crate::output::{self, BAD, BOLD, GOOD};

/// Longer lines are cut in several.
const LONGEST: u64 = 16 * 1024;

/// Writes whole lines to standard error. What cannot be written is lost: whoever read it has gone,
/// and the services have logs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    coloured: bool,
}

impl Talk {
    pub(crate) fn new() -> Self {
        Self {
            coloured: output::stderr_is_coloured(),
        }
    }

    /// Whether it is in colours.
    pub(crate) fn is_coloured(self) -> bool {
        self.coloured
    }

    /// A line of `landfall dev` itself.
    pub(crate) fn note(self, line: &str) {
        self.line("landfall", BOLD, line);
    }

    /// A line about something that went wrong.
    pub(crate) fn trouble(self, line: &str) {
        self.line("landfall", BAD, line);
    }

    /// A line about something that was looked at and is right.
    pub(crate) fn good(self, line: &str) {
        let tick = output::styled("✓", GOOD, self.coloured);
        self.note(&format!("{tick} {line}"));
    }

    /// Several lines that belong together, without a name before them.
    pub(crate) fn block(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "\n{text}\n");
    }

    /// Goes on writing what a service says, to its end, here and into its log.
    pub(crate) fn relay(self, name: &'static str, from: PipeReader, mut log: File) {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while let Ok(1..) = (&mut from).take(LONGEST).read_until(b'\n', &mut line) {
            let _ = log.write_all(&line);
            let text = String::from_utf8_lossy(&line);
            let text = here_and_now(text.trim_end_matches('\n'));
            self.line(name, style(name), &output::plain(&text));
            line.clear();
        }
    }

    fn line(self, name: &str, style: Style, line: &str) {
        let name = format!("{name:<9}│");
        let name = output::styled(&name, style, self.coloured);
        let _ = writeln!(std::io::stderr().lock(), "{name} {line}");
    }
}

/// A log line with the time of day here instead of its whole time.
fn here_and_now(line: &str) -> Cow<'_, str> {
    if let Some((time, rest)) = line.split_once(' ')
        && let Ok(time) = time.parse::<Timestamp>()
    {
        return format!("{} {rest}", describe::time_of_day(time)).into();
    }
    line.into()
}

fn style(name: &str) -> Style {
    match name {
        "watcher" => AnsiColor::Cyan.on_default(),
        "ingest" => AnsiColor::Blue.on_default(),
        "mover" => AnsiColor::Magenta.on_default(),
        _ => AnsiColor::Yellow.on_default(),
    }
}
