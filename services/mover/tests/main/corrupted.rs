//! A copy whose bytes somebody changes before it is looked at.

use runtime::Trouble;

use crate::relay::When;
use crate::site::{archived, ingested, labels, run, site};

#[tokio::test]
async fn while_the_copy_is_not_the_files_bytes_the_source_stays_and_nothing_is_moved() {
    let site = site().await;
    let mover = site.mover().await;
    let file = site.upload("in/a.csv", "the file").await;
    let event = ingested(&file);
    let (s3, bucket, labels) = (site.s3.clone(), site.bucket.clone(), labels(&file));
    site.relay.watch(move |_, when, request| {
        let copied = when == When::After && request.contains("x-id=CopyObject");
        // As long as the file, and labelled as its copy.
        let lie = labels
            .iter()
            .fold(s3.put_object(), |put, (name, value)| {
                put.metadata(*name, value)
            })
            .bucket(&bucket)
            .key("processed/in/a.csv")
            .body(b"the lie!".to_vec().into());
        Box::pin(async move {
            if copied {
                lie.send().await.unwrap();
            }
        })
    });
    let trouble = run(&mover, &event).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Retry { .. }), "{trouble:?}");
    assert_eq!(site.bytes("in/a.csv").await.as_deref(), Some("the file"));

    site.relay.count();
    let moved = run(&mover, &event).await.unwrap();
    let copy = site.bytes(archived(&moved)).await;
    assert_eq!(copy.as_deref(), Some("the file"));
    assert_eq!(site.bytes("in/a.csv").await, None);
}
