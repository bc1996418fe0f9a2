//! Sources and copies.

use super::*;

#[test]
fn a_copy_that_is_not_there_or_not_the_files() {
    let at = place("processed/", GOOD);
    assert_one(Rule::Copy, GOOD, "is not there", |facts| {
        facts.filed.remove(&at);
    });
    assert_one(Rule::Copy, GOOD, "is not its copy, but nobody's", |facts| {
        let filed = facts.filed.get_mut(&at).unwrap();
        (filed.file, filed.size) = (None, 99);
        // What it holds is not told on top of that.
        count(facts).accepted += 1;
        count(facts).missing = wrong_sample();
    });
    assert_one(Rule::Copy, GOOD, "is not of replay 0", |facts| {
        facts.filed.get_mut(&at).unwrap().replay = Some(1);
    });
    assert_one(
        Rule::Copy,
        GOOD,
        "has 99 bytes, and the file had 100",
        |facts| {
            facts.filed.get_mut(&at).unwrap().size = 99;
        },
    );
    assert_one(
        Rule::Copy,
        GOOD,
        "other bytes than were uploaded",
        |facts| {
            count(facts).sha256 = "other".to_owned();
        },
    );
}

#[test]
fn a_copy_that_was_restored_without_its_metadata_is_told_which_it_needs() {
    let mut facts = good();
    let filed = facts.filed.get_mut(&place("processed/", GOOD)).unwrap();
    (filed.file, filed.replay) = (None, None);
    let found = judge(&facts);
    let [wrong] = &found[..] else {
        panic!("one violation is expected: {found:#?}");
    };
    assert!(wrong.what.contains("whose it is"), "{wrong}");
    let metadata = format!("landfall-file-id={} and landfall-replay=0", id(GOOD));
    assert!(wrong.next.contains(&metadata), "{wrong}");
}

#[test]
fn a_source_that_was_not_removed() {
    assert_one(Rule::Source, GOOD, "lies at its source still", |facts| {
        facts.sources.insert(id(GOOD), Source::This);
    });
}

#[test]
fn what_is_said_to_have_vanished_and_has_not() {
    for (number, said) in [(OLD, "said to be replaced"), (LATE, "said to be replaced")] {
        assert_one(Rule::Source, number, said, |facts| {
            facts.sources.insert(id(number), Source::This);
        });
    }
    assert_one(Rule::Source, LATE, "said to be gone, and lies", |facts| {
        outcome(facts, LATE, Step::Mover).event.said = not_archived(Move::Gone);
        facts.sources.insert(id(LATE), Source::This);
    });
}

#[test]
fn what_is_said_to_be_replaced_and_was_deleted() {
    // Its key is not uploaded again; it was deleted.
    let deleted = |facts: &mut Facts| {
        let (key, tag) = (place("", LATE), format!("tag-{LATE}"));
        uploads(facts).retain(|upload| upload.place != key || upload.etag == tag);
        facts.sources.insert(id(LATE), Source::Nothing);
        for upload in uploads(facts) {
            upload.deleted |= upload.place == key;
        }
    };
    let words = "said to be replaced, and nobody uploaded its key again";
    assert_one(Rule::Source, LATE, words, deleted);
    let gone = |facts: &mut Facts| {
        deleted(facts);
        outcome(facts, LATE, Step::Mover).event.said = not_archived(Move::Gone);
    };
    assert_eq!(broken(gone), []);
}

#[test]
fn a_copy_that_is_not_to_be_there() {
    assert_one(
        Rule::Filed,
        LATE,
        "it was replaced before it was moved",
        |facts| {
            facts.filed.insert(place("processed/", LATE), filed(LATE));
        },
    );
    assert_one(
        Rule::Filed,
        GOOD,
        "and it was archived to sensors/processed/",
        |facts| {
            facts
                .filed
                .insert(place("processed/other/", GOOD), filed(GOOD));
        },
    );
    assert_one(
        Rule::Filed,
        STRANGE,
        "names a file that nobody knows",
        |facts| {
            facts
                .filed
                .insert(place("processed/", STRANGE), filed(STRANGE));
        },
    );
    assert_one(Rule::Filed, STUCK, "gives the place to another", |facts| {
        facts.filed.insert(place("processed/", STUCK), filed(STUCK));
    });
}

#[test]
fn objects_that_are_on_their_way_somebody_elses_or_older_than_the_journals_are_no_wrong() {
    let found = broken(|facts| {
        let on_its_way = place("processed/", STUCK);
        facts.claims.insert(on_its_way.clone(), id(STUCK));
        facts.filed.insert(on_its_way, filed(STUCK));
        let nobodys = Filed {
            file: None,
            ..filed(STRANGE)
        };
        facts.filed.insert(place("processed/a/", STRANGE), nobodys);
        let modified = facts.horizon - SignedDuration::from_secs(1);
        let old = Filed {
            modified,
            ..filed(STRANGE)
        };
        facts.filed.insert(place("processed/b/", STRANGE), old);
    });
    assert_eq!(found, []);
}

#[test]
fn two_files_with_one_destination() {
    let found = broken(|facts| {
        outcome(facts, BAD, Step::Mover).event.said = archived("processed/", GOOD);
    });
    let shared = found.iter().filter(|(rule, ..)| *rule == Rule::Destination);
    assert_eq!(shared.count(), 1, "{found:#?}");
}

#[test]
fn a_last_copy_that_nobody_removed() {
    assert_one(Rule::LastCopy, STUCK, "it lies nowhere any more", |facts| {
        facts.sources.insert(id(STUCK), Source::Nothing);
    });
    let deleted = broken(|facts| {
        facts.sources.insert(id(STUCK), Source::Nothing);
        uploads(facts)[4].deleted = true;
    });
    assert_eq!(deleted, []);
    assert_one(Rule::LastCopy, LATE, "it lies nowhere any more", |facts| {
        uploads(facts).retain(|upload| upload.place != place("", LATE) || !upload.deleted);
    });
}

#[test]
fn a_failed_file_with_two_copies() {
    assert_one(Rule::LastCopy, STUCK, "2 copies of it", |facts| {
        for prefix in ["processed/", "rejected/"] {
            facts.claims.insert(place(prefix, STUCK), id(STUCK));
            facts.filed.insert(place(prefix, STUCK), filed(STUCK));
        }
    });
}

#[test]
fn an_upload_that_was_never_seen_and_a_file_that_was_never_uploaded() {
    let found = broken(|facts| uploads(facts).push(upload(STRANGE)));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Rule::Upload);
    assert_one(Rule::Upload, GOOD, "never uploaded", |facts| {
        uploads(facts).remove(0);
    });
}
