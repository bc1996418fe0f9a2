//! Reading what comes in. Pure.

use proto::Event;
use serde::Deserialize;

/// What is looked at before the rest is trusted.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "specversion")]
    spec_version: Option<String>,
}

/// Reads an event. The error says what is wrong with it: an unknown type or major version is
/// named, not guessed at.
pub(crate) fn event(payload: &[u8]) -> Result<Event, String> {
    let wrong = match serde_json::from_slice::<Event>(payload) {
        Ok(event) if event.subject != event.about().0.id => {
            return Err(format!(
                "the event's subject is {}, its file is {}",
                event.subject,
                event.about().0.id
            ));
        }
        Ok(event) => return Ok(event),
        Err(wrong) => wrong,
    };
    let Ok(envelope) = serde_json::from_slice::<Envelope>(payload) else {
        return Err(format!("not a CloudEvents event: {wrong}"));
    };
    match (envelope.spec_version.as_deref(), envelope.kind) {
        (None, _) | (_, None) => {
            Err("not a CloudEvents event: it has no `specversion` and `type`".to_owned())
        }
        (Some(version), _) if version != "1.0" => Err(format!(
            "CloudEvents version `{version}` is not known to this version of Landfall"
        )),
        (_, Some(kind)) if !is_known(&kind) => Err(format!(
            "event type `{kind}` is not known to this version of Landfall"
        )),
        (_, Some(kind)) => Err(format!("event of type `{kind}` cannot be read: {wrong}")),
    }
}

fn is_known(kind: &str) -> bool {
    proto::What::ALL
        .iter()
        .any(|what| kind == format!("io.landfall.file.{}.v1", what.token()))
}
