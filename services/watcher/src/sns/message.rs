//! A message as SNS posts it, and the text of it that is signed.

use std::borrow::Cow;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message<'a> {
    #[serde(rename = "Type", borrow)]
    said_kind: Cow<'a, str>,
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(rename = "TopicArn", borrow)]
    pub(super) topic: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow, default)]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    token: Option<Cow<'a, str>>,
    #[serde(rename = "SubscribeURL", borrow, default)]
    pub(super) subscribe: Option<Cow<'a, str>>,
    #[serde(rename = "SignatureVersion", borrow)]
    pub(super) version: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) signature: Cow<'a, str>,
    #[serde(rename = "SigningCertURL", borrow)]
    pub(super) certificate: Cow<'a, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Notification,
    Subscribe,
    Unsubscribe,
}

impl<'a> Message<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| format!("it is no message of SNS: {error}"))
    }

    pub(super) fn kind(&self) -> Result<Kind, String> {
        Ok(match &*self.said_kind {
            "Notification" => Kind::Notification,
            "SubscriptionConfirmation" => Kind::Subscribe,
            "UnsubscribeConfirmation" => Kind::Unsubscribe,
            other => return Err(format!("its Type is `{}`", other.escape_debug())),
        })
    }

    /// Names and values of what is signed, each on a line, sorted by name. A subject that is not
    /// there has none.
    pub(super) fn signed(&self, kind: Kind) -> Result<String, String> {
        let mut text = String::new();
        let mut sign = |name: &str, value: &str| {
            for part in [name, "\n", value, "\n"] {
                text.push_str(part);
            }
        };
        sign("Message", &self.message);
        sign("MessageId", &self.message_id);
        match kind {
            Kind::Notification => {
                if let Some(subject) = &self.subject {
                    sign("Subject", subject);
                }
                sign("Timestamp", &self.timestamp);
            }
            Kind::Subscribe | Kind::Unsubscribe => {
                sign(
                    "SubscribeURL",
                    there("SubscribeURL", self.subscribe.as_deref())?,
                );
                sign("Timestamp", &self.timestamp);
                sign("Token", there("Token", self.token.as_deref())?);
            }
        }
        sign("TopicArn", &self.topic);
        sign("Type", &self.said_kind);
        Ok(text)
    }
}

fn there<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, String> {
    value.ok_or_else(|| format!("it has no `{name}`"))
}
