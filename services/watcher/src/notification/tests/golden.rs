//! Bodies captured from real stores (`tests/golden`).

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
pub(super) fn tells_of_the_upload(body: &[u8], sender: Sender, time: &str) {
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
fn every_way_into_minio_announces_the_tag_that_head_shows() {
    for (body, key, etag, version) in [
        (golden!("minio-odd-key").as_slice(), ODD, PLAIN_TAG, None),
        (
            golden!("minio-copy"),
            "incoming/copied b+ü.csv",
            PLAIN_TAG,
            None,
        ),
        (
            golden!("minio-multipart"),
            "incoming/parts b+ü.csv",
            PARTS_TAG,
            None,
        ),
        (
            golden!("minio-version"),
            "incoming/a b+ü.csv",
            PLAIN_TAG,
            Some("11d501bd-beb5-4616-99a9-44a7c3f600c8"),
        ),
        // The one kind of object whose lack of a version it mentions.
        (
            golden!("minio-directory-marker"),
            "incoming/folder/",
            "d41d8cd98f00b204e9800998ecf8427e",
            None,
        ),
    ] {
        assert_eq!(only(body).sender, Sender::Minio);
        announces(body, key, etag, version);
    }
}

#[test]
fn every_way_into_versitygw_announces_the_tag_that_head_shows() {
    for (body, key, etag) in [
        (golden!("versitygw-odd-key").as_slice(), ODD, PLAIN_TAG),
        (
            golden!("versitygw-newline"),
            "incoming/new\nline.csv",
            PLAIN_TAG,
        ),
        (
            golden!("versitygw-copy"),
            "incoming/copied b+ü.csv",
            PLAIN_TAG,
        ),
        (
            golden!("versitygw-multipart"),
            "incoming/parts b+ü.csv",
            PARTS_TAG,
        ),
    ] {
        assert_eq!(only(body).sender, Sender::Versitygw);
        announces(body, key, etag, None);
    }
}

#[test]
fn what_is_no_creation_in_minio_and_versitygw_is_something_else() {
    for (body, sender, expected) in [
        // Of a tag MinIO says `ObjectCreated` too.
        (
            golden!("minio-tagging").as_slice(),
            Sender::Minio,
            Other::Unrelated,
        ),
        (golden!("minio-delete"), Sender::Minio, Other::Removal),
        (
            golden!("minio-delete-marker"),
            Sender::Minio,
            Other::Removal,
        ),
        (
            golden!("minio-delete-version"),
            Sender::Minio,
            Other::Removal,
        ),
        (
            golden!("versitygw-tagging"),
            Sender::Versitygw,
            Other::Unrelated,
        ),
        (
            golden!("versitygw-delete"),
            Sender::Versitygw,
            Other::Removal,
        ),
        (
            golden!("versitygw-delete-many"),
            Sender::Versitygw,
            Other::Removal,
        ),
    ] {
        assert_eq!(only(body).sender, sender);
        assert_eq!(other(body), expected);
    }
}

/// A key of whatever senders encode.
const ODD: &str = "incoming/a b+ü%2B'\"&#?;=😀.csv";
// What HEAD answered, of an object that was put and of one in two parts.
const PLAIN_TAG: &str = "554601b07da51a6ee69911a420aa8079";
const PARTS_TAG: &str = "0c62823571cff39c8dddcc6a74e2569f-2";

fn announces(body: &[u8], key: &str, etag: &str, version: Option<&str>) {
    let created = created(body);
    assert_eq!(created.key, key);
    assert_eq!(created.announced.etag.as_deref(), Some(etag), "{key}");
    assert_eq!(created.announced.version_id.as_deref(), version, "{key}");
    assert!(created.announced.time.is_some(), "{key}");
}

#[test]
fn a_sender_that_tries_whether_we_are_there_is_heard_and_no_more() {
    let record = only(golden!("versitygw-test"));
    assert_eq!(record.sender, Sender::Versitygw);
    assert_eq!(record.said, Said::Other(Other::Test));
}
