//! What goes to standard output and standard error, and how it looks.

use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, StdoutLock, Write};
use std::path::Path;
use std::process::exit;

use anstyle::{AnsiColor, Style};

use crate::failure::Failure;

/// Less important.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Important.
pub(crate) const BOLD: Style = Style::new().bold();
/// It went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// It did not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

/// Writes to standard output. Whoever reads it may stop reading (`| head`): that ends the command,
/// and is no failure.
pub(crate) fn print<F>(write: F) -> Result<(), Failure>
where
    F: FnOnce(&mut StdoutLock<'static>) -> io::Result<()>,
{
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit(0),
        written => Ok(written?),
    }
}

/// Whether standard output shows colours.
pub(crate) fn stdout_is_coloured() -> bool {
    io::stdout().is_terminal() && colours_are_wanted()
}

/// Whether standard error shows colours.
pub(crate) fn stderr_is_coloured() -> bool {
    io::stderr().is_terminal() && colours_are_wanted()
}

/// <https://no-color.org>
fn colours_are_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `text` in `style`, if it is to be coloured.
pub(crate) fn styled(text: &str, style: Style, coloured: bool) -> Cow<'_, str> {
    if coloured {
        format!("{style}{text}{style:#}").into()
    } else {
        text.into()
    }
}

/// Text from outside, so that it stays on its line and colours nothing.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if letter.is_control() {
            plain.extend(letter.escape_default());
        } else {
            plain.push(letter);
        }
    }
    plain.into()
}

/// A path as somebody in this folder writes it.
pub(crate) fn short(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let short = path.strip_prefix(&here).unwrap_or(path);
    short.display().to_string()
}

/// `14.2 kB`
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1_000, "kB"),
        (1_000_000, "MB"),
        (1_000_000_000, "GB"),
        (1_000_000_000_000, "TB"),
    ];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut text = String::new();
    for (unit, name) in UNITS {
        // Rounded to tenths, in whole numbers.
        let tenths = (bytes + unit / 20) / (unit / 10);
        text = format!("{}.{} {name}", tenths / 10, tenths % 10);
        if tenths < 10_000 {
            break;
        }
    }
    text
}

/// `1,440`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 reading`, `1,440 readings`
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_break_its_line_or_colour_the_terminal() {
        assert_eq!(plain("a b+ü.csv"), "a b+ü.csv");
        assert_eq!(plain("a\nb\u{1b}[31m\u{9b}"), "a\\nb\\u{1b}[31m\\u{9b}");
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_000), "1.0 kB");
        assert_eq!(size(3_976), "4.0 kB");
        assert_eq!(size(14_249), "14.2 kB");
        assert_eq!(size(999_999), "1.0 MB");
        assert_eq!(size(5_000_000_000), "5.0 GB");
        assert_eq!(count(7), "7");
        assert_eq!(count(1_440), "1,440");
        assert_eq!(count(12_345_678), "12,345,678");
        assert_eq!(counted(1, "reading"), "1 reading");
        assert_eq!(counted(0, "reading"), "0 readings");
    }
}
