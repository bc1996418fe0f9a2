//! What goes to standard output and standard error, and how it looks.

use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, StdoutLock, Write};
use std::path::Path;
use std::process::exit;

use anstyle::{AnsiColor, Style};
use runtime::text::hides_or_steers;

use crate::failure::Failure;

/// Less important.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Important.
pub(crate) const BOLD: Style = Style::new().bold();
/// It went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// It went well, but for something.
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
/// It did not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

/// Writes to standard output what the command is for. Whoever reads it may stop reading (`| head`):
/// that ends the command, and is no failure.
pub(crate) fn print<F>(write: F) -> Result<(), Failure>
where
    F: FnOnce(&mut StdoutLock<'static>) -> io::Result<()>,
{
    if !is_read(write)? {
        exit(0);
    }
    Ok(())
}

/// Writes a line to standard output about what the command does. It goes on with that whether or
/// not anybody reads it.
pub(crate) fn report(line: &str) -> Result<(), Failure> {
    is_read(|out| writeln!(out, "{line}"))?;
    Ok(())
}

/// Asks on a terminal; elsewhere nobody is there to ask, and the command line stands as it is.
pub(crate) fn agreed(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Whether there is somebody to read what was written.
fn is_read<F>(write: F) -> io::Result<bool>
where
    F: FnOnce(&mut StdoutLock<'static>) -> io::Result<()>,
{
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
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

/// Text from outside, so that it stays on its line, colours nothing, and reads as it is stored.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hides_or_steers) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if hides_or_steers(letter) {
            plain.extend(letter.escape_default());
        } else {
            plain.push(letter);
        }
    }
    plain.into()
}

/// JSON as it may be shown: what JSON leaves as it is and a terminal obeys is escaped. It can stand
/// in strings only.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let obeyed = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}');
    if !text.contains(obeyed) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if obeyed(letter) {
            shown += &format!("\\u{:04x}", u32::from(letter));
        } else {
            shown.push(letter);
        }
    }
    shown.into()
}

/// A path as somebody in this folder writes it.
pub(crate) fn short(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let short = path.strip_prefix(&here).unwrap_or(path);
    short.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_break_its_line_or_colour_the_terminal() {
        assert_eq!(plain("a b+ü.csv"), "a b+ü.csv");
        assert_eq!(plain("a\nb\u{1b}[31m\u{9b}"), "a\\nb\\u{1b}[31m\\u{9b}");
        assert_eq!(plain("a\u{202e}vsc.exe"), "a\\u{202e}vsc.exe");
        let text = serde_json::to_string("a\u{9b}31m\u{7f}ü").unwrap();
        assert_eq!(json(&text), r#""a\u009b31m\u007fü""#);
        assert_eq!(
            serde_json::from_str::<String>(&json(&text)).unwrap(),
            "a\u{9b}31m\u{7f}ü"
        );
    }
}
