//! The mails in a folder: every file that ends in `.eml`, as it came.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;

use crate::facts::{Cell, Mail};

/// No header is longer than so many bytes in all.
const HEADERS: u64 = 1 << 20;

/// Every mail of Landfall's in `folder`, in the order of their names.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Vec<Mail>> {
    let list = || -> std::io::Result<Vec<_>> {
        let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().map(|entry| entry.path()).collect())
    };
    let mut paths = list().with_context(|| format!("cannot read {}", folder.display()))?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "eml"));
    paths.sort();
    let mut mails = Vec::new();
    for path in paths {
        let file = std::fs::File::open(&path);
        let file = file.with_context(|| format!("cannot read {}", path.display()))?;
        let id = message_id(BufReader::new(std::io::Read::take(file, HEADERS)))
            .with_context(|| format!("cannot read {}", path.display()))?;
        let Some((id, about)) = id.and_then(|id| Some((id.clone(), about(&id)?))) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default();
        mails.push(Mail {
            id,
            about,
            name: name.to_string_lossy().into_owned(),
        });
    }
    Ok(mails)
}

/// The header `Message-ID` without its brackets.
fn message_id(mail: impl BufRead) -> std::io::Result<Option<String>> {
    let mut found: Option<String> = None;
    for line in mail.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        match (&mut found, line.split_once(':')) {
            // A header may go on in lines that begin with a blank.
            (Some(value), _) if line.starts_with([' ', '\t']) => *value += line.trim(),
            (Some(_), _) => break,
            (None, Some((name, value))) if name.eq_ignore_ascii_case("message-id") => {
                found = Some(value.trim().to_owned());
            }
            _ => {}
        }
    }
    Ok(found.map(|id| id.trim_matches(['<', '>']).to_owned()))
}

/// The way that a `Message-ID` of Landfall's is about: `<file>.<replay>.<attempt>@<domain>`.
fn about(id: &str) -> Option<Cell> {
    let (name, _) = id.split_once('@')?;
    let mut parts = name.split('.');
    let (file, replay) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let attempt = parts.next()?.parse::<u32>();
    (attempt.is_ok() && parts.next().is_none()).then_some((file, replay))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_known_by_its_message_id_whatever_stands_around_it() {
        let id = |mail: &str| message_id(mail.as_bytes()).unwrap();
        let plain = "From: a\r\nmessage-id: <x.0.0@b>\r\nTo: c\r\n\r\nbody\r\n";
        assert_eq!(id(plain).as_deref(), Some("x.0.0@b"));
        let folded = "Message-ID:\r\n <x.0.0@b>\r\nTo: c\r\n\r\n";
        assert_eq!(id(folded).as_deref(), Some("x.0.0@b"));
        assert_eq!(id("From: a\r\n\r\nMessage-ID: <x@b>\r\n"), None);
    }

    #[test]
    fn only_landfalls_own_ids_are_about_a_file() {
        let file = "0a".repeat(16);
        assert_eq!(
            about(&format!("{file}.2.0@b")),
            Some((file.parse().unwrap(), 2))
        );
        for other in [
            "x.0.0@b",
            "news@b",
            &format!("{file}.0@b"),
            &format!("{file}.0.0.0@b"),
        ] {
            assert_eq!(about(other), None, "{other}");
        }
    }
}
