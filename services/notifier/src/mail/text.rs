//! The plain text of a mail, readable on a phone: short lines are left to the reader's screen, and
//! what is long stands on a line of its own.

use std::fmt::Write;

use runtime::text::counted;

use super::story::Story;

/// Values longer than this go below their label.
const LONG: usize = 40;

/// The text.
pub(crate) fn text(story: &Story) -> String {
    let mut text = format!("{}: {}\n", story.name, story.verdict.word());
    for paragraph in &story.paragraphs {
        line(&mut text, format_args!("\n{paragraph}"));
    }
    if !story.rejects.is_empty() {
        line(&mut text, format_args!("\nRefused:"));
        for row in &story.rejects {
            line(&mut text, format_args!("- {}: {}", row.place, row.reason));
            if !row.value.is_empty() {
                line(&mut text, format_args!("  {}", row.value));
            }
        }
        if story.more_rejects > 0 {
            line(
                &mut text,
                format_args!("- and {}", counted(story.more_rejects, "more line")),
            );
        }
    }
    text.push('\n');
    for (label, value) in &story.facts {
        let space = if value.chars().count() > LONG {
            "\n  "
        } else {
            " "
        };
        line(&mut text, format_args!("{label}:{space}{value}"));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
