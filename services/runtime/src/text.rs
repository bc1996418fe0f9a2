//! Text from outside (keys, cells, a server's words) where people look at it, and numbers as they
//! read them.

/// Whether a character breaks a line, hides text or reorders it: controls, line and paragraph
/// separators, whatever changes the direction of text, and what takes no room. The two joiners do
/// not: scripts and emoji need them.
pub fn hides_or_steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a spreadsheet would take a cell for a formula; an apostrophe before it keeps it from
/// that.
pub fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// `1,234,567`
pub fn count(number: u64) -> String {
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

/// `1 reading`, `1,440 readings`
pub fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(number))
}

/// `14.2 kB`
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    // In tenths, so that rounding up to 1,000.0 moves on to the next unit.
    let mut tenths = bytes / 100;
    let mut rest = bytes % 100;
    let mut text = String::new();
    for unit in UNITS {
        let rounded = tenths + u64::from(rest >= 50);
        text = format!("{}.{} {unit}", rounded / 10, rounded % 10);
        if rounded < 10_000 {
            break;
        }
        rest = tenths % 1_000 / 10;
        tenths /= 1_000;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_049, "1.0 kB"),
            (1_050, "1.1 kB"),
            (3_976, "4.0 kB"),
            (14_249, "14.2 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (5_000_000_000, "5.0 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(counted(1, "reading"), "1 reading");
        assert_eq!(counted(0, "reading"), "0 readings");
        assert_eq!(counted(1_440, "reading"), "1,440 readings");
        assert_eq!(count(7), "7");
        assert_eq!(count(1_440), "1,440");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn what_hides_or_steers_is_known_and_what_people_write_is_not() {
        for character in "\n\u{7f}\u{9b}\u{ad}\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}".chars() {
            assert!(hides_or_steers(character), "{character:?}");
        }
        for character in "a ü漢\u{200d}👩-=".chars() {
            assert!(!hides_or_steers(character), "{character:?}");
        }
    }
}
