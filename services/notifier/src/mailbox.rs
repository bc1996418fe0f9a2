//! Addresses of the configuration.

use lettre::message::Mailbox;

/// Parses `address` of `setting`, or answers the line that says what is wrong with it.
pub(crate) fn parse(setting: &str, address: &str) -> Result<Mailbox, String> {
    let wrong = |why: &str| {
        Err(format!(
            "{setting}: {address:?} {why}; write one like \"Ops <ops@example.com>\""
        ))
    };
    if address.chars().any(char::is_control) {
        return wrong("holds a control character");
    }
    match address.trim().parse::<Mailbox>() {
        // Not every server takes such addresses (SMTPUTF8), and only sending would show it.
        Ok(mailbox) if !mailbox.email.to_string().is_ascii() => {
            wrong("has an address beyond ASCII (a domain can be written in its xn-- form)")
        }
        Ok(mailbox) => Ok(mailbox),
        Err(_) => wrong("is no mail address"),
    }
}
