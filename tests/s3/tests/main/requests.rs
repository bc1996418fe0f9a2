//! Requests beside those of the table.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, EncodingType};
use faulty_s3::Flavour;

use crate::client::{bytes, put, refused, server};

#[tokio::test]
async fn listings_tell_any_key_a_page_at_a_time() {
    let (_server, s3) = server(Flavour::Aws).await;
    let mut keys = ["in/a b+%.csv", "in/new\nline", "in/ü😀", "in/~*'()"].map(str::to_owned);
    keys.sort();
    for key in &keys {
        put(&s3, "b", key, "x").await;
    }
    put(&s3, "b", "out/of the way", "x").await;
    let (mut listed, mut token) = (vec![], None);
    loop {
        let page = s3
            .list_objects_v2()
            .bucket("b")
            .prefix("in/")
            .max_keys(3)
            .encoding_type(EncodingType::Url)
            .set_continuation_token(token)
            .send()
            .await
            .unwrap();
        let encoded = page.contents().iter().filter_map(|object| object.key());
        listed.extend(encoded.map(|key| {
            let spaced = key.replace('+', " ");
            let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
            decoded.unwrap().into_owned()
        }));
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(listed, keys);
}

#[tokio::test]
async fn a_part_of_an_object_is_read_if_it_is_still_that_one() {
    let (_server, s3) = server(Flavour::Aws).await;
    let etag = put(&s3, "b", "k", "0123456789").await;
    let get = |range: &str| {
        let get = s3.get_object().bucket("b").key("k").range(range);
        get.if_match(&etag).send()
    };
    for (range, said, part) in [
        ("bytes=2-3", "bytes 2-3/10", "23"),
        ("bytes=8-", "bytes 8-9/10", "89"),
        ("bytes=-1", "bytes 9-9/10", "9"),
        ("bytes=7-99", "bytes 7-9/10", "789"),
    ] {
        let answer = get(range).await.unwrap();
        assert_eq!(answer.content_range(), Some(said));
        assert_eq!(
            answer.body.collect().await.unwrap().to_vec(),
            part.as_bytes()
        );
    }
    assert_eq!(refused(&get("bytes=10-").await), 416);
    put(&s3, "b", "k", "9876543210").await;
    assert_eq!(refused(&get("bytes=2-3").await), 412);
}

#[tokio::test]
async fn parts_are_copied_from_one_version_and_become_one_object() {
    let (_server, s3) = server(Flavour::Aws).await;
    let etag = put(&s3, "b", "k", "0123456789").await;
    let create = s3.create_multipart_upload().bucket("b").key("l");
    let create = create.metadata("own", "1").content_type("text/csv");
    let id = create.send().await.unwrap().upload_id.unwrap();
    let part = |number: i32, range: &str| {
        s3.upload_part_copy()
            .bucket("b")
            .key("l")
            .upload_id(&id)
            .part_number(number)
            .copy_source("b/k")
            .copy_source_range(range)
            .copy_source_if_match(&etag)
            .send()
    };
    let mut parts = vec![];
    for (number, range) in [(1, "bytes=0-5"), (2, "bytes=6-9")] {
        let copied = part(number, range).await.unwrap().copy_part_result.unwrap();
        let copied = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(copied.e_tag);
        parts.push(copied.build());
    }
    put(&s3, "b", "k", "another").await;
    assert_eq!(refused(&part(3, "bytes=0-1").await), 412);
    let complete = || {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.clone()));
        s3.complete_multipart_upload()
            .bucket("b")
            .key("l")
            .upload_id(&id)
            .multipart_upload(parts.build())
            .if_none_match("*")
            .send()
    };
    put(&s3, "b", "l", "in the way").await;
    assert_eq!(refused(&complete().await), 412);
    let delete = s3.delete_object().bucket("b").key("l");
    delete.send().await.unwrap();
    let completed = complete().await.unwrap();
    assert!(completed.e_tag().unwrap().ends_with("-2\""));
    assert_eq!(bytes(&s3, "b", "l").await.unwrap(), b"0123456789");
    let head = s3.head_object().bucket("b").key("l").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/csv"));
    assert_eq!(head.metadata().unwrap()["own"], "1");
    assert_eq!(refused(&complete().await), 404);
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let (server, s3) = server(Flavour::Aws).await;
    let create = s3.create_multipart_upload().bucket("b").key("l");
    let id = create.send().await.unwrap().upload_id.unwrap();
    let abort = || {
        let abort = s3.abort_multipart_upload().bucket("b").key("l");
        abort.upload_id(&id).send()
    };
    abort().await.unwrap();
    assert_eq!(refused(&abort().await), 404);
    assert_eq!(server.store().lying().count(), 0);
}

#[tokio::test]
async fn a_deleted_key_is_covered_by_a_marker_where_versions_are_kept() {
    let (server, s3) = server(Flavour::Aws).await;
    server.store().keep_versions("b");
    put(&s3, "b", "k", "one").await;
    let delete = || s3.delete_object().bucket("b").key("k");
    let marker = delete().send().await.unwrap();
    assert_eq!(marker.delete_marker(), Some(true));
    assert_eq!(bytes(&s3, "b", "k").await, None);
    let uncover = delete().version_id(marker.version_id.unwrap());
    uncover.send().await.unwrap();
    assert_eq!(bytes(&s3, "b", "k").await.unwrap(), b"one");
    let both = delete().version_id("0").if_match("\"x\"").send().await;
    assert_eq!(refused(&both), 501);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_not_guessed_at() {
    let (_server, s3) = server(Flavour::Aws).await;
    let acl = s3.get_object_acl().bucket("b").key("k").send().await;
    assert_eq!(refused(&acl), 501);
    let list = s3.list_objects_v2().bucket("b").delimiter("/");
    assert_eq!(refused(&list.send().await), 501);
    let nowhere = s3.head_bucket().bucket("nowhere").send().await;
    assert_eq!(refused(&nowhere), 404);
}
