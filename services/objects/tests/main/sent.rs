//! What is sent to a store, where no store at hand tells that it was.

use std::collections::BTreeMap;

use aws_sdk_s3::types::ServerSideEncryption;
use objects::{Head, Kms, Objects};
use proto::Version;
use runtime::config::objects::Config;

use crate::canned::{Canned, MANY, config, copy, plain};

const PART: u64 = 5 << 20;

fn success(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// As a store answers each request of a copy but the last of one in parts.
fn copying(head: &str) -> String {
    let line = head.lines().next().unwrap_or_default();
    if line.contains("partNumber=") {
        success("<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>")
    } else if line.contains("uploads") {
        success(
            "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>",
        )
    } else if line.contains("tagging") {
        success("<Tagging><TagSet></TagSet></Tagging>")
    } else {
        success("<CopyObjectResult><ETag>&quot;a&quot;</ETag></CopyObjectResult>")
    }
}

/// The head of the request that makes the object of a copy, of so many bytes that a key of KMS's
/// encrypts.
async fn making(size: u64) -> String {
    let canned = Canned::answering(copying, MANY).await;
    let config = Config {
        copy_above: PART,
        copy_part: PART,
        ..config(&canned.endpoint)
    };
    let objects = Objects::new(&config).await.unwrap();
    let kms = Kms {
        algorithm: ServerSideEncryption::AwsKms,
        key: Some("arn:aws:kms:eu-central-1:1:key/2".to_owned()),
        bucket_key: Some(true),
    };
    let head = Head {
        kms: Some(kms),
        ..plain(size)
    };
    // What comes of it is no matter here.
    let _ = copy(&objects, &head).await;
    let makes = |head: &String| {
        let line = head.lines().next().unwrap_or_default();
        line.contains("CopyObject") || line.contains("uploads")
    };
    canned.heads().into_iter().find(makes).unwrap()
}

#[tokio::test]
async fn the_key_that_encrypts_goes_along_with_a_copy_in_one_request_and_in_parts() {
    for size in [1, 2 * PART] {
        let head = making(size).await.to_lowercase();
        assert_eq!(head.starts_with("post"), size > PART, "{head}");
        for header in [
            "x-amz-server-side-encryption: aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:eu-central-1:1:key/2",
            "x-amz-server-side-encryption-bucket-key-enabled: true",
        ] {
            let sent = head.lines().any(|line| line == header);
            assert!(sent, "{header} of {size} bytes:\n{head}");
        }
    }
}

/// As MinIO answers: it copies no part into an upload that is to have a checksum, which is `1` here.
fn copying_without_checksums(head: &str) -> String {
    let line = head.lines().next().unwrap_or_default();
    let number = if head
        .to_lowercase()
        .contains("x-amz-checksum-algorithm: crc32")
    {
        1
    } else {
        2
    };
    if line.contains("partNumber=") && line.contains("uploadId=1") {
        let body = "<Error><Code>InvalidArgument</Code></Error>";
        let length = body.len();
        format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {length}\r\n\r\n{body}")
    } else if line.contains("uploads") {
        copying(head).replace("<UploadId>1<", &format!("<UploadId>{number}<"))
    } else if line.starts_with("POST ") {
        success(
            "<CompleteMultipartUploadResult><ETag>&quot;a&quot;</ETag></CompleteMultipartUploadResult>",
        )
    } else {
        copying(head)
    }
}

#[tokio::test]
async fn where_no_part_may_have_a_checksum_the_copy_is_made_without_one() {
    let canned = Canned::answering(copying_without_checksums, MANY).await;
    let config = Config {
        copy_above: 0,
        copy_part: PART,
        ..config(&canned.endpoint)
    };
    let objects = Objects::new(&config).await.unwrap();
    let head = Head {
        version: Version::new("a", jiff::Timestamp::UNIX_EPOCH, Some("v")),
        digests: BTreeMap::from([("crc32", "AAAAAA==".to_owned())]),
        ..plain(1)
    };
    assert!(copy(&objects, &head).await.unwrap());
    let heads = canned.heads();
    let lines = heads.iter().filter_map(|head| head.lines().next());
    let made: Vec<&str> = lines
        .filter_map(|line| line.split_once(" HTTP"))
        .map(|it| it.0)
        .collect();
    assert_eq!(
        made,
        [
            "GET /b/k?tagging&versionId=v",
            "POST /b/l?uploads",
            "PUT /b/l?x-id=UploadPartCopy&partNumber=1&uploadId=1",
            "DELETE /b/l?x-id=AbortMultipartUpload&uploadId=1",
            "POST /b/l?uploads",
            "PUT /b/l?x-id=UploadPartCopy&partNumber=1&uploadId=2",
            "POST /b/l?uploadId=2",
        ]
    );
}

#[tokio::test]
async fn requests_are_made_as_often_and_signed_for_the_region_that_is_configured() {
    for attempts in [1, 3] {
        let busy = "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n";
        let canned = Canned::start(busy, MANY).await;
        let config = Config {
            attempts,
            region: "eu-central-1".to_owned(),
            ..config(&canned.endpoint)
        };
        let objects = Objects::new(&config).await.unwrap();
        objects.head("b", "k").await.unwrap_err();
        let heads = canned.heads();
        assert_eq!(heads.len(), attempts as usize);
        for head in heads {
            assert!(head.starts_with("HEAD /b/k "), "{head}");
            assert!(head.contains("/eu-central-1/s3/aws4_request"), "{head}");
        }
    }
}

#[tokio::test]
async fn a_listing_of_versions_goes_on_after_the_last_of_its_page_and_shows_the_newest() {
    const LINE: &str =
        "<LastModified>2026-11-30T00:00:00Z</LastModified><ETag>e</ETag><Size>1</Size>";
    let page = |head: &str| {
        let line = head.lines().next().unwrap_or_default();
        let content = if line.contains("key-marker") {
            format!(
                "<IsTruncated>false</IsTruncated>\
                 <Version><Key>in/b</Key><VersionId>3</VersionId><IsLatest>true</IsLatest>{LINE}</Version>\
                 <DeleteMarker><Key>in/c</Key><VersionId>4</VersionId><IsLatest>true</IsLatest></DeleteMarker>"
            )
        } else {
            format!(
                "<IsTruncated>true</IsTruncated>\
                 <NextKeyMarker>in/a+1%2B</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>\
                 <Version><Key>in/a+1%2B</Key><VersionId>2</VersionId><IsLatest>true</IsLatest>{LINE}</Version>\
                 <Version><Key>in/a+1%2B</Key><VersionId>1</VersionId><IsLatest>false</IsLatest>{LINE}</Version>"
            )
        };
        success(&format!(
            "<ListVersionsResult><EncodingType>url</EncodingType>{content}</ListVersionsResult>"
        ))
    };
    let canned = Canned::answering(page, MANY).await;
    let objects = Objects::new(&config(&canned.endpoint)).await.unwrap();
    let listing = objects.list_with_versions("b", "in/", true);
    let listed: Vec<_> = futures::StreamExt::collect(listing).await;
    let listed = listed.into_iter().map(|line| line.unwrap().unwrap());
    let listed: Vec<_> = listed.map(|line| (line.key, line.version.id)).collect();
    let newest = [("in/a 1+", "2"), ("in/b", "3")];
    let newest = newest.map(|(key, id)| (key.to_owned(), Some(id.to_owned())));
    assert_eq!(listed, newest);
    let heads = canned.heads();
    assert_eq!(heads.len(), 2);
    assert!(
        heads[1].contains("key-marker=in%2Fa%201%2B"),
        "{}",
        heads[1]
    );
    assert!(heads[1].contains("version-id-marker=1"), "{}", heads[1]);
}

#[tokio::test]
async fn a_listing_that_comes_back_to_where_it_was_is_refused() {
    let page = |_: &str| {
        success(
            "<ListVersionsResult><IsTruncated>true</IsTruncated>\
             <NextKeyMarker>in/a</NextKeyMarker></ListVersionsResult>",
        )
    };
    let canned = Canned::answering(page, MANY).await;
    let objects = Objects::new(&config(&canned.endpoint)).await.unwrap();
    let listing = objects.list_with_versions("b", "in/", true);
    let listed: Vec<_> = futures::StreamExt::collect(listing).await;
    let Some(Err(error)) = listed.last() else {
        panic!("{listed:?}");
    };
    assert!(error.to_string().contains("does not go on"), "{error}");
    assert_eq!(canned.heads().len(), 2);
}
