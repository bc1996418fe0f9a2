//! Every interleaving of movers, crashes, uploads and deletes, on the simplest store that can be
//! thought of. Two movers have the same file (a redelivery), a third has the next upload of the
//! same key; requests are atomic, but a copy reads at one moment and writes at a later one.

mod model;

use model::{Rules, Violation, explore};

/// What the store of the tests honours unless said otherwise.
const HONEST: Rules = Rules {
    copy_if_absent: true,
    copy_source_if_match: true,
    delete_if_match: true,
    versioned: false,
    claims: true,
    outside: 2,
    crashes: 0,
    damages: 0,
    identical: false,
    strangers: true,
};

#[test]
fn no_interleaving_loses_or_mixes_up_a_version() {
    let rules = Rules {
        outside: 3,
        ..HONEST
    };
    explore(rules).unwrap();
}

#[test]
fn nor_does_it_with_a_crash_between_any_two_requests() {
    let rules = Rules {
        crashes: 1,
        ..HONEST
    };
    explore(rules).unwrap();
}

#[test]
fn nor_does_it_where_the_same_bytes_are_uploaded_again() {
    let rules = Rules {
        identical: true,
        strangers: false,
        ..HONEST
    };
    explore(rules).unwrap();
}

#[test]
fn nor_does_it_in_a_versioned_bucket_that_ignores_every_precondition() {
    let rules = Rules {
        copy_if_absent: false,
        copy_source_if_match: false,
        delete_if_match: false,
        versioned: true,
        crashes: 1,
        strangers: false,
        ..HONEST
    };
    explore(rules).unwrap();
}

#[test]
fn nor_does_it_where_conditional_copies_are_ignored() {
    let rules = Rules {
        copy_if_absent: false,
        crashes: 1,
        strangers: false,
        ..HONEST
    };
    explore(rules).unwrap();
}

#[test]
fn nor_does_it_where_a_copy_arrives_damaged() {
    let rules = Rules {
        damages: 1,
        crashes: 1,
        outside: 1,
        ..HONEST
    };
    explore(rules).unwrap();
}

// The rules are needed: without them the same search finds what goes wrong.

#[test]
fn without_conditional_deletes_the_search_finds_a_lost_upload() {
    let rules = Rules {
        delete_if_match: false,
        ..HONEST
    };
    assert_eq!(explore(rules).unwrap_err().what, Violation::LastCopyRemoved);
}

#[test]
fn without_conditional_reads_the_search_finds_one_uploads_bytes_under_anothers_name() {
    let rules = Rules {
        copy_source_if_match: false,
        ..HONEST
    };
    assert_eq!(explore(rules).unwrap_err().what, Violation::WrongBytes);
}

#[test]
fn without_claims_and_conditional_copies_the_search_finds_one_file_over_another() {
    let rules = Rules {
        copy_if_absent: false,
        claims: false,
        strangers: false,
        ..HONEST
    };
    let what = explore(rules).unwrap_err().what;
    assert!(
        matches!(what, Violation::LastCopyRemoved | Violation::NotFiledOnce),
        "{what:?}"
    );
}
