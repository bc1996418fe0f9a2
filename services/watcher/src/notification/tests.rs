//! Bodies captured from real stores (`tests/golden`), and any key as each sender writes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/golden/", $name, ".json"))
    };
}

/// The only record of a body.
fn only(body: &[u8]) -> Record {
    let mut records = decode(body).unwrap();
    assert_eq!(records.len(), 1);
    records.remove(0)
}

fn created(body: &[u8]) -> Created {
    match only(body).said {
        Said::Created(created) => created,
        other => panic!("not created but {other:?}"),
    }
}

fn other(body: &[u8]) -> Other {
    match only(body).said {
        Said::Other(other) => other,
        said => panic!("something else: {said:?}"),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn at(time: &str) -> Option<Timestamp> {
    Some(time.parse().unwrap())
}

#[test]
fn an_upload_to_seaweedfs_is_a_creation_with_its_raw_key() {
    let body = golden!("seaweedfs-create");
    assert_eq!(only(body).sender, Sender::SeaweedFs);
    assert_eq!(
        created(body),
        Created {
            bucket: "sensors".to_owned(),
            key: "incoming/a b+ü%2B.csv".to_owned(),
            announced: Announced {
                etag: Some("bd5da1a7cbc860d6aafb0529b8f6d846".to_owned()),
                version_id: None,
                time: at("2026-11-22T15:12:21Z"),
            },
        }
    );
}

#[test]
fn an_overwrite_in_seaweedfs_announces_the_new_version() {
    let created = created(golden!("seaweedfs-overwrite"));
    assert_eq!(created.key, "incoming/a b+ü%2B.csv");
    assert_eq!(
        created.announced.etag.as_deref(),
        Some("d396ff1404d689cb6d2d5a9c9f3fb336")
    );
}

#[test]
fn every_way_into_seaweedfs_announces_the_tag_that_head_shows() {
    // What HEAD answered when these were captured.
    for (body, key, etag) in [
        (
            golden!("seaweedfs-zero-bytes").as_slice(),
            "incoming/zero.csv",
            "d41d8cd98f00b204e9800998ecf8427e",
        ),
        (
            golden!("seaweedfs-copy"),
            "incoming/copied.csv",
            "d396ff1404d689cb6d2d5a9c9f3fb336",
        ),
        (
            golden!("seaweedfs-multipart"),
            "incoming/big.bin",
            "7181cbc0d3760cb3e220d8321a5ea84c-2",
        ),
        (
            golden!("seaweedfs-filer"),
            "incoming/byfiler.csv",
            "8e43bca754cc12ced0d85168bb2db2e2",
        ),
        (
            golden!("seaweedfs-tagging"),
            "incoming/zero.csv",
            "d41d8cd98f00b204e9800998ecf8427e",
        ),
    ] {
        let created = created(body);
        assert_eq!(created.key, key);
        assert_eq!(created.announced.etag.as_deref(), Some(etag), "{key}");
    }
}

#[test]
fn quotes_line_breaks_and_emoji_stand_in_seaweedfs_keys_as_they_are() {
    for (body, key) in [
        (
            golden!("seaweedfs-quotes").as_slice(),
            "incoming/q'\"uote.csv",
        ),
        (golden!("seaweedfs-newline"), "incoming/new\nline.csv"),
        (golden!("seaweedfs-emoji"), "incoming/😀.csv"),
    ] {
        assert_eq!(created(body).key, key);
    }
}

#[test]
fn what_is_no_creation_in_seaweedfs_is_something_else() {
    for (body, expected) in [
        (golden!("seaweedfs-delete").as_slice(), Other::Removal),
        (golden!("seaweedfs-rename"), Other::Rename),
        (golden!("seaweedfs-bucket"), Other::Directory),
        (golden!("seaweedfs-directory-marker"), Other::Directory),
        (golden!("seaweedfs-upload-part"), Other::Upload),
        (golden!("seaweedfs-versions-folder"), Other::Directory),
        (golden!("seaweedfs-delete-marker"), Other::Removal),
    ] {
        assert_eq!(other(body), expected);
    }
}

#[test]
fn the_books_that_seaweedfs_keeps_are_in_a_bucket_that_nobody_watches() {
    assert_eq!(created(golden!("seaweedfs-bookkeeping")).bucket, ".system");
}

#[test]
fn a_version_in_a_versioned_bucket_of_seaweedfs_has_its_key_and_its_id() {
    let created = created(golden!("seaweedfs-version"));
    assert_eq!(created.bucket, "vers");
    assert_eq!(created.key, "incoming/a.csv");
    assert_eq!(
        created.announced,
        Announced {
            etag: Some("b8a9f715dbb64fd5c56e7783c6820a61".to_owned()),
            version_id: Some("671599437827f8403598f289ecde6c20".to_owned()),
            time: at("2026-11-22T15:12:41Z"),
        }
    );
}

#[test]
fn minio_writes_keys_as_forms() {
    let body = golden!("minio-put");
    assert_eq!(only(body).sender, Sender::Minio);
    assert_eq!(
        created(body),
        Created {
            bucket: "landfall".to_owned(),
            key: "in/a b+ü.csv".to_owned(),
            announced: Announced {
                etag: Some("e5ebd4c02cefbe7955977c67ada242b7".to_owned()),
                version_id: None,
                time: at("2026-11-22T12:27:14.188Z"),
            },
        }
    );
}

#[test]
fn versitygw_writes_keys_raw_and_tags_with_their_quotes() {
    let body = golden!("versitygw-put");
    assert_eq!(only(body).sender, Sender::Versitygw);
    assert_eq!(
        created(body),
        Created {
            bucket: "landfall".to_owned(),
            key: "in/a b+ü.csv".to_owned(),
            announced: Announced {
                etag: Some("e5ebd4c02cefbe7955977c67ada242b7".to_owned()),
                version_id: None,
                time: at("2026-11-22T12:28:41Z"),
            },
        }
    );
}

#[test]
fn a_sender_that_tries_whether_we_are_there_is_heard_and_no_more() {
    assert_eq!(other(golden!("versitygw-test")), Other::Test);
    let aws = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"});
    let record = only(&bytes(&aws));
    assert_eq!(
        (record.sender, record.said),
        (Sender::Aws, Said::Other(Other::Test))
    );
}

/// A record with everything that marks its sender.
fn s3_record(sender: Sender, event: &str, key: &str) -> Value {
    let (source, prefix, principal) = match sender {
        Sender::Aws => ("aws:s3", "", "principalId"),
        Sender::Minio => ("minio:s3", "s3:", "principalId"),
        Sender::RustFs => ("rustfs:s3", "s3:", "principalId"),
        Sender::Ceph => ("ceph:s3", "", "principalId"),
        Sender::Versitygw => ("aws:s3", "s3:", "PrincipalId"),
        Sender::SeaweedFs | Sender::Unknown => panic!("says no records"),
    };
    json!({
        "eventVersion": "2.2",
        "eventSource": source,
        "eventName": format!("{prefix}{event}"),
        "eventTime": "2026-11-22T12:00:00.500Z",
        "userIdentity": {principal: "somebody"},
        "s3": {
            "bucket": {"name": "sensors"},
            // A number in some stores, a string in Ceph.
            "object": {"key": key, "size": "8", "eTag": "e", "versionId": "v1"},
        },
    })
}

/// A body as a sender writes it for a key: an encoder of each, apart from the decoder.
fn body(sender: Sender, key: &str) -> Vec<u8> {
    const WITHOUT_SLASH: &AsciiSet = &ALL_BUT_UNRESERVED.remove(b'/');
    const ALL_BUT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'*');
    let form = |set| {
        utf8_percent_encode(key, set)
            .to_string()
            .replace("%20", "+")
    };
    let records =
        |key: &str| bytes(&json!({"Records": [s3_record(sender, "ObjectCreated:Put", key)]}));
    match sender {
        Sender::Aws => records(&form(WITHOUT_SLASH)),
        Sender::Minio | Sender::RustFs => records(&form(ALL_BUT_UNRESERVED)),
        Sender::Ceph | Sender::Versitygw => records(key),
        Sender::SeaweedFs => bytes(&json!({
            "event_type": "create",
            "key": format!("/buckets/sensors/{key}"),
            "message": {"new_entry": {"attributes": {"mtime": 1795360341}}},
        })),
        Sender::Unknown => panic!("nobody"),
    }
}

const SENDERS: [Sender; 6] = [
    Sender::SeaweedFs,
    Sender::Aws,
    Sender::Minio,
    Sender::RustFs,
    Sender::Ceph,
    Sender::Versitygw,
];

fn comes_back(key: &str) {
    for sender in SENDERS {
        let body = body(sender, key);
        assert_eq!(only(&body).sender, sender);
        let created = created(&body);
        assert_eq!(created.key, key, "{}", sender.name());
        assert_eq!(created.bucket, "sensors");
    }
}

#[test]
fn awkward_keys_come_back_from_every_sender() {
    let long = "ü".repeat(512);
    assert_eq!(long.len(), 1024);
    for key in [
        "incoming/a b.csv",
        "incoming/a+b.csv",
        "incoming/100%.csv",
        "incoming/%2B.csv",
        "incoming/%252B.csv",
        "incoming/ä ö ü ß.csv",
        "incoming/😀🛰️.csv",
        "incoming/\"'`.csv",
        "incoming/new\nline\r\n.csv",
        "incoming/../dots.csv",
        "incoming/&=?#;:@$,<>[]{}|\\^~.csv",
        "incoming/\u{0}\u{7f}.csv",
        "incoming/a//b/",
        &long,
    ] {
        comes_back(key);
    }
}

proptest! {
    #[test]
    fn any_key_comes_back_from_every_sender(key in "[^/]\\PC{0,200}|[^/.][ +%&=\"'\\\\0-9A-Fa-f\\n\\t/]{0,60}") {
        comes_back(&key);
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_never_more(body in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = decode(&body);
    }

    /// Nearly right: a real body with one stretch of it replaced.
    #[test]
    fn damaged_bodies_are_read_or_refused_and_never_more(
        which in 0_usize..4,
        at in 0_usize..600,
        with in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let whole: &[u8] = [
            golden!("seaweedfs-create").as_slice(),
            golden!("minio-put"),
            golden!("versitygw-put"),
            golden!("seaweedfs-version"),
        ][which];
        let at = at.min(whole.len());
        let after = (at + with.len()).min(whole.len());
        let mut body = whole.to_vec();
        body.splice(at..after, with);
        let _ = decode(&body);
    }
}

#[test]
fn only_creations_among_s3_events_count() {
    for sender in [Sender::Aws, Sender::Minio, Sender::Ceph, Sender::Versitygw] {
        for (event, expected) in [
            ("ObjectCreated:Put", None),
            ("ObjectCreated:Post", None),
            ("ObjectCreated:Copy", None),
            ("ObjectCreated:CompleteMultipartUpload", None),
            ("ObjectCreated:PutTagging", Some(Other::Unrelated)),
            ("ObjectCreated:DeleteTagging", Some(Other::Unrelated)),
            ("ObjectCreated:PutRetention", Some(Other::Unrelated)),
            ("ObjectCreated:PutLegalHold", Some(Other::Unrelated)),
            ("ObjectRemoved:Delete", Some(Other::Removal)),
            ("ObjectRemoved:DeleteMarkerCreated", Some(Other::Removal)),
            ("ObjectAccessed:Get", Some(Other::Unrelated)),
            ("ObjectTagging:Put", Some(Other::Unrelated)),
            ("TestEvent", Some(Other::Test)),
        ] {
            let body = bytes(&json!({"Records": [s3_record(sender, event, "k")]}));
            match (only(&body).said, expected) {
                (Said::Created(_), None) => {}
                (Said::Other(found), Some(expected)) => assert_eq!(found, expected, "{event}"),
                (said, _) => panic!("{} {event}: {said:?}", sender.name()),
            }
        }
    }
}

#[test]
fn each_record_of_a_message_is_read_by_itself() {
    let good = s3_record(Sender::Aws, "ObjectCreated:Put", "good.csv");
    let mut strange = s3_record(Sender::Aws, "ObjectCreated:Put", "x");
    strange["eventSource"] = json!("shiny:s3");
    let mut newer = s3_record(Sender::Aws, "ObjectCreated:Put", "x");
    newer["eventVersion"] = json!("3.0");
    let not_encoded = s3_record(Sender::Aws, "ObjectCreated:Put", "50%.csv");
    let not_utf8 = s3_record(Sender::Minio, "ObjectCreated:Put", "%ff.csv");
    let mut mixed = s3_record(Sender::Aws, "ObjectCreated:Put", "a+b");
    mixed["eventName"] = json!("s3:ObjectCreated:Put");
    let removed = s3_record(Sender::Aws, "ObjectRemoved:Delete", "gone.csv");
    let body = bytes(&json!({"Records": [
        strange, 17, newer, not_encoded, not_utf8, mixed, {"eventSource": "ceph:s3", "eventName": "ObjectCreated:Put"},
        removed, good,
    ]}));
    let records = decode(&body).unwrap();
    let reasons: Vec<String> = records
        .iter()
        .filter_map(|record| match &record.said {
            Said::Unreadable(reason) => Some(reason.clone()),
            _ => None,
        })
        .collect();
    for (reason, part) in reasons.iter().zip([
        "eventSource is `shiny:s3`",
        "the record looks different",
        "eventVersion `3.0`",
        "no two hex digits follow the `%` at byte 2",
        "not form-encoded UTF-8",
        "neither as AWS nor as versitygw",
        "no `s3`",
    ]) {
        assert!(reason.contains(part), "{reason} lacks {part}");
    }
    assert_eq!(reasons.len(), 7);
    assert_eq!(records[7].said, Said::Other(Other::Removal));
    let Said::Created(last) = &records[8].said else {
        panic!("the good record was spoilt");
    };
    assert_eq!(last.key, "good.csv");
    assert_eq!(last.announced.version_id.as_deref(), Some("v1"));
}

#[test]
fn version_ids_that_say_nothing_are_none() {
    for nothing in [json!(null), json!(""), json!("null")] {
        let mut record = s3_record(Sender::Minio, "ObjectCreated:Put", "k");
        record["s3"]["object"]["versionId"] = nothing;
        let created = created(&bytes(&json!({"Records": [record]})));
        assert_eq!(created.announced.version_id, None);
    }
}

#[test]
fn a_key_that_only_looks_like_a_version_stays_whole() {
    let body = json!({
        "event_type": "create",
        "key": "/buckets/b/in/a.csv.versions/v_1",
        "message": {"new_entry": {"extended": {
            "Seaweed-X-Amz-Version-Id": STANDARD.encode("2"),
        }}},
    });
    assert_eq!(created(&bytes(&body)).key, "in/a.csv.versions/v_1");
}

#[test]
fn bodies_of_nobody_are_refused_with_their_beginning_and_what_is_known() {
    for (body, part) in [
        (&b"not json"[..], "is no JSON object"),
        (b"", "is no JSON object"),
        (b"[]", "is no JSON object"),
        (b"{}", "from no sender that is known here"),
        (b"{\"Type\":\"Notification\"}", "from no sender"),
        (b"{\"Records\":{}}", "`Records` that are no list"),
        (b"{\"Records\":null}", "from no sender"),
        (b"\xff\xfe\n", "`\u{fffd}\u{fffd}\\n`"),
    ] {
        let reason = decode(body).unwrap_err().to_string();
        assert!(reason.contains(part), "{reason} lacks {part}");
        assert!(!reason.contains('\n'));
    }
    assert_eq!(decode(b"{\"Records\":[]}"), Ok(vec![]));
}

#[test]
fn a_webhook_that_lacks_what_it_must_have_is_unreadable() {
    for body in [
        json!({"event_type": "create", "key": "/buckets/b/k"}),
        json!({"event_type": "create", "key": "/buckets/b/k", "message": {}}),
        json!({"event_type": "create", "message": {"new_entry": {}}}),
        json!({"event_type": 3}),
        json!({"event_type": "create", "key": ["/buckets/b/k"], "message": {"new_entry": {}}}),
    ] {
        let record = only(&bytes(&body));
        assert!(matches!(record.said, Said::Unreadable(_)), "{body}");
    }
    for key in [
        "/etc/passwd",
        "/buckets/b",
        "/buckets/b/",
        "/buckets//k",
        "",
    ] {
        let body = json!({"event_type": "create", "key": key, "message": {"new_entry": {}}});
        assert_eq!(other(&bytes(&body)), Other::Unrelated, "{key}");
    }
}
