//! Amazon SNS: what a topic was told is in the envelope as text. Whether it is from SNS at all is
//! judged where it comes in.
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html>

use std::borrow::Cow;

use serde::Deserialize;

use super::{Other, Record, Said, Sender};

/// SNS asks whether to send at all, or says that it will not.
pub(super) const SUBSCRIPTION: Record = Record {
    sender: Sender::Aws,
    said: Said::Other(Other::Test),
};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Type", borrow)]
    kind: Cow<'a, str>,
    #[serde(rename = "Message", borrow)]
    message: Cow<'a, str>,
}

/// What was told, unless this is about the subscription itself.
pub(super) fn message(body: &[u8]) -> Result<Option<Cow<'_, str>>, String> {
    let envelope: Envelope<'_> = serde_json::from_slice(body)
        .map_err(|error| format!("is of SNS, and looks different ({error})"))?;
    match &*envelope.kind {
        "Notification" => Ok(Some(envelope.message)),
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => Ok(None),
        other => Err(format!(
            "is of SNS, and has the unknown Type `{}`",
            other.escape_debug()
        )),
    }
}
