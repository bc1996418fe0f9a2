//! Counts and rows.

use super::*;

#[test]
fn counts_that_do_not_add_up() {
    let found = broken(|facts| {
        let Said::Ingested { report } = &mut outcome(facts, LATE, Step::Ingest).event.said else {
            unreachable!()
        };
        report.read += 1;
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Rule::Counts);
}

#[test]
fn counts_that_are_not_the_copys() {
    let words = "the event says read 10, stored 7, rejected 2, duplicated 1";
    assert_one(Rule::Counts, GOOD, words, |facts| {
        count(facts).accepted += 1;
    });
    assert_one(Rule::Counts, GOOD, words, |facts| {
        count(facts).rejected -= 1;
    });
    assert_one(Rule::Counts, GOOD, words, |facts| {
        count(facts).distinct -= 1;
    });
}

#[test]
fn duplicates_that_may_have_gone_unseen_are_counted_from_below() {
    let at_least = |distinct, accepted| {
        broken(|facts| {
            facts.recounts.get_mut(&id(GOOD)).unwrap().said.at_least = true;
            count(facts).distinct = distinct;
            count(facts).accepted = accepted;
        })
    };
    assert_eq!(at_least(6, 8), []);
    assert_eq!(at_least(8, 8).len(), 1, "more than it says at most");
}

#[test]
fn a_copy_that_cannot_be_read_again() {
    assert_one(Rule::Readable, GOOD, "its gzip data ends", |facts| {
        facts.recounts.get_mut(&id(GOOD)).unwrap().counted = Err("its gzip data ends".to_owned());
    });
}

#[test]
fn readings_that_are_not_in_the_database_or_not_as_the_file_says() {
    let words = |what: &str| format!("2 of its 7 readings {what}: value of `s` at noon");
    assert_one(
        Rule::Readings,
        GOOD,
        &words("are not in the database"),
        |facts| {
            count(facts).missing = wrong_sample();
        },
    );
    assert_one(
        Rule::Readings,
        GOOD,
        &words("have another value in the database"),
        |facts| {
            count(facts).differing = wrong_sample();
        },
    );
    assert_one(
        Rule::Readings,
        GOOD,
        &words("gave way to an older file's in the database"),
        |facts| count(facts).older = wrong_sample(),
    );
    assert_one(Rule::Readings, GOOD, "have a write timestamp", |facts| {
        count(facts).misdated = wrong_sample();
    });
}

#[test]
fn rows_that_name_a_file_and_are_not_in_it() {
    assert_one(
        Rule::Rows,
        GOOD,
        "in the database, and not in the file: 2 readings (",
        |facts| {
            count(facts).strays = wrong_sample();
        },
    );
}

#[test]
fn rows_of_a_file_that_may_have_none_or_fewer() {
    let words = "in the database it has 3 readings, and it may have 0";
    for number in [BAD, OLD] {
        assert_one(Rule::Rows, number, words, |facts| {
            facts.rows.insert(id(number), rows(3));
        });
    }
    assert_one(
        Rule::Rows,
        LATE,
        "in the database it has 8 readings, and it may have 7",
        |facts| {
            facts.rows.insert(id(LATE), rows(8));
        },
    );
}

#[test]
fn rows_of_a_file_that_nobody_knows() {
    assert_one(Rule::Rows, STRANGE, "a file that nobody knows", |facts| {
        facts.rows.insert(id(STRANGE), rows(3));
    });
    let old = broken(|facts| {
        let newest = (facts.horizon - SignedDuration::from_secs(1)).as_microsecond();
        facts.rows.insert(id(STRANGE), Rows { count: 3, newest });
    });
    assert_eq!(old, [], "it may have been forgotten");
}

#[test]
fn rows_before_a_decision_to_store_them() {
    let open = |decision: Option<Decision>| {
        broken(|facts| {
            facts.settled = false;
            live(facts, 6, []);
            way(facts, 6).decision = decision;
            facts.rows.insert(id(6), rows(3));
            uploads(facts).push(upload(6));
            facts.sources.insert(id(6), Source::This);
        })
    };
    assert_eq!(open(Some(Decision::Ingest(plan()))), []);
    assert_eq!(open(None).len(), 1);
    assert_eq!(open(Some(Decision::Reject)).len(), 1);
}
