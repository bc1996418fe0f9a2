//! Bodies captured from real stores (`tests/golden`).

use serde_json::json;

use super::*;

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

/// The same upload, as each of the senders tells of it.
fn tells_of_the_upload(body: &[u8], sender: Sender, time: &str) {
    assert_eq!(only(body).sender, sender);
    assert_eq!(
        created(body),
        Created {
            bucket: "landfall".to_owned(),
            key: "in/a b+ü.csv".to_owned(),
            announced: Announced {
                etag: Some("e5ebd4c02cefbe7955977c67ada242b7".to_owned()),
                version_id: None,
                time: at(time),
            },
        }
    );
}

#[test]
fn minio_writes_keys_as_forms() {
    let body = golden!("minio-put");
    tells_of_the_upload(body, Sender::Minio, "2026-11-22T12:27:14.188Z");
}

#[test]
fn versitygw_writes_keys_raw_and_tags_with_their_quotes() {
    let body = golden!("versitygw-put");
    tells_of_the_upload(body, Sender::Versitygw, "2026-11-22T12:28:41Z");
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
