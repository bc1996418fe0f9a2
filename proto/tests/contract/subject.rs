use proptest::prelude::*;
use proto::{FileId, What, subject};

#[test]
fn patterns_overlap_where_one_subject_matches_both() {
    for (one, other) in [
        ("files.*.arrived.*", "files.0.arrived.default"),
        ("files.>", "files.*.moved.*"),
        ("storage.>", "storage.*"),
        ("dead.*", "dead.mover"),
    ] {
        assert!(subject::overlap(one, other), "{one} {other}");
        assert!(subject::overlap(other, one), "{other} {one}");
    }
    for (one, other) in [
        ("files.*.arrived.*", "files.*.moved.*"),
        ("files.>", "files"),
        ("delay.wait.*.*", "delay.due"),
        ("dead.*", "dead.mover.more"),
    ] {
        assert!(!subject::overlap(one, other), "{one} {other}");
        assert!(!subject::overlap(other, one), "{other} {one}");
    }
}

#[test]
fn only_a_token_is_a_profile_name() {
    for name in ["default", "a", "air-quality-2", &"x".repeat(64)] {
        assert!(subject::is_profile_name(name), "{name}");
    }
    for name in ["", "A", "a.b", "a b", "*", ">", "ü", "a_b", &"x".repeat(65)] {
        assert!(!subject::is_profile_name(name), "{name}");
    }
}

proptest! {
    #[test]
    fn every_event_lands_where_its_consumers_look(bytes: [u8; 16], profile in "[a-z0-9-]{1,64}") {
        let file = FileId::from_bytes(bytes);
        for what in What::ALL {
            let subject = subject::files(file, what, &profile);
            prop_assert_eq!(subject.split('.').count(), 4);
            for other in What::ALL {
                let filter = subject::files_filter(other);
                prop_assert_eq!(subject::overlap(&filter, &subject), what == other);
            }
        }
    }
}
