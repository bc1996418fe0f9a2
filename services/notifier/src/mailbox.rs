//! Addresses of the configuration.

use lettre::message::Mailbox;

/// Parses `address` of `setting`, or answers the line that says what is wrong with it.
pub(crate) fn parse(setting: &str, address: &str) -> Result<Mailbox, String> {
    let wrong = |why: &str| {
        Err(format!(
            "`{setting}`: {address:?} {why}; write one like \"Ops <ops@example.com>\""
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
        // The journal holds it as text.
        Ok(mailbox) if mailbox.to_string().parse().as_ref() != Ok(&mailbox) => {
            wrong("has a name that cannot be written in a header")
        }
        Ok(mailbox) => Ok(mailbox),
        Err(_) => wrong("is no mail address (a name with a comma or brackets needs quotes)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_reads_back_from_the_journal() {
        for text in [
            "ops@example.com",
            "Ops <ops@example.com>",
            "\"Operations, Süd\" <ops@example.com>",
            "\"a \\\"b\\\" c\" <ops@example.com>",
            "\"Ops (night)\" <ops@example.com>",
            "  Ops <ops@example.com> ",
        ] {
            match parse("to", text) {
                Ok(mailbox) => assert_eq!(mailbox.to_string().parse(), Ok(mailbox), "{text}"),
                Err(wrong) => panic!("{wrong}"),
            }
        }
    }
}
