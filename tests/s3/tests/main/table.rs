//! The table of what real stores answered: each flavour gives the answers of its column, and
//! `SeaweedFS` itself gives those of its flavour.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumMode, CompletedMultipartUpload, CompletedPart,
    MetadataDirective, VersioningConfiguration,
};
use faulty_s3::Flavour;
use servers::SeaweedFs;
use servers::seaweedfs::Options;

use crate::client::{bytes, client, put, refused, server};

/// The table's rows; a number is the status of a refusal, 0 if it is done.
#[derive(Debug, PartialEq, Eq)]
struct Column {
    copy_of_another_tag: u16,
    copy_if_absent_onto_something: u16,
    put_if_absent_onto_something: u16,
    complete_if_absent_onto_nothing: u16,
    delete_of_another_tag: u16,
    /// Whether the object was there afterwards.
    survived_it: bool,
    conditional_delete_of_nothing: u16,
    get_of_another_tag: u16,
    tags_survive_a_copy: bool,
    sha256_is_read_back: bool,
    list_is_finer_than_head: bool,
    /// Whether a newer version stays when one is deleted; none without versions.
    newer_version_stays: Option<bool>,
}

const SEAWEEDFS: Column = Column {
    copy_of_another_tag: 412,
    copy_if_absent_onto_something: 412,
    put_if_absent_onto_something: 412,
    complete_if_absent_onto_nothing: 0,
    delete_of_another_tag: 412,
    survived_it: true,
    conditional_delete_of_nothing: 412,
    get_of_another_tag: 412,
    tags_survive_a_copy: true,
    sha256_is_read_back: true,
    list_is_finer_than_head: false,
    newer_version_stays: Some(true),
};

fn column(flavour: Flavour) -> Column {
    match flavour {
        Flavour::SeaweedFs => SEAWEEDFS,
        Flavour::MinIo => Column {
            copy_if_absent_onto_something: 0,
            delete_of_another_tag: 0,
            survived_it: false,
            conditional_delete_of_nothing: 0,
            list_is_finer_than_head: true,
            ..SEAWEEDFS
        },
        Flavour::VersityGw => Column {
            copy_if_absent_onto_something: 0,
            newer_version_stays: None,
            ..SEAWEEDFS
        },
        Flavour::Aws => Column {
            conditional_delete_of_nothing: 0,
            ..SEAWEEDFS
        },
    }
}

const WRONG: &str = "\"00000000000000000000000000000000\"";

async fn measure(s3: &Client, bucket: &str) -> Column {
    put(s3, bucket, "one", "1").await;
    put(s3, bucket, "two", "2").await;
    let copy = || {
        let copy = s3.copy_object().bucket(bucket).key("two");
        copy.copy_source(format!("{bucket}/one"))
    };
    let copy_of_another_tag = copy().copy_source_if_match(WRONG).send().await;
    let copy_if_absent = copy().if_none_match("*").send().await;
    let onto = s3.put_object().bucket(bucket).key("two").if_none_match("*");
    let get = s3.get_object().bucket(bucket).key("one").if_match(WRONG);
    let delete = |key: &str| s3.delete_object().bucket(bucket).key(key).if_match(WRONG);
    let column = Column {
        copy_of_another_tag: refused(&copy_of_another_tag),
        copy_if_absent_onto_something: refused(&copy_if_absent),
        put_if_absent_onto_something: refused(&onto.send().await),
        complete_if_absent_onto_nothing: complete_if_absent(s3, bucket).await,
        get_of_another_tag: refused(&get.send().await),
        tags_survive_a_copy: tags_survive_a_copy(s3, bucket).await,
        sha256_is_read_back: sha256_is_read_back(s3, bucket).await,
        list_is_finer_than_head: list_is_finer_than_head(s3, bucket).await,
        delete_of_another_tag: refused(&delete("one").send().await),
        survived_it: bytes(s3, bucket, "one").await.is_some(),
        conditional_delete_of_nothing: refused(&delete("nothing").send().await),
        newer_version_stays: newer_version_stays(s3).await,
    };
    let overwritten = bytes(s3, bucket, "two").await.unwrap() == b"1";
    assert_eq!(overwritten, copy_if_absent.is_ok());
    column
}

async fn complete_if_absent(s3: &Client, bucket: &str) -> u16 {
    let upload = s3.create_multipart_upload().bucket(bucket).key("parts");
    let id = upload.send().await.unwrap().upload_id;
    let part = s3.upload_part().bucket(bucket).key("parts").part_number(1);
    let part = part.set_upload_id(id.clone()).body(b"part".to_vec().into());
    let etag = part.send().await.unwrap().e_tag;
    let part = CompletedPart::builder().part_number(1).set_e_tag(etag);
    let parts = CompletedMultipartUpload::builder().parts(part.build());
    let complete = s3
        .complete_multipart_upload()
        .bucket(bucket)
        .key("parts")
        .set_upload_id(id)
        .multipart_upload(parts.build())
        .if_none_match("*");
    let status = refused(&complete.send().await);
    assert_eq!(bytes(s3, bucket, "parts").await.unwrap(), b"part");
    status
}

async fn tags_survive_a_copy(s3: &Client, bucket: &str) -> bool {
    let put = s3.put_object().bucket(bucket).key("tagged");
    put.tagging("a=b").send().await.unwrap();
    s3.copy_object()
        .bucket(bucket)
        .key("tagged-too")
        .copy_source(format!("{bucket}/tagged"))
        .metadata_directive(MetadataDirective::Replace)
        .metadata("own", "1")
        .send()
        .await
        .unwrap();
    let tags = s3.get_object_tagging().bucket(bucket).key("tagged-too");
    let tags = tags.send().await.unwrap().tag_set;
    matches!(&tags[..], [tag] if (tag.key(), tag.value()) == ("a", "b"))
}

async fn sha256_is_read_back(s3: &Client, bucket: &str) -> bool {
    // echo -n one | openssl dgst -sha256 -binary | base64
    let sum = "dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0=";
    let put = s3.put_object().bucket(bucket).key("summed");
    let put = put.checksum_sha256(sum).body(b"one".to_vec().into());
    put.send().await.unwrap();
    let head = s3.head_object().bucket(bucket).key("summed");
    let head = head.checksum_mode(ChecksumMode::Enabled);
    head.send().await.unwrap().checksum_sha256() == Some(sum)
}

async fn list_is_finer_than_head(s3: &Client, bucket: &str) -> bool {
    let list = s3.list_objects_v2().bucket(bucket).prefix("two");
    let listed = list.send().await.unwrap();
    let listed = *listed.contents()[0].last_modified().unwrap();
    let head = s3.head_object().bucket(bucket).key("two");
    let head = *head.send().await.unwrap().last_modified().unwrap();
    assert_eq!(listed.secs(), head.secs());
    assert_eq!(head.subsec_nanos(), 0);
    listed.subsec_nanos() > 0
}

async fn newer_version_stays(s3: &Client) -> Option<bool> {
    s3.create_bucket().bucket("versions").send().await.unwrap();
    let enabled = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let turned_on = s3
        .put_bucket_versioning()
        .bucket("versions")
        .versioning_configuration(enabled)
        .send()
        .await;
    turned_on.ok()?;
    let put = |body: &'static [u8]| {
        let put = s3.put_object().bucket("versions").key("k");
        put.body(body.to_vec().into()).send()
    };
    let first = put(b"1").await.unwrap().version_id.unwrap();
    let second = put(b"2").await.unwrap().version_id.unwrap();
    assert_ne!(first, second);
    let delete = s3.delete_object().bucket("versions").key("k");
    delete.version_id(&first).send().await.unwrap();
    let gone = s3.head_object().bucket("versions").key("k");
    assert_eq!(refused(&gone.version_id(first).send().await), 404);
    Some(bytes(s3, "versions", "k").await.unwrap() == b"2")
}

#[tokio::test]
async fn each_flavour_gives_the_answers_of_its_column() {
    for flavour in Flavour::ALL {
        let (server, s3) = server(flavour).await;
        server.store().pass(Duration::from_millis(250));
        assert_eq!(measure(&s3, "b").await, column(flavour), "{flavour:?}");
    }
}

#[tokio::test]
async fn seaweedfs_gives_the_answers_of_its_flavour() {
    let folder = tempfile::tempdir().unwrap();
    let store = SeaweedFs::start(folder.path(), Options::default())
        .await
        .unwrap();
    let s3 = client(&store.endpoint(), store.access_key(), store.secret_key());
    s3.create_bucket().bucket("bucket").send().await.unwrap();
    assert_eq!(measure(&s3, "bucket").await, column(Flavour::SeaweedFs));
}
