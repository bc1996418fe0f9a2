//! Counts, sizes and times as people read them.

use jiff::Timestamp;

/// A number as people read it: `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A size as people read it: `12.3 MB`.
pub(super) fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if size < 1000 {
        return if size == 1 {
            "1 byte".to_owned()
        } else {
            format!("{size} bytes")
        };
    }
    // In tenths, so that rounding up to 1,000.0 moves on to the next unit.
    let mut tenths = size / 100;
    let mut rest = size % 100;
    for unit in UNITS {
        let rounded = tenths + u64::from(rest >= 50);
        if rounded < 10_000 {
            return format!(
                "{}.{} {unit} ({} bytes)",
                rounded / 10,
                rounded % 10,
                count(size)
            );
        }
        rest = tenths % 1000 / 10;
        tenths /= 1000;
    }
    format!("{} bytes", count(size))
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
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert!(bytes(u64::MAX).starts_with("18.4 EB"));
    }
}
