use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_795_360_000;
const DAY: i64 = 24 * 60 * 60;

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn version(etag: &str, last_modified: i64, id: Option<&str>) -> Version {
    Version::new(etag, second(last_modified), id)
}

fn file(number: u8) -> FileId {
    FileId::from_bytes([number; 16])
}

fn row(file: FileId, order: i64, last_modified: i64) -> Row {
    Row {
        file,
        order: second(order),
        last_modified: second(last_modified),
    }
}

fn announced(etag: &str, version_id: Option<&str>, time: &str) -> Announced {
    Announced {
        etag: Some(etag.to_owned()),
        version_id: version_id.map(str::to_owned),
        time: Some(time.parse().unwrap()),
    }
}

fn order(row: Option<Row>, head: &Version, announced: &Announced) -> i64 {
    match place(row.as_ref(), file(9), head, announced, second(NOW)).unwrap() {
        Place::Last(next) => {
            assert_eq!(next.file, file(9));
            assert_eq!(next.last_modified, head.last_modified);
            next.order.as_second()
        }
        Place::Fixed(order) => order.as_second(),
    }
}

#[test]
fn a_keys_first_version_is_ordered_by_last_modified() {
    let head = version("e", NOW - 5, None);
    assert_eq!(order(None, &head, &Announced::default()), NOW - 5);
}

#[test]
fn the_notifications_time_counts_where_it_is_later_and_about_this_version() {
    // NOW is 2026-11-22T15:06:40Z.
    let late = "2026-11-22T15:06:38.999Z";
    let head = version("e", NOW - 5, None);
    let versioned = version("e", NOW - 5, Some("v2"));
    for (head, announced, expected) in [
        (&head, announced("e", None, late), NOW - 2),
        (&head, announced("other", None, late), NOW - 5),
        (&head, announced("e", None, "2026-11-22T15:06:30Z"), NOW - 5),
        (&versioned, announced("e", Some("v2"), late), NOW - 2),
        // The same bytes, uploaded before or after.
        (&versioned, announced("e", Some("v1"), late), NOW - 5),
        // More than a day ahead: the sender's clock is wrong, the store's word is there.
        (&head, announced("e", None, "2026-11-24T15:06:40Z"), NOW - 5),
    ] {
        assert_eq!(order(None, head, &announced), expected, "{announced:?}");
    }
    let silent = Announced {
        time: Some(late.parse().unwrap()),
        ..Announced::default()
    };
    assert_eq!(order(None, &head, &silent), NOW - 5);
}

#[test]
fn a_later_version_is_ordered_after_the_keys_last_whatever_the_clocks_say() {
    let none = Announced::default();
    for (last, last_modified, expected) in [
        (NOW - 10, NOW - 5, NOW - 5),
        (NOW - 5, NOW - 5, NOW - 4),
        (NOW - 3, NOW - 5, NOW - 2),
        // The store's clock was set back.
        (NOW - 3, NOW - DAY, NOW - 2),
    ] {
        let head = version("e", last_modified, None);
        let row = row(file(1), last, NOW - 3);
        assert_eq!(order(Some(row), &head, &none), expected);
    }
}

#[test]
fn a_row_that_is_this_versions_own_has_its_order_time() {
    let head = version("e", NOW - 5, None);
    let row = row(file(9), NOW - 1, NOW - 5);
    let place = place(
        Some(&row),
        file(9),
        &head,
        &Announced::default(),
        second(NOW),
    );
    assert_eq!(place, Ok(Place::Fixed(second(NOW - 1))));
}

#[test]
fn a_version_that_comes_to_light_again_is_ordered_before_the_one_that_covered_it() {
    let none = Announced::default();
    let older = version("e", NOW - 9, Some("v1"));
    let covered = row(file(2), NOW - 5, NOW - 5);
    let found = place(Some(&covered), file(1), &older, &none, second(NOW));
    assert_eq!(found, Ok(Place::Fixed(second(NOW - 9))));
    // Its own time may be later than that of the one that covered it.
    let early = row(file(2), NOW - 20, NOW - 5);
    let found = place(Some(&early), file(1), &older, &none, second(NOW));
    assert_eq!(found, Ok(Place::Fixed(second(NOW - 21))));
}

#[test]
fn more_than_a_day_ahead_is_refused_with_the_cause() {
    let none = Announced::default();
    let ahead = version("e", NOW + DAY + 1, None);
    let refused = place(None, file(1), &ahead, &none, second(NOW)).unwrap_err();
    assert_eq!(
        refused,
        TooFarAhead::Clock {
            last_modified: second(NOW + DAY + 1),
            now: second(NOW),
        }
    );
    assert!(refused.to_string().contains("set the clock"));

    let last = row(file(2), NOW + DAY, NOW);
    let head = version("e", NOW, None);
    let refused = place(Some(&last), file(1), &head, &none, second(NOW)).unwrap_err();
    let order = second(NOW + DAY + 1);
    assert_eq!(refused, TooFarAhead::Uploads { order });
    assert!(
        refused
            .to_string()
            .contains("more often than once a second")
    );

    let just = version("e", NOW + DAY, None);
    assert!(place(None, file(1), &just, &none, second(NOW)).is_ok());
}

#[test]
fn a_row_is_kept_as_small_json() {
    let row = row(file(0xab), NOW, NOW - 1);
    let text = serde_json::to_string(&row).unwrap();
    let id = "ab".repeat(16);
    assert_eq!(
        text,
        format!("{{\"file\":\"{id}\",\"order\":1795360000,\"last_modified\":1795359999}}")
    );
    assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
}

proptest! {
    /// Whatever the store's and the senders' clocks say, versions that are seen one after the other
    /// have increasing order times, none before its own Last-Modified.
    #[test]
    fn order_times_increase_and_are_never_before_last_modified(
        versions in prop::collection::vec((-1000_i64..1000, -2000_i64..2000, any::<bool>()), 1..50),
    ) {
        let mut last: Option<Row> = None;
        for (index, (last_modified, time, agrees)) in versions.into_iter().enumerate() {
            let etag = if agrees { "e" } else { "another" };
            let head = version("e", NOW + last_modified, None);
            let announced = Announced {
                etag: Some(etag.to_owned()),
                version_id: None,
                time: Some(second(NOW + time)),
            };
            let file = file(u8::try_from(index).unwrap());
            let found = place(last.as_ref(), file, &head, &announced, second(NOW)).unwrap();
            let Place::Last(next) = found else {
                return Err(TestCaseError::fail("a new version without a row"));
            };
            prop_assert!(next.order >= head.last_modified);
            prop_assert_eq!(next.order.subsec_nanosecond(), 0);
            if let Some(last) = last {
                prop_assert!(next.order > last.order);
            }
            last = Some(next);
        }
    }
}
