//! Any bytes, cut in any way, under a few profiles: no panic, sums that add up, and the same result as
//! in one piece. The fuzz target (`fuzz/`) does the same, with bytes that libFuzzer chooses.

use std::sync::LazyLock;

use ingest::table::{Counts, Pass, Room, Rules, Terms};
use runtime::config::Profile;

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let profiles = serde_json::json!([
        { "name": "default" },
        { "name": "named", "values": ["a", "b"], "sensor": "file_name", "delimiter": ";" },
        { "name": "narrow", "header": "no", "sensor": { "column": 1 }, "time": 2, "values": [3],
          "metric": 4 },
        { "name": "unix", "header": "yes", "time_format": "unix", "values": [2, 3], "time": 1,
          "sensor": { "fixed": "s" } },
    ]);
    serde_json::from_value(profiles).expect("profiles")
});

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, profile: &Profile) -> (Counts, String) {
    let terms = Terms {
        latest: jiff::Timestamp::MAX,
        longest_line: 1000,
        unpacked: 1 << 20,
        refused_rows: 1000,
        part: 16,
    };
    let rules = Rules::new(profile, "incoming/file.csv").expect("rules");
    let mut pass = Pass::new(rules, &terms, Room::most(&terms), "incoming/file.csv");
    for piece in pieces {
        if !pass.push(piece, &mut |_| Ok(())).expect("push") {
            break;
        }
    }
    let seen = pass.finish(&mut |_| Ok(())).expect("finish");
    assert!(seen.rejects.rows().len() + seen.rejects.list().len() < 4000);
    (seen.counts, seen.rejects.list())
}

/// What has to hold for any bytes. The first chooses the profile, the second where the rest is cut.
pub(crate) fn add_up(data: &[u8]) {
    let [which, size, bytes @ ..] = data else {
        return;
    };
    let profile = &PROFILES[usize::from(*which) % PROFILES.len()];
    let cut = read(bytes.chunks(usize::from(*size) + 1), profile);
    let whole = read(std::iter::once(bytes), profile);
    assert_eq!(cut, whole);
    let counts = whole.0;
    assert_eq!(
        counts.read,
        counts.stored + counts.rejected + counts.duplicated
    );
}

#[cfg(test)]
proptest::proptest! {
    #[test]
    fn whatever_they_are(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2000)) {
        add_up(&data);
    }

    /// Of what tables are made of.
    #[test]
    fn those_of_tables_as_well(
        which: u8,
        size: u8,
        bytes in proptest::collection::vec(
            proptest::sample::select(&b"sab,;\"\n\r 0129.-:TZe\0\xff"[..]),
            0..2000,
        ),
    ) {
        add_up(&[&[which, size], &bytes[..]].concat());
    }
}
