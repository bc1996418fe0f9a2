//! Keys on the wire: three encodings, each done or undone exactly once.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986, and `/`.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// What cannot stand in a header as it is: everything but printable ASCII, and `%` itself. Spaces
/// too: a header's ends are trimmed, and some fold inner runs of them.
const IN_HEADER: &AsciiSet = &percent_encoding::CONTROLS.add(b'%').add(b' ');

/// `x-amz-copy-source`. The SDK sends it as it is given.
pub(crate) fn copy_source(bucket: &str, key: &str, version: Option<&str>) -> String {
    let mut source = format!("{bucket}/{}", utf8_percent_encode(key, IN_PATH));
    if let Some(version) = version {
        source.push_str("?versionId=");
        source.extend(utf8_percent_encode(version, IN_PATH));
    }
    source
}

/// A key of a listing that was asked for with `encoding-type=url`, which is the encoding of forms:
/// a space is `+`. The SDK hands it over as it came. (Without it, stores replace what XML cannot
/// hold, and the key is lost.)
pub(crate) fn listed_key(encoded: &str) -> Option<String> {
    let spaced = encoded.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

/// Pairs in the encoding of forms, as `x-amz-tagging` has them.
pub(crate) fn form<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// Text as it can stand in a header, and so in an object's metadata: percent-encoded where it is
/// not printable ASCII.
pub fn metadata_value(text: &str) -> String {
    utf8_percent_encode(text, IN_HEADER).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_copy_source_is_encoded_the_way_s3_wants_it() {
        assert_eq!(
            copy_source("b", "in/a b+c%2Bü?#.csv", None),
            "b/in/a%20b%2Bc%252B%C3%BC%3F%23.csv"
        );
        assert_eq!(
            copy_source("b", "k", Some("v+1/=")),
            "b/k?versionId=v%2B1/%3D"
        );
    }

    #[test]
    fn tags_are_written_as_a_form() {
        let tags = [("site", "north pier"), ("a&b", "1=1+ü")];
        assert_eq!(
            form(tags.into_iter()),
            "site=north%20pier&a%26b=1%3D1%2B%C3%BC"
        );
    }

    #[test]
    fn a_listed_key_is_decoded_as_a_form() {
        // As SeaweedFS 4.48 answered for these keys.
        for (listed, key) in [
            ("in/a+b.csv", "in/a b.csv"),
            ("in/a%2Bb.csv", "in/a+b.csv"),
            ("in/a%252Bb.csv", "in/a%2Bb.csv"),
            ("in/new%0Aline.csv", "in/new\nline.csv"),
            ("in/%C3%BC+%C3%B6.csv", "in/ü ö.csv"),
            ("in/%01ctl", "in/\u{1}ctl"),
        ] {
            assert_eq!(listed_key(listed).as_deref(), Some(key));
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_in_metadata_as_printable_ascii(text in any::<String>()) {
            let value = metadata_value(&text);
            prop_assert!(value.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
            prop_assert_eq!(percent_decode_str(&value).decode_utf8().unwrap(), text);
        }

        #[test]
        fn a_copy_source_names_exactly_one_key(key in any::<String>()) {
            let source = copy_source("b", &key, None);
            let path = source.strip_prefix("b/").unwrap();
            prop_assert!(!path.contains(['?', '+', ' ', '#']));
            prop_assert_eq!(percent_decode_str(path).decode_utf8().unwrap(), key);
        }
    }
}
