use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::json;

use crate::reading::{profile, read, read_pieces, terms};

pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(vec![], Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn table(rows: usize) -> Vec<u8> {
    let mut text = String::from("sensor_id,timestamp,value\n");
    for row in 0..rows {
        text.push_str(&format!("s{},{},{row}.5\n", row % 7, 1_700_000_000 + row));
    }
    text.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn members_one_after_the_other_are_one_file(
        rows in 0_usize..3000,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        size in 1_usize..5000,
    ) {
        let plain = table(rows);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(plain.len())).collect();
        cuts.extend([0, plain.len()]);
        cuts.sort_unstable();
        let packed: Vec<u8> = cuts.windows(2).flat_map(|cut| pack(&plain[cut[0]..cut[1]])).collect();
        let profile = profile(&json!({}));
        let unpacked = read_pieces(packed.chunks(size), &profile, &terms(), "a.csv.gz");
        let expected = read(&plain, &profile);
        prop_assert!(unpacked.seen.gzip && !expected.seen.gzip);
        prop_assert_eq!(&unpacked.seen.counts, &expected.seen.counts);
        prop_assert_eq!(unpacked.written, expected.written);
        prop_assert_eq!(unpacked.seen.counts.stored, rows as u64);
    }

    /// A later look gets the same bytes otherwise cut, and must see the same.
    #[test]
    fn what_is_damaged_or_too_large_is_read_alike_however_it_is_cut(
        rows in 1_usize..3000,
        damage in prop::option::of((any::<prop::sample::Index>(), 0_u32..8)),
        unpacked in prop_oneof![Just(u64::MAX), 0_u64..60_000],
        sizes in prop::collection::vec(1_usize..3000, 1..5),
    ) {
        let mut packed = pack(&table(rows));
        if let Some((at, bit)) = damage {
            let at = 10 + at.index(packed.len() - 10);
            packed[at] ^= 1 << bit;
        }
        let mut terms = terms();
        terms.unpacked = unpacked;
        let profile = profile(&json!({}));
        let whole = read_pieces([&packed[..]], &profile, &terms, "a.csv.gz");
        for size in sizes {
            let cut = read_pieces(packed.chunks(size), &profile, &terms, "a.csv.gz");
            prop_assert_eq!(&cut.seen.problem, &whole.seen.problem);
            prop_assert_eq!(&cut.seen.counts, &whole.seen.counts);
            prop_assert_eq!(&cut.written, &whole.written);
        }
    }

    #[test]
    fn a_file_that_was_cut_off_anywhere_is_refused(rows in 0_usize..500, cut: prop::sample::Index) {
        let packed = pack(&table(rows));
        let cut = 2 + cut.index(packed.len() - 2);
        let problem = read(&packed[..cut], &profile(&json!({}))).seen.problem.unwrap();
        prop_assert!(problem.contains("ends too early"), "{}", problem);
    }

    #[test]
    fn a_byte_that_was_changed_is_noticed(rows in 1_usize..500, at: prop::sample::Index, bit in 0_u32..8) {
        let plain = table(rows);
        let mut packed = pack(&plain);
        // The first ten bytes are the header: name, time and system stand there and are not read.
        let at = 10 + at.index(packed.len() - 10);
        packed[at] ^= 1 << bit;
        let changed = read(&packed, &profile(&json!({})));
        // But for the few bits between the last code and its byte's end, which say nothing.
        if changed.seen.problem.is_none() {
            let expected = read(&plain, &profile(&json!({})));
            prop_assert_eq!(changed.written, expected.written);
            prop_assert_eq!(at, packed.len() - 9);
        }
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    for garbage in [
        &b"x"[..],
        b"\0",
        b"\x1f",
        b"\x1f\x8c",
        b"sensor_id,timestamp,value\n",
    ] {
        let mut packed = pack(&table(3));
        packed.extend_from_slice(garbage);
        for size in [1, 2, 1000] {
            let outcome = read_pieces(
                packed.chunks(size),
                &profile(&json!({})),
                &terms(),
                "a.csv.gz",
            );
            let problem = outcome.seen.problem.unwrap();
            let expected = if garbage == b"\x1f" {
                "ends too early"
            } else {
                "other bytes follow"
            };
            assert!(problem.contains(expected), "{garbage:?} {size}: {problem}");
        }
    }
}

#[test]
fn what_unpacks_to_too_much_is_refused_in_bounded_memory() {
    let bomb = pack(&vec![b'0'; 50 << 20]);
    let mut terms = terms();
    terms.unpacked = 1 << 20;
    terms.longest_line = 100 << 20;
    let outcome = read_pieces(bomb.chunks(1000), &profile(&json!({})), &terms, "a.csv.gz");
    let problem = outcome.seen.problem.unwrap();
    assert!(
        problem.contains("unpacks to more than 1048576 bytes"),
        "{problem}"
    );
    assert!(problem.contains("[ingest] gzip_ratio"), "{problem}");
}

#[test]
fn gzip_is_told_by_its_bytes_and_not_by_the_name() {
    let profile = profile(&json!({}));
    let plain = read_pieces([&table(5)[..]], &profile, &terms(), "a.csv.gz");
    assert_eq!(plain.seen.counts.stored, 5);
    let packed = read_pieces([&pack(&table(5))[..]], &profile, &terms(), "a.csv");
    assert_eq!(packed.seen.counts.stored, 5);
    let twice = read(&pack(&pack(&table(5))), &profile)
        .seen
        .problem
        .unwrap();
    assert!(twice.contains("gzip inside of gzip"), "{twice}");
}
