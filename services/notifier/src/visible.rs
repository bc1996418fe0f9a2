//! Text from outside (keys, cells, a server's words), made fit to be shown: on one line, in the
//! order in which it is stored, and not longer than there is room.

use std::fmt::Write;

use runtime::text::hides_or_steers;

/// `text` with every character spelled out that would break a line, hide or reorder text
/// (`<U+202E>`), cut to `most` characters.
pub(crate) fn visible(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut places = 0;
    let mut cut = 0;
    for character in text.chars() {
        let before = shown.len();
        if places < most {
            cut = before;
        }
        if hides_or_steers(character) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "<U+{:04X}>", u32::from(character));
            places += shown.len() - before;
        } else {
            shown.push(character);
            places += 1;
        }
        if places > most {
            shown.truncate(cut);
            shown.push('…');
            break;
        }
    }
    shown
}

/// The name of the object `key`: its last part, with its middle left out where it is longer than
/// `most`, since files of one kind differ at their ends.
pub(crate) fn name(key: &str, most: usize) -> String {
    let last = key.rsplit('/').find(|part| !part.is_empty()).unwrap_or(key);
    let shown = visible(last, usize::MAX);
    let length = shown.chars().count();
    if length <= most {
        return shown;
    }
    let kept = most.saturating_sub(1);
    let tail = kept / 2;
    let head = kept - tail;
    let start: String = shown.chars().take(head).collect();
    let end: String = shown.chars().skip(length - tail).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_and_directions_are_spelled_out() {
        assert_eq!(visible("a\r\nBcc: x", 99), "a<U+000D><U+000A>Bcc: x");
        assert_eq!(
            visible("invoice\u{202e}vsc.exe", 99),
            "invoice<U+202E>vsc.exe"
        );
        assert_eq!(
            visible("a\u{0}b\u{feff}c\u{2028}", 99),
            "a<U+0000>b<U+FEFF>c<U+2028>"
        );
        assert_eq!(visible("tag\u{e0041}", 99), "tag<U+E0041>");
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in [
            "pump 7.csv",
            "Messgröße-Süd.csv",
            "温度.csv",
            "👩\u{200d}🔬.csv",
            "a+b%2B'\"",
        ] {
            assert_eq!(visible(text, 99), text);
        }
    }

    #[test]
    fn text_is_cut_where_the_room_ends() {
        assert_eq!(visible("abcde", 5), "abcde");
        assert_eq!(visible("abcdef", 5), "abcd…");
        assert_eq!(visible("abcdefghi\n", 9), "abcdefgh…");
        assert_eq!(visible("a\n", 5), "a…");
    }

    #[test]
    fn a_name_is_the_last_part_and_keeps_both_its_ends() {
        assert_eq!(name("incoming/plant-1/pump-7.csv", 60), "pump-7.csv");
        assert_eq!(name("pump-7-2026-11-22T090000.csv", 15), "pump-7-…000.csv");
        assert_eq!(name("///", 60), "///");
        assert_eq!(name("a/\r\n", 60), "<U+000D><U+000A>");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left_and_it_fits(text in "\\PC*|[\\s\\S]{0,80}", most in 1_usize..60) {
            let shown = visible(&text, most);
            prop_assert!(!shown.chars().any(hides_or_steers));
            prop_assert!(shown.chars().count() <= most);
            prop_assert!(name(&text, most).chars().count() <= most);
        }
    }
}
