//! Any bytes are read or refused: no panic, and nothing from outside breaks a line of the log.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watcher::notification::{Said, decode};

fuzz_target!(|body: &[u8]| match decode(body) {
    Ok(records) => {
        for record in records {
            match record.said {
                Said::Created(created) => {
                    assert!(!created.bucket.is_empty());
                    assert!(!created.key.is_empty());
                }
                Said::Unreadable(reason) => one_line(&reason),
                Said::Other(_) => {}
            }
        }
    }
    Err(unreadable) => one_line(&unreadable.to_string()),
});

fn one_line(reason: &str) {
    assert!(!reason.contains(char::is_control), "{reason:?}");
}
