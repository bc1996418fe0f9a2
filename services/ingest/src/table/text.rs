//! Text out of plain bytes: looks at the first of them, and takes the byte order mark off.

use super::{Stop, sniff};

const MARK: &[u8] = b"\xef\xbb\xbf";

/// Holds the first bytes back until enough of them are there to be looked at.
#[derive(Debug, Default)]
pub struct Text {
    head: Vec<u8>,
    looked: bool,
}

impl Text {
    /// Takes the next bytes and hands over text.
    pub fn push(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if self.looked {
            return each(bytes);
        }
        let missing = sniff::HEAD - self.head.len();
        let (first, rest) = bytes.split_at(bytes.len().min(missing));
        self.head.extend_from_slice(first);
        if self.head.len() == sniff::HEAD {
            self.finish(each)?;
        }
        each(rest)
    }

    /// Hands over what was held back.
    pub fn finish(&mut self, each: &mut impl FnMut(&[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
        self.looked = true;
        let head = std::mem::take(&mut self.head);
        if let Some(what) = sniff::other_than_csv(&head) {
            return Err(Stop::Unreadable(format!(
                "it is no CSV; by its first bytes it is {what}"
            )));
        }
        each(head.strip_prefix(MARK).unwrap_or(&head))
    }
}
