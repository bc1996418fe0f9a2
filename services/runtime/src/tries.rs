//! How often a message has failed, counted in the journal: neither restarts nor redeliveries nor
//! outages count.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Journal;
use store::journal::Register;

use crate::{Message, Trouble};

/// What the register of a message holds.
#[derive(Debug, Serialize, Deserialize)]
struct Tries {
    count: u32,
    /// Why the last one failed.
    reason: String,
    /// When.
    last: Timestamp,
}

/// Counts one more failed try of a message, and answers how many there are now.
///
/// Compare-and-set, so that two replicas that fail at once count two. Called again after a crash
/// between counting and answering, it counts a try too many: the last try comes one early.
pub(crate) async fn count(
    journal: &dyn Journal,
    stream: &str,
    message: &Message,
    reason: &str,
) -> Result<u32, Trouble> {
    let register = register(stream, message);
    loop {
        let mut tries = Tries {
            count: 1,
            reason: reason.to_owned(),
            last: Timestamp::now(),
        };
        let created = journal.create(&register, &encode(&tries)?).await?;
        if created.ours {
            return Ok(1);
        }
        // A count that cannot be read must not keep the message for ever.
        let before = serde_json::from_slice::<Tries>(&created.entry.value);
        let before = before.map_or(0, |before| before.count);
        tries.count = before.saturating_add(1);
        let replaced = journal
            .replace(&register, created.entry.revision, &encode(&tries)?)
            .await?;
        if replaced.is_some() {
            return Ok(tries.count);
        }
    }
}

/// The stream's own time is part of the name: a stream that is created anew counts its messages
/// from 1 again, and they must not inherit the tries of the old ones.
fn register(stream: &str, message: &Message) -> Register {
    let (sequence, stored) = (message.sequence, message.stored.as_microsecond());
    Register::new("tries", format!("{stream}/{sequence}/{stored}"))
}

fn encode(tries: &Tries) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(tries).map_err(|error| Trouble::Retry {
        reason: format!("the count of tries cannot be written: {error}"),
    })
}
