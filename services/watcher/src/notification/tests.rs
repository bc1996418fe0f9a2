//! What each sender says, and what nobody does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/",
            $name,
            ".json"
        ))
    };
}

mod documented;
mod golden;
mod keys;

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

/// A record with everything that marks its sender.
fn s3_record(sender: Sender, event: &str, key: &str) -> Value {
    let (source, prefix, principal) = match sender {
        Sender::Aws => ("aws:s3", "", "principalId"),
        Sender::Minio => ("minio:s3", "s3:", "principalId"),
        Sender::RustFs => ("rustfs:s3", "s3:", "principalId"),
        Sender::Ceph => ("ceph:s3", "", "principalId"),
        Sender::Versitygw => ("aws:s3", "s3:", "PrincipalId"),
        _ => panic!("{} says no records", sender.name()),
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
            ("LifecycleExpiration:Delete", Some(Other::Removal)),
            (
                "LifecycleExpiration:DeleteMarkerCreated",
                Some(Other::Removal),
            ),
            ("ObjectAccessed:Get", Some(Other::Unrelated)),
            ("ObjectRestore:Post", Some(Other::Unrelated)),
            ("ObjectRestore:Completed", Some(Other::Unrelated)),
            ("ObjectRestore:Delete", Some(Other::Unrelated)),
            ("ObjectTagging:Put", Some(Other::Unrelated)),
            ("ObjectTagging:Delete", Some(Other::Unrelated)),
            (
                "Replication:OperationMissedThreshold",
                Some(Other::Unrelated),
            ),
            ("ObjectAcl:Put", Some(Other::Unrelated)),
            ("LifecycleTransition", Some(Other::Unrelated)),
            ("IntelligentTiering", Some(Other::Unrelated)),
            ("ReducedRedundancyLostObject", Some(Other::Unrelated)),
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
        (b"{\"action\":\"PutObject\"}", "from no sender"),
        (b"{\"message\":{\"attributes\":{}}}", "from no sender"),
        (
            b"{\"Service\":\"shiny\",\"Event\":\"s3:TestEvent\"}",
            "of the service `shiny`",
        ),
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
