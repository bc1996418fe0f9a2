use jiff::Timestamp;
use proptest::prelude::*;
use proto::{FileId, Version};

const KEY: &str = "incoming/hall-7/2026-11-22.csv";

fn version(id: Option<&str>) -> Version {
    let modified: Timestamp = "2026-11-22T09:00:01.75Z".parse().unwrap();
    Version::new("\"6b868efa810fc1917df3f3d5e1debffc\"", modified, id)
}

/// The expected ids were computed with Python: `hashlib.sha256` over the fields, each behind its
/// length as eight bytes, big end first.
#[test]
fn an_id_is_what_the_contract_says_it_is() {
    let plain = FileId::of("sensors", KEY, &version(None));
    assert_eq!(plain.to_string(), "50bfde7316c4cf3803a833caec5430db");
    let versioned = FileId::of("sensors", KEY, &version(Some("3HL4kqtJvjVBH40Nrjfkd")));
    assert_eq!(versioned.to_string(), "d3144099bcbaaee6a3958418da24f73f");
}

#[test]
fn what_a_store_says_of_a_version_is_normalised() {
    let plain = version(None);
    assert_eq!(plain.etag, "6b868efa810fc1917df3f3d5e1debffc");
    assert_eq!(plain.last_modified.to_string(), "2026-11-22T09:00:01Z");
    assert_eq!(version(Some("null")), plain);
    assert_eq!(version(Some("")), plain);
}

#[test]
fn a_text_that_is_no_file_id_is_refused() {
    let good = "50bfde7316c4cf3803a833caec5430db";
    assert!(good.parse::<FileId>().is_ok());
    for bad in [
        "",
        "50BFDE7316C4CF3803A833CAEC5430DB",
        "50bfde7316c4cf3803a833caec5430d",
        "50bfde7316c4cf3803a833caec5430db0",
        "+0bfde7316c4cf3803a833caec5430db",
        "50bfde73-16c4-cf38-03a8-33caec5430d",
    ] {
        let error = bad.parse::<FileId>().unwrap_err().to_string();
        assert!(error.contains(&format!("`{bad}`")), "{error}");
    }
}

/// Few different letters, so that shifted borders between the fields are likely.
fn text() -> impl Strategy<Value = String> {
    "[ab/]{0,4}"
}

prop_compose! {
    fn versions()(etag in text(), second in 0_i64..3, id in proptest::option::of("[ab]{1,3}")) -> Version {
        Version::new(&etag, Timestamp::from_second(second).unwrap(), id.as_deref())
    }
}

/// What an id stands for.
fn identity<'a>(
    bucket: &'a str,
    key: &'a str,
    version: &'a Version,
) -> (&'a str, &'a str, Result<&'a str, (&'a str, Timestamp)>) {
    let decides = version
        .id
        .as_deref()
        .ok_or((version.etag.as_str(), version.last_modified));
    (bucket, key, decides)
}

proptest! {
    #[test]
    fn two_versions_share_an_id_only_if_they_are_the_same(
        a in (text(), text(), versions()),
        b in (text(), text(), versions()),
    ) {
        let same = identity(&a.0, &a.1, &a.2) == identity(&b.0, &b.1, &b.2);
        prop_assert_eq!(FileId::of(&a.0, &a.1, &a.2) == FileId::of(&b.0, &b.1, &b.2), same);
    }

    #[test]
    fn moving_a_border_between_two_fields_changes_the_id(text in "[a-z]{2,8}", version in versions()) {
        let ids: std::collections::BTreeSet<FileId> = (0..=text.len())
            .map(|at| FileId::of(&text[..at], &text[at..], &version))
            .collect();
        prop_assert_eq!(ids.len(), text.len() + 1);
    }

    #[test]
    fn an_id_is_read_back_as_it_was_printed(bytes: [u8; 16]) {
        let id = FileId::from_bytes(bytes);
        let text = id.to_string();
        prop_assert_eq!(text.len(), 32);
        prop_assert_eq!(id.bytes(), bytes);
        prop_assert_eq!(text.parse::<FileId>().unwrap(), id);
        prop_assert!(text.starts_with(&id.short()));
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(serde_json::from_str::<FileId>(&json).unwrap(), id);
    }
}
