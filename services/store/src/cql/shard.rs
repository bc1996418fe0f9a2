//! Spreads what would be one partition over several.

/// Which of so many shards a name has: the same for ever (FNV-1a), since rows are where it says.
pub(super) fn shard(name: &[&str], shards: i32) -> i32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in name {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    // Its lower bits are mixed badly.
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    i32::try_from(hash % u64::from(shards.unsigned_abs())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_shard_for_ever_and_all_shards_are_used() {
        assert_eq!(shard(&["sensor-1", "value", "0"], 8), EXPECTED[0]);
        assert_eq!(shard(&["sensor-1", "valu", "e0"], 8), EXPECTED[1]);
        let mut used = [0; 8];
        for number in 0..8_000 {
            let shard = shard(&[&number.to_string()], 8);
            used[usize::try_from(shard).unwrap()] += 1;
        }
        assert!(
            used.iter().all(|used| (800..1_200).contains(used)),
            "{used:?}"
        );
    }

    const EXPECTED: [i32; 2] = [4, 6];
}
