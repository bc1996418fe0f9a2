//! The mail: what it says ([`story`]), as text and as HTML, and the message around them.

mod figures;
mod html;
mod story;
mod text;

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::Message;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use proto::Event;

/// Who sends a mail, to whom, and under which id.
#[derive(Clone, Debug)]
pub(crate) struct Heading<'a> {
    /// `From`.
    pub(crate) from: &'a Mailbox,
    /// `Reply-To`.
    pub(crate) reply_to: Option<&'a Mailbox>,
    /// `To`.
    pub(crate) to: &'a [Mailbox],
    /// `Message-ID`, without the brackets.
    pub(crate) message_id: String,
    /// `Date`.
    pub(crate) date: Timestamp,
}

/// The whole message, in ASCII. The same heading and event make the same bytes.
pub(crate) fn compose(heading: &Heading<'_>, event: &Event) -> Result<Vec<u8>, String> {
    let story = story::story(event).ok_or_else(|| {
        format!(
            "no mail is about `{}`; expected `moved` or `failed`",
            event.data.what().token()
        )
    })?;
    let id = &heading.message_id;
    let mut message = Message::builder()
        .from(heading.from.clone())
        .date(SystemTime::from(heading.date))
        .subject(single_spaced(&story.subject))
        .message_id(Some(format!("<{id}>")))
        .header(AutoSubmitted);
    if let Some(reply_to) = heading.reply_to {
        message = message.reply_to(reply_to.clone());
    }
    for receiver in heading.to {
        message = message.to(receiver.clone());
    }
    let part = |kind: ContentType, body: String| {
        SinglePart::builder()
            .header(kind)
            .body(body.replace('\n', "\r\n"))
    };
    // Unique to the mail, and not to be foreseen by whoever wrote the file: the file id is a hash
    // over what the store said of it.
    let boundary = format!("landfall-{}", id.split('@').next().unwrap_or(id));
    let alternatives = MultiPart::alternative()
        .boundary(boundary)
        .singlepart(part(ContentType::TEXT_PLAIN, text::text(&story)))
        .singlepart(part(ContentType::TEXT_HTML, html::html(&story)));
    message
        .multipart(alternatives)
        .map(|message| message.formatted())
        .map_err(|error| format!("the mail cannot be written: {error}"))
}

/// Readers drop the spaces between two encoded words, where the encoder leaves all but one of a
/// row. The body has the key as it is.
fn single_spaced(subject: &str) -> String {
    let words: Vec<&str> = subject.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Says that nobody has written this, so that no machine answers (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests;
