//! Counts, sizes and times as people read them.

use jiff::Timestamp;
use runtime::text;

/// A size as people read it, and to the byte: `12.3 MB (12,345,678 bytes)`.
pub(super) fn bytes(size: u64) -> String {
    match size {
        1 => "1 byte".to_owned(),
        0..1_000 => format!("{size} bytes"),
        _ => format!("{} ({} bytes)", text::size(size), text::count(size)),
    }
}

/// A time as people read it, to the second or, where it is finer, the millisecond.
pub(super) fn time(time: Timestamp) -> String {
    let format = if time.subsec_nanosecond() == 0 {
        "%Y-%m-%d %H:%M:%S UTC"
    } else {
        "%Y-%m-%d %H:%M:%S%.3f UTC"
    };
    time.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_are_written_for_people() {
        let sizes: Vec<String> = [
            0,
            1,
            999,
            1000,
            1049,
            1050,
            999_949,
            999_950,
            10_737_418_240,
        ]
        .map(bytes)
        .to_vec();
        assert_eq!(
            sizes,
            [
                "0 bytes",
                "1 byte",
                "999 bytes",
                "1.0 kB (1,000 bytes)",
                "1.0 kB (1,049 bytes)",
                "1.1 kB (1,050 bytes)",
                "999.9 kB (999,949 bytes)",
                "1.0 MB (999,950 bytes)",
                "10.7 GB (10,737,418,240 bytes)",
            ]
        );
        assert!(bytes(u64::MAX).starts_with("18.4 EB"));
    }
}
