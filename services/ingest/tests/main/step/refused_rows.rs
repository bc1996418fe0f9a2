use std::io::Read;

use flate2::read::MultiGzDecoder;
use ingest::shelf::LIST;
use proto::event::Arrived;
use serde_json::json;

use crate::bed::{ARCHIVE, BUCKET, Bed, ingested, location, run};
use crate::table::pack;

const ROWS: &str = "sensor_id,timestamp,value\r\nr,1700000000,1\r\nr,soon,2\r\nr,1700000000,x\r\n";
const REFUSED: &str = "sensor_id,timestamp,value\r\nr,soon,2\r\nr,1700000000,x\r\n";

async fn bed(prefix: &'static str) -> Bed {
    let mut bed = Bed::new(prefix).await;
    bed.add_profile("lenient", &json!({ "budget": 10 }));
    bed
}

/// Ingests a file with refused rows; answers where they are.
async fn refused(bed: &Bed, arrived: &Arrived) -> proto::event::Location {
    let report = ingested(run(&bed.ingest(), arrived).await);
    assert_eq!(
        (report.stored, report.rejected, report.rejected_lines),
        (1, 2, 2)
    );
    report.rejects.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_lie_beside_the_list_of_what_is_wrong() {
    let bed = bed("beside").await;
    let arrived = bed.upload_for("lenient", "a b+ü.csv", ROWS).await;
    let rows = refused(&bed, &arrived).await;
    assert_eq!(
        rows,
        location(BUCKET, &format!("rejected-rows/{}", bed.key("a b+ü.csv")))
    );
    assert_eq!(bed.bytes(&rows).await.unwrap(), REFUSED.as_bytes());
    let list = location(BUCKET, &format!("{}{LIST}", rows.key));
    assert_eq!(
        String::from_utf8(bed.bytes(&list).await.unwrap()).unwrap(),
        format!(
            "file,line,column,value,reason\n\
             {key},3,timestamp,soon,is neither an ISO 8601 nor a Unix time\n\
             {key},4,value,x,is not a number\n",
            key = arrived.file.key
        )
    );
    let head = bed.objects.head(BUCKET, &rows.key).await.unwrap().unwrap();
    assert_eq!(head.content_type.as_deref(), Some("text/csv"));
    assert_eq!(
        head.metadata["landfall-file-id"],
        arrived.file.id.to_string()
    );
    // Corrected and uploaded again, they load.
    let corrected = REFUSED.replace("soon", "1700000001").replace(",x", ",3");
    let again = bed.upload_for("lenient", "again.csv", corrected).await;
    assert_eq!(ingested(run(&bed.ingest(), &again).await).stored, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_of_a_key_keep_their_refused_rows_apart() {
    let bed = bed("apart").await;
    let first = bed.upload_for("lenient", "a.csv", ROWS).await;
    let plain = refused(&bed, &first).await;
    let second = bed
        .upload_for("lenient", "a.csv", ROWS.replace("soon", "later"))
        .await;
    let tagged = refused(&bed, &second).await;
    assert_eq!(
        tagged.key,
        format!("{}~{}", plain.key, second.file.id.short())
    );
    assert_eq!(bed.bytes(&plain).await.unwrap(), REFUSED.as_bytes());
    assert_eq!(
        bed.bytes(&tagged).await.unwrap(),
        REFUSED.replace("soon", "later").as_bytes()
    );
    // A redelivery finds its own name again.
    assert_eq!(refused(&bed, &second).await, tagged);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_not_overwritten() {
    let bed = bed("foreign").await;
    for (name, foreign) in [("a.csv", ""), ("b.csv", LIST)] {
        let foreign = format!("rejected-rows/{}{foreign}", bed.key(name));
        bed.put(BUCKET, &foreign, "somebody's").await;
        let arrived = bed.upload_for("lenient", name, ROWS).await;
        let rows = refused(&bed, &arrived).await;
        let expected = format!(
            "rejected-rows/{}~{}",
            arrived.file.key,
            arrived.file.id.short()
        );
        assert_eq!(rows.key, expected);
        let kept = bed.bytes(&location(BUCKET, &foreign)).await.unwrap();
        assert_eq!(kept, b"somebody's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_too_long_is_shortened() {
    let bed = bed("long").await;
    let name = format!("{}.csv", "ü".repeat(120));
    let arrived = bed.upload_for("lenient", &name, ROWS).await;
    let rows = refused(&bed, &arrived).await;
    let tag = format!("~{}", arrived.file.id.short());
    assert!(
        rows.key.starts_with("rejected-rows/long/üüü"),
        "{}",
        rows.key
    );
    assert!(rows.key.ends_with(&tag), "{}", rows.key);
    // Nothing lies under the name that was too long for the list.
    let whole = format!("rejected-rows/{}", arrived.file.key);
    assert_eq!(bed.bytes(&location(BUCKET, &whole)).await, None);
    assert_eq!(bed.bytes(&rows).await.unwrap(), REFUSED.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_refused_rows_of_a_packed_file_are_packed() {
    let bed = bed("packed").await;
    let arrived = bed
        .upload_for("lenient", "a.csv.gz", pack(ROWS.as_bytes()))
        .await;
    let rows = refused(&bed, &arrived).await;
    let mut text = String::new();
    let packed = bed.bytes(&rows).await.unwrap();
    MultiGzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, REFUSED);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_go_where_files_are_filed() {
    let mut bed = bed("target").await;
    bed.config.mover.target_bucket = Some(ARCHIVE.to_owned());
    let arrived = bed.upload_for("lenient", "a.csv", ROWS).await;
    let rows = refused(&bed, &arrived).await;
    assert_eq!(rows.bucket, ARCHIVE);
    assert_eq!(bed.bytes(&rows).await.unwrap(), REFUSED.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_stay_under_the_name_where_they_are() {
    let bed = bed("once").await;
    // Somebody else's lies there at first, and is taken away before the step is repeated.
    let foreign = format!("rejected-rows/{}", bed.key("a.csv"));
    bed.put(BUCKET, &foreign, "somebody's").await;
    let arrived = bed.upload_for("lenient", "a.csv", ROWS).await;
    let rows = refused(&bed, &arrived).await;
    assert_ne!(rows.key, foreign);
    bed.delete(BUCKET, &foreign).await;
    assert_eq!(refused(&bed, &arrived).await, rows);
    assert_eq!(bed.bytes(&location(BUCKET, &foreign)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_of_nothing_but_bad_rows_has_all_of_them_in_its_list() {
    let bed = bed("many").await;
    // What is wrong with each row takes far more than the row does.
    let rows = "x\n".repeat(3000);
    let text = format!("sensor_id,timestamp,value\n{rows}");
    let arrived = bed.upload("a.csv", text.clone()).await;
    let (_, report) = crate::bed::rejected(run(&bed.ingest(), &arrived).await);
    assert_eq!(report.rejected_lines, 3000);
    let at = report.rejects.unwrap();
    assert_eq!(bed.bytes(&at).await.unwrap(), text.as_bytes());
    let list = location(BUCKET, &format!("{}{LIST}", at.key));
    let list = String::from_utf8(bed.bytes(&list).await.unwrap()).unwrap();
    assert_eq!(list.lines().count(), 3001);
}
