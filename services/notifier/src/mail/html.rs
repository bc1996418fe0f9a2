//! The HTML of a mail: one column, styles inline, nothing loaded from elsewhere. Text and
//! background keep the reader's own colours, so that it is as readable in the dark; only the
//! verdict brings both of its own.

use std::fmt::Write;

use runtime::text::counted;

use super::story::{Row, Story, Verdict};

/// The page.
pub(crate) fn html(story: &Story) -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"supported-color-schemes\" content=\"light dark\">\n</head>\n\
         <body style=\"margin:0;padding:16px;font-family:-apple-system,'Segoe UI',Roboto,\
         Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5\">\n\
         <div style=\"max-width:640px\">\n",
    );
    put(
        &mut page,
        format_args!("<p style=\"margin:0 0 4px\">{}</p>\n", badge(story.verdict)),
    );
    put(
        &mut page,
        format_args!(
            "<h1 style=\"margin:0 0 12px;font-size:20px;line-height:1.3;word-break:break-word\">\
             {}</h1>\n",
            outside(&story.name)
        ),
    );
    for paragraph in &story.paragraphs {
        put(
            &mut page,
            format_args!(
                "<p style=\"margin:0 0 12px;word-break:break-word\">{}</p>\n",
                outside(paragraph)
            ),
        );
    }
    rejects(&mut page, &story.rejects, story.more_rejects);
    facts(&mut page, &story.facts);
    page.push_str("</div>\n</body>\n</html>\n");
    page
}

/// White on a colour that is dark enough for it (4.5 to 1) in any surroundings.
fn badge(verdict: Verdict) -> String {
    let colour = match verdict {
        Verdict::Stored => "#1a7f37",
        Verdict::Partly | Verdict::Empty => "#9a6700",
        Verdict::Rejected | Verdict::Failed => "#cf222e",
    };
    format!(
        "<span style=\"display:inline-block;padding:1px 10px;border-radius:10px;\
         background-color:{colour};color:#ffffff;font-size:13px;font-weight:600\">{}</span>",
        verdict.word()
    )
}

const TABLE: &str = "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" \
                     style=\"border-collapse:collapse;width:100%;margin:0 0 16px;font-size:14px\">\n";
const CELL: &str = "padding:5px 12px 5px 0;border-top:1px solid #8886;vertical-align:top";

fn rejects(page: &mut String, rows: &[Row], more: u64) {
    if rows.is_empty() {
        return;
    }
    page.push_str("<p style=\"margin:0 0 4px;font-weight:600\">Refused</p>\n");
    page.push_str(TABLE);
    for row in rows {
        put(
            page,
            format_args!(
                "<tr><td style=\"{CELL};word-break:break-word\">{}</td>\
                 <td style=\"{CELL};word-break:break-word\">{}<br>\
                 <code style=\"font-size:13px;opacity:0.75\">{}</code></td></tr>\n",
                outside(&row.place),
                outside(&row.reason),
                outside(&row.value)
            ),
        );
    }
    if more > 0 {
        put(
            page,
            format_args!(
                "<tr><td style=\"{CELL}\" colspan=\"2\">and {}</td></tr>\n",
                counted(more, "more line")
            ),
        );
    }
    page.push_str("</table>\n");
}

fn facts(page: &mut String, facts: &[(&'static str, String)]) {
    page.push_str(TABLE);
    for (label, value) in facts {
        put(
            page,
            format_args!(
                "<tr><td style=\"{CELL};white-space:nowrap;opacity:0.75\">{label}</td>\
                 <td style=\"{CELL};word-break:break-word\">{}</td></tr>\n",
                outside(value)
            ),
        );
    }
    page.push_str("</table>\n");
}

/// Text from outside: escaped, and kept from changing the direction of what stands around it.
fn outside(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str("<bdi>");
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped.push_str("</bdi>");
    escaped
}

fn put(page: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = page.write_fmt(part);
}
