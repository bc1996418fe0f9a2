use std::path::Path;

use runtime::config::watcher::Bucket;

use super::*;

fn bucket(name: &str, prefixes: &[&str]) -> Bucket {
    Bucket {
        name: name.to_owned(),
        prefixes: prefixes.iter().map(|&prefix| prefix.to_owned()).collect(),
        ..Bucket::default()
    }
}

fn config(buckets: &[Bucket]) -> Config {
    let mut config = Config::default();
    config.watcher.buckets = buckets.to_vec();
    config
}

fn watched(buckets: &[Bucket]) -> Watched {
    Watched::new(&config(buckets)).unwrap()
}

#[test]
fn only_keys_under_a_watched_prefix_of_a_watched_bucket_are_files() {
    let watched = watched(&[bucket("sensors", &["incoming/", "in/"])]);
    assert_eq!(watched.judge("sensors", "incoming/a.csv"), Ok(()));
    assert_eq!(watched.judge("sensors", "in/deep/er/a.csv"), Ok(()));
    for (bucket, key, why) in [
        ("others", "incoming/a.csv", Unwatched::OtherBucket),
        ("sensors", "a.csv", Unwatched::OtherPrefix),
        ("sensors", "incoming", Unwatched::OtherPrefix),
        ("sensors", "Incoming/a.csv", Unwatched::OtherPrefix),
        ("sensors", "/incoming/a.csv", Unwatched::OtherPrefix),
        (
            "sensors",
            "processed/incoming/a.csv",
            Unwatched::OtherPrefix,
        ),
        ("sensors", "rejected/incoming/a.csv", Unwatched::OtherPrefix),
        (
            "sensors",
            "rejected-rows/incoming/a.csv",
            Unwatched::OtherPrefix,
        ),
        ("sensors", "incoming/", Unwatched::DirectoryMarker),
        ("sensors", "incoming/folder/", Unwatched::DirectoryMarker),
    ] {
        assert_eq!(watched.judge(bucket, key), Err(why), "{bucket}/{key}");
    }
}

#[test]
fn what_is_nobodys_file_yet_is_ignored_by_its_name_wherever_it_lies() {
    let watched = watched(&[bucket("sensors", &["incoming/"])]);
    for key in [
        "incoming/a.tmp",
        "incoming/deep/a.csv.part",
        "incoming/a.partial",
        "incoming/a.filepart",
        "incoming/.a.csv.swp",
        "incoming/a.csv~",
        "incoming/.hidden",
        "incoming/deep/.hidden",
        "incoming/new\nline.tmp",
    ] {
        assert_eq!(
            watched.judge("sensors", key),
            Err(Unwatched::Ignored),
            "{key}"
        );
    }
    for key in [
        "incoming/a.tmp/b.csv",
        "incoming/tmp",
        "incoming/a.TMP.csv",
        "incoming/b~c.csv",
    ] {
        assert_eq!(watched.judge("sensors", key), Ok(()), "{key}");
    }
}

#[test]
fn a_glob_with_a_slash_is_for_the_whole_key() {
    let mut config = config(&[bucket("sensors", &["incoming/"])]);
    config.watcher.ignore = vec!["incoming/*/draft-*".to_owned(), "**/old/**".to_owned()];
    let watched = Watched::new(&config).unwrap();
    let ignored = Err(Unwatched::Ignored);
    assert_eq!(watched.judge("sensors", "incoming/x/draft-1.csv"), ignored);
    assert_eq!(watched.judge("sensors", "incoming/a/old/b.csv"), ignored);
    assert_eq!(watched.judge("sensors", "incoming/draft-1.csv"), Ok(()));
    assert_eq!(watched.judge("sensors", "incoming/x/y/draft-1.csv"), Ok(()));
}

#[test]
fn probes_of_the_store_are_ignored_whatever_is_set() {
    let mut config = config(&[bucket("sensors", &[""])]);
    config.mover.target_bucket = Some("done".to_owned());
    config.watcher.ignore = vec![];
    let watched = Watched::new(&config).unwrap();
    for key in [
        ".landfall-probe/.00ff-1",
        "incoming/.landfall-probe-00ff",
        ".landfall-probe-00ff",
    ] {
        let judged = watched.judge("sensors", key);
        assert_eq!(judged, Err(Unwatched::Ignored), "{key}");
    }
    assert_eq!(watched.judge("sensors", "a.landfall-probe-1"), Ok(()));
}

#[test]
fn a_prefix_that_another_covers_is_not_listed_twice() {
    let prefixes = ["in/", "in/deep/", "other/", "in/", "in/even/deeper/", "ot"];
    let watched = watched(&[bucket("a", &prefixes)]);
    let buckets: Vec<(&str, &[String])> = watched.buckets().collect();
    assert_eq!(
        buckets,
        [("a", ["in/".to_owned(), "ot".to_owned()].as_slice())]
    );
}

#[test]
fn the_whole_bucket_may_be_watched() {
    let watched = watched(&[bucket("sensors", &[""])]);
    assert_eq!(watched.judge("sensors", "a.csv"), Ok(()));
    assert_eq!(watched.judge("sensors", "deep/er/a.csv"), Ok(()));
    let marker = Err(Unwatched::DirectoryMarker);
    assert_eq!(watched.judge("sensors", "deep/"), marker);
}

#[test]
fn a_configuration_that_watches_nothing_says_what_to_add() {
    let refused = Watched::new(&Config::default()).unwrap_err();
    assert!(refused.to_string().contains("[[watcher.buckets]]"));
}

#[test]
fn the_first_profile_that_matches_bucket_and_key_reads_a_file() {
    let text = r#"
        watcher.buckets = [{ name = "sensors" }]
        profiles = [
            { name = "top", bucket = "sensors", key = "in/*.csv" },
            { name = "deep", bucket = "sens*", key = "in/**/*.csv" },
            { name = "other", bucket = "others" },
        ]
    "#;
    let config = Config::read(Path::new("landfall.toml"), text, []).unwrap();
    let watched = Watched::new(&config).unwrap();
    assert_eq!(watched.profile("sensors", "in/a.csv"), "top");
    assert_eq!(watched.profile("sensors", "in/x/a.csv"), "deep");
    assert_eq!(watched.profile("others", "in/a.csv"), "other");
    assert_eq!(watched.profile("sensors", "in/a.txt"), "default");
}
