//! Keys as form-encoding senders write them.

use percent_encoding::percent_decode_str;

/// Decodes a form-encoded key, once: `+` is a space, `%2B` is a plus.
pub(super) fn from_form(text: &str) -> Result<String, String> {
    if let Some(wrong) = stray_percent(text) {
        return Err(format!(
            "the key `{}` is not form-encoded: no two hex digits follow the `%` at byte {wrong}",
            text.escape_debug()
        ));
    }
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(key) => Ok(key.into_owned()),
        Err(_) => Err(format!(
            "the key `{}` is not form-encoded UTF-8",
            text.escape_debug()
        )),
    }
}

/// Where a `%` stands that two hex digits do not follow.
fn stray_percent(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|&at| {
        bytes[at] == b'%'
            && !bytes
                .get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}
