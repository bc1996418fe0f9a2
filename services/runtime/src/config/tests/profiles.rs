//! Which profile reads a file, and how two are told apart.

use proptest::prelude::*;

use super::read;
use crate::config::mover::{After, Place};
use crate::config::{Profile, glob};

fn profile(text: &str) -> Profile {
    read(&format!("[[profiles]]\nname = \"p\"\n{text}"), &[])
        .unwrap()
        .profiles
        .remove(0)
}

#[test]
fn the_first_profile_that_matches_reads_a_file() {
    let config = read(
        "[[profiles]]\nname = \"one\"\nbucket = \"in-*\"\nkey = \"incoming/*.csv\"\n\
         [[profiles]]\nname = \"two\"\nkey = \"incoming/**/*.{csv,csv.gz}\"\n",
        &[],
    )
    .unwrap();
    for (bucket, key, name) in [
        ("in-a", "incoming/x.csv", "one"),
        ("other", "incoming/x.csv", "two"),
        ("in-a", "incoming/a/x.csv", "two"),
        ("in-a", "incoming/a/b/x.csv.gz", "two"),
        ("in-a", "incoming/ü\n\"x.csv", "one"),
        ("in-a", "incoming/a\nb/x.csv", "two"),
        ("in-a", "elsewhere/x.csv", "default"),
        ("in-a", "incoming/x.txt", "default"),
        ("in-a", "Incoming/x.csv", "default"),
    ] {
        assert_eq!(
            config.profile_for(bucket, key).name,
            name,
            "{bucket} {key:?}"
        );
    }
    assert_eq!(config.profile("two").unwrap().name, "two");
    assert_eq!(config.profile("default").unwrap().name, "default");
    assert!(config.profile("three").is_none());
}

#[test]
fn files_are_filed_away_where_their_profile_says_or_the_mover_or_at_home() {
    let place = |text: &str, profile: &str, rejected| {
        let config = read(text, &[]).unwrap();
        let Place { bucket, prefix } = config.mover.place(config.own(profile), "home", rejected);
        format!("{bucket}/{prefix}")
    };
    let profiles = "[[profiles]]\nname = \"own\"\nkey = \"own/**\"\n\
                    mover = { target_bucket = \"own\", rejected = \"bad/\" }\n\
                    [[profiles]]\nname = \"none\"\n";
    let all = format!("[mover]\ntarget_bucket = \"all\"\n{profiles}");
    let both = format!("[mover]\ntarget_bucket = \"all\"\nrejected_bucket = \"bad\"\n{profiles}");
    for (text, profile, processed, rejected) in [
        (profiles, "own", "own/processed/", "own/bad/"),
        (profiles, "none", "home/processed/", "home/rejected/"),
        (profiles, "default", "home/processed/", "home/rejected/"),
        (&all, "own", "own/processed/", "own/bad/"),
        (&all, "none", "all/processed/", "all/rejected/"),
        // What the profile says of its files goes before what is said of all.
        (&both, "own", "own/processed/", "own/bad/"),
        (&both, "none", "all/processed/", "bad/rejected/"),
        // Of a profile that is not there any more nothing is set apart.
        (&both, "left", "all/processed/", "bad/rejected/"),
    ] {
        assert_eq!(place(text, profile, false), processed, "{text}");
        assert_eq!(place(text, profile, true), rejected, "{text}");
    }
    let config = read(&both, &[]).unwrap();
    let places: Vec<String> = config
        .places("home")
        .into_iter()
        .map(|Place { bucket, prefix }| format!("{bucket}/{prefix}"))
        .collect();
    let expected = [
        "all/processed/",
        "bad/rejected/",
        "home/bad/",
        "home/processed/",
        "home/rejected/",
        "own/bad/",
        "own/processed/",
    ];
    assert_eq!(places, expected);
}

#[test]
fn what_becomes_of_an_object_is_set_for_all_and_by_profile() {
    let text = "[mover]\nafter = \"leave\"\n[[profiles]]\nname = \"p\"\n\
                mover = { after = \"delete\" }\n";
    let config = read(text, &[]).unwrap();
    assert_eq!(config.mover.after(config.own("p")), After::Delete);
    assert_eq!(config.mover.after(config.own("default")), After::Leave);
    let config = read("", &[]).unwrap();
    assert_eq!(config.mover.after(config.own("default")), After::Move);
}

#[test]
fn the_hash_of_a_profile_is_that_of_what_decides_how_a_file_is_read() {
    // Written by hand, and hashed with sha256sum.
    assert_eq!(
        Profile::built_in().canonical(),
        r#"{"budget":"1%","delimiter":",","header":"auto","metric":null,"sensor":{"column":"sensor_id"},"time":"timestamp","time_format":"auto","values":[]}"#
    );
    assert_eq!(
        Profile::built_in().hash(),
        "315f382e3baf2e0b5dec8d31089d587d4a1a45c916c82c58ec278923fb4457ca"
    );
    let plain = profile("").hash();
    assert_eq!(plain, Profile::built_in().hash());
    for same in [
        "bucket = \"b\"\n",
        "key = \"k\"\n",
        "mover = { target_bucket = \"t\", after = \"leave\" }\n",
    ] {
        assert_eq!(profile(same).hash(), plain, "{same}");
    }
    for other in [
        "delimiter = \";\"\n",
        "header = \"yes\"\n",
        "sensor = \"file_name\"\n",
        "time = \"t\"\n",
        "time = 1\n",
        "time_format = \"unix\"\n",
        "values = [\"v\"]\n",
        "metric = \"m\"\n",
        "budget = 1\n",
    ] {
        assert_ne!(profile(other).hash(), plain, "{other}");
    }
}

/// What a glob means, said once more and plainly: `**` at an end or between slashes crosses `/`,
/// `*` and `?` do not.
fn plainly(glob: &[u8], text: &[u8]) -> bool {
    match glob {
        [] => text.is_empty(),
        [b'*', b'*'] => true,
        [b'*', b'*', b'/', rest @ ..] => {
            plainly(rest, text)
                || (0..text.len()).any(|at| text[at] == b'/' && plainly(rest, &text[at + 1..]))
        }
        [b'*', rest @ ..] => (0..=text.len())
            .take_while(|&at| at == 0 || text[at - 1] != b'/')
            .any(|at| plainly(rest, &text[at..])),
        [b'?', rest @ ..] => text
            .split_first()
            .is_some_and(|(&first, text)| first != b'/' && plainly(rest, text)),
        [byte, rest @ ..] => text
            .split_first()
            .is_some_and(|(first, text)| first == byte && plainly(rest, text)),
    }
}

proptest! {
    #[test]
    fn globs_match_what_they_say(
        pieces in prop::collection::vec(prop::sample::select(vec!["a", "b.", "*", "?"]), 1..4),
        folders in prop::sample::select(vec!["", "**/", "a/**/", "*/"]),
        text in "[ab./\n]{0,8}",
    ) {
        let glob = format!("{folders}{}", pieces.concat());
        // Two stars beside each other are one thing more than this model knows.
        prop_assume!(!pieces.concat().contains("**"));
        prop_assert_eq!(
            glob::matches(&glob, &text),
            plainly(glob.as_bytes(), text.as_bytes()),
            "{:?} {:?}", glob, text
        );
    }
}

#[test]
fn profiles_that_overlap_and_leave_something_to_each_other_are_taken() {
    for (first, second) in [
        ("key = \"x/*\"", "key = \"x/**\""),
        ("key = \"*\"", "key = \"x/*\""),
        ("bucket = \"in\"", "key = \"x/*\""),
        (
            "bucket = \"in\"\nkey = \"x/*\"",
            "bucket = \"out\"\nkey = \"x/*\"",
        ),
    ] {
        let text =
            format!("[[profiles]]\nname = \"a\"\n{first}\n[[profiles]]\nname = \"b\"\n{second}\n");
        assert!(read(&text, &[]).is_ok(), "{text}");
    }
}
