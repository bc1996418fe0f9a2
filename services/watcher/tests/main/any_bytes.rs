//! Any bytes are read or refused: no panic, and nothing from outside breaks a line of the log. The
//! fuzz target (`fuzz/`) does the same, with bytes that libFuzzer chooses.

use watcher::notification::{Said, decode};

/// What has to hold for any body.
pub(crate) fn are_read_or_refused(body: &[u8]) {
    let records = match decode(body) {
        Ok(records) => records,
        Err(unreadable) => return is_one_line(&unreadable.to_string()),
    };
    for record in records {
        match record.said {
            Said::Created(created) => {
                assert!(!created.bucket.is_empty());
                assert!(!created.key.is_empty());
            }
            Said::Unreadable(reason) => is_one_line(&reason),
            Said::Other(_) => {}
        }
    }
}

fn is_one_line(reason: &str) {
    assert!(!reason.contains(char::is_control), "{reason:?}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::are_read_or_refused;

    /// Bodies of every kind.
    const WHOLE: [&[u8]; 8] = [
        include_bytes!("../golden/seaweedfs-create.json"),
        include_bytes!("../golden/minio-put.json"),
        include_bytes!("../golden/versitygw-put.json"),
        include_bytes!("../golden/seaweedfs-version.json"),
        include_bytes!("../golden/sns-put.json"),
        include_bytes!("../golden/eventbridge-created.json"),
        include_bytes!("../golden/r2-put.json"),
        include_bytes!("../golden/gcs-finalize.json"),
    ];

    proptest! {
        #[test]
        fn whatever_they_are(body in prop::collection::vec(any::<u8>(), 0..2000)) {
            are_read_or_refused(&body);
        }

        /// Nearly right: a real body with one stretch of it replaced.
        #[test]
        fn those_of_damaged_bodies_as_well(
            whole in prop::sample::select(&WHOLE[..]),
            at: prop::sample::Index,
            with in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let at = at.index(whole.len());
            let after = (at + with.len()).min(whole.len());
            let mut body = whole.to_vec();
            body.splice(at..after, with);
            are_read_or_refused(&body);
        }
    }
}
