//! Bodies of senders that do not run here, in the shape that their makers document:
//!
//! - AWS: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
//! - SNS: <https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html>
//! - EventBridge: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
//! - RustFS: as MinIO, <https://docs.rustfs.com/features/event-notification/>
//! - Ceph: <https://docs.ceph.com/en/latest/radosgw/notifications/#events>
//! - R2: <https://developers.cloudflare.com/r2/buckets/event-notifications/#message-format>
//! - Google: <https://cloud.google.com/storage/docs/pubsub-notifications#attributes>, in a push:
//!   <https://cloud.google.com/pubsub/docs/push#receive_push>

use serde_json::json;

use super::golden::tells_of_the_upload;
use super::*;

#[test]
fn the_same_upload_is_told_by_every_sender() {
    const MILLISECOND: &str = "2026-11-22T12:27:14.188Z";
    for (body, sender, time) in [
        (golden!("aws-put").as_slice(), Sender::Aws, MILLISECOND),
        (golden!("sns-put"), Sender::Aws, MILLISECOND),
        (
            golden!("eventbridge-created"),
            Sender::EventBridge,
            "2026-11-22T12:27:14Z",
        ),
        (golden!("rustfs-put"), Sender::RustFs, MILLISECOND),
        (golden!("ceph-put"), Sender::Ceph, MILLISECOND),
        (golden!("r2-put"), Sender::R2, MILLISECOND),
    ] {
        tells_of_the_upload(body, sender, time);
    }
}

#[test]
fn google_tells_of_an_upload_without_the_tag_of_its_s3_interface() {
    let body = golden!("gcs-finalize");
    assert_eq!(only(body).sender, Sender::Gcs);
    assert_eq!(
        created(body),
        Created {
            bucket: "landfall".to_owned(),
            key: "in/a b+ü.csv".to_owned(),
            announced: Announced {
                time: at("2026-11-22T12:27:14.188123Z"),
                ..Announced::default()
            },
        }
    );
}

/// Keys, each as AWS writes it in its records, and as MinIO and RustFS do.
const ODD: [[&str; 3]; 8] = [
    ["in/a b.csv", "in/a+b.csv", "in%2Fa+b.csv"],
    ["in/a+b.csv", "in/a%2Bb.csv", "in%2Fa%2Bb.csv"],
    ["in/a%2Bb.csv", "in/a%252Bb.csv", "in%2Fa%252Bb.csv"],
    ["in/100%.csv", "in/100%25.csv", "in%2F100%25.csv"],
    ["in/deep/er.csv", "in/deep/er.csv", "in%2Fdeep%2Fer.csv"],
    [
        "in/it's \"said\".csv",
        "in/it%27s+%22said%22.csv",
        "in%2Fit%27s+%22said%22.csv",
    ],
    [
        "in/Größe.csv",
        "in/Gr%C3%B6%C3%9Fe.csv",
        "in%2FGr%C3%B6%C3%9Fe.csv",
    ],
    ["in/😀.csv", "in/%F0%9F%98%80.csv", "in%2F%F0%9F%98%80.csv"],
];

#[test]
fn odd_keys_are_told_by_every_sender() {
    let long = ["ü".repeat(512), "%C3%BC".repeat(512), "%C3%BC".repeat(512)];
    assert_eq!(long[0].len(), 1_024);
    let odd = ODD.map(|keys| keys.map(str::to_owned));
    for [key, aws, minio] in odd.into_iter().chain([long]) {
        let of_seaweedfs = format!("/buckets/sensors/{key}");
        let record = "/Records/0/s3/object/key";
        for (body, pointer, written) in [
            (golden!("aws-put").as_slice(), record, &aws),
            (golden!("minio-put"), record, &minio),
            (golden!("rustfs-put"), record, &minio),
            (golden!("ceph-put"), record, &key),
            (golden!("versitygw-put"), record, &key),
            (golden!("seaweedfs-create"), "/key", &of_seaweedfs),
            (golden!("eventbridge-created"), "/detail/object/key", &key),
            (golden!("r2-put"), "/object/key", &key),
            (
                golden!("gcs-finalize"),
                "/message/attributes/objectId",
                &key,
            ),
        ] {
            let mut body: Value = serde_json::from_slice(body).unwrap();
            *body.pointer_mut(pointer).unwrap() = json!(written);
            assert_eq!(created(&bytes(&body)).key, key, "{body}");
            let by_sns = told(&json!(body.to_string()));
            assert_eq!(created(&by_sns).key, key, "{body}");
        }
    }
}

#[test]
fn what_is_no_creation_is_something_else() {
    for (body, expected) in [
        (golden!("aws-test").as_slice(), Other::Test),
        (golden!("sns-test"), Other::Test),
        (golden!("sns-confirmation"), Other::Test),
        (golden!("eventbridge-deleted"), Other::Removal),
        (golden!("r2-delete"), Other::Removal),
        (golden!("gcs-delete"), Other::Removal),
        (golden!("gcs-metadata"), Other::Unrelated),
    ] {
        assert_eq!(other(body), expected);
    }
    let mut event: Value = serde_json::from_slice(golden!("eventbridge-created")).unwrap();
    for kind in [
        "Object Restore Initiated",
        "Object Restore Completed",
        "Object Restore Expired",
        "Object Tags Added",
        "Object Tags Deleted",
        "Object ACL Updated",
        "Object Storage Class Changed",
        "Object Access Tier Changed",
    ] {
        event["detail-type"] = json!(kind);
        assert_eq!(other(&bytes(&event)), Other::Unrelated, "{kind}");
    }
}

#[test]
fn versions_of_eventbridge_are_announced() {
    let mut event: Value = serde_json::from_slice(golden!("eventbridge-created")).unwrap();
    event["detail"]["object"]["version-id"] = json!("IYV3p45BT0ac8hjHg1houSdS1a");
    let announced = created(&bytes(&event)).announced;
    assert_eq!(
        announced.version_id.as_deref(),
        Some("IYV3p45BT0ac8hjHg1houSdS1a")
    );
}

/// An envelope of SNS around a text.
fn told(message: &Value) -> Vec<u8> {
    bytes(&json!({
        "Type": "Notification",
        "TopicArn": "arn:aws:sns:eu-central-1:111122223333:uploads",
        "Message": message,
    }))
}

#[test]
fn what_sns_was_told_is_read_as_if_it_had_come_alone() {
    let alone = golden!("eventbridge-created");
    let text = std::str::from_utf8(alone).unwrap();
    assert_eq!(decode(&told(&json!(text))), decode(alone));
    for (message, part) in [
        (json!("hello"), "its `Message` is no JSON object"),
        (json!("{}"), "its `Message` is from no sender"),
        (json!({}), "looks different"),
        (
            json!(String::from_utf8(told(&json!(text))).unwrap()),
            "its `Message` is of SNS again",
        ),
    ] {
        let reason = decode(&told(&message)).unwrap_err().to_string();
        assert!(reason.contains(part), "{reason} lacks {part}");
    }
    let strange = bytes(&json!({"Type": "Shout", "TopicArn": "a", "Message": ""}));
    let reason = decode(&strange).unwrap_err().to_string();
    assert!(reason.contains("unknown Type `Shout`"), "{reason}");
}

#[test]
fn what_lacks_what_it_must_have_is_unreadable() {
    let lacking = |name: &str, pointer: &str, with: Value| {
        let mut body: Value = serde_json::from_str(name).unwrap();
        *body.pointer_mut(pointer).unwrap() = with;
        match only(&bytes(&body)).said {
            Said::Unreadable(reason) => reason,
            said => panic!("{pointer}: {said:?}"),
        }
    };
    let text = |golden: &'static [u8]| std::str::from_utf8(golden).unwrap();
    let eventbridge = text(golden!("eventbridge-created"));
    let r2 = text(golden!("r2-put"));
    let gcs = text(golden!("gcs-finalize"));
    for (body, pointer, with, part) in [
        (
            eventbridge,
            "/source",
            json!("aws.ec2"),
            "`aws.ec2`, and not `aws.s3`",
        ),
        (eventbridge, "/detail", json!(null), "no `detail`"),
        (eventbridge, "/detail", json!("x"), "looks different"),
        (
            eventbridge,
            "/detail/object/key",
            json!(""),
            "no bucket or no key",
        ),
        (
            eventbridge,
            "/detail/bucket/name",
            json!(""),
            "no bucket or no key",
        ),
        (r2, "/object", json!(null), "no `object`"),
        (r2, "/object/key", json!(7), "looks different"),
        (r2, "/bucket", json!(""), "no bucket or no key"),
        (
            gcs,
            "/message/attributes/eventType",
            json!(null),
            "`eventType`",
        ),
        (
            gcs,
            "/message/attributes/objectId",
            json!(null),
            "no bucket or no key",
        ),
        (gcs, "/message", json!("x"), "looks different"),
    ] {
        let reason = lacking(body, pointer, with);
        assert!(reason.contains(part), "{reason} lacks {part}");
    }
}
