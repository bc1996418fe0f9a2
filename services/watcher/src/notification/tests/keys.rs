//! Any key, as each sender writes it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;

use super::*;

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
        Sender::EventBridge => bytes(&json!({
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": "sensors"}, "object": {"key": key}},
        })),
        Sender::R2 => bytes(&json!({
            "action": "PutObject",
            "bucket": "sensors",
            "object": {"key": key},
        })),
        Sender::Gcs => bytes(&json!({
            "subscription": "s",
            "message": {"attributes": {
                "eventType": "OBJECT_FINALIZE",
                "bucketId": "sensors",
                "objectId": key,
            }},
        })),
        Sender::Backfill => bytes(&json!({
            "backfill": {"bucket": "sensors", "key": key, "etag": "", "by": "mara"},
        })),
        Sender::Unknown => panic!("nobody"),
    }
}

const SENDERS: [Sender; 10] = [
    Sender::Backfill,
    Sender::SeaweedFs,
    Sender::Aws,
    Sender::Minio,
    Sender::RustFs,
    Sender::Ceph,
    Sender::Versitygw,
    Sender::EventBridge,
    Sender::R2,
    Sender::Gcs,
];

fn comes_back(key: &str) {
    for sender in SENDERS {
        let body = body(sender, key);
        assert_eq!(only(&body).sender, sender);
        let created = created(&body);
        assert_eq!(created.key, key, "{}", sender.name());
        assert_eq!(created.bucket, "sensors");
        // What S3 tells SNS is in its envelope once more.
        let text = std::str::from_utf8(&body).unwrap();
        let envelope = json!({"Type": "Notification", "TopicArn": "a", "Message": text});
        assert_eq!(decode(&bytes(&envelope)), decode(&body));
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
}
