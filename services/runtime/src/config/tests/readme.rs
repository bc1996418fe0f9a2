//! What the README and the stores' pages show as configuration is one.

use super::*;

const README: &str = include_str!("../../../../../README.md");
const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/storage");

/// A page's blocks of TOML, with the secrets' folder where there is one.
fn examples(page: &str, secrets: &Path) -> Vec<String> {
    page.split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .map(|example| example.replace("/run/secrets", &secrets.display().to_string()))
        .collect()
}

fn secrets() -> tempfile::TempDir {
    let secrets = tempfile::tempdir().unwrap();
    for name in ["nats", "s3", "scylla", "webhook", "smtp"] {
        std::fs::write(secrets.path().join(name), "a secret of some length").unwrap();
    }
    secrets
}

#[test]
fn every_example_is_accepted_and_sets_what_it_says() {
    let secrets = secrets();
    let examples = examples(README, secrets.path());
    let configs: Vec<Config> = examples
        .iter()
        .map(|example| read(example, &[]).unwrap_or_else(|wrong| panic!("{wrong} in {example}")))
        .collect();
    let [profiles, places, settings, traces] = &configs[..] else {
        panic!("{} examples", configs.len());
    };
    let names: Vec<&str> = profiles.profiles.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["nab", "luftdaten"]);
    assert_eq!(places.mover.target_bucket.as_deref(), Some("archive"));
    assert_eq!(settings.watcher.buckets[0].name, "sensors");
    assert_eq!(settings.notifier.routes[0].to, ["lab@example.org"]);
    let endpoint = traces.tracing.endpoint.as_deref();
    assert_eq!(endpoint, Some("http://jaeger:4318"));
}

/// Each page has one block that is a `landfall.toml`; others are of other programs.
#[test]
fn what_a_stores_page_shows_is_accepted_and_watches_a_bucket() {
    let secrets = secrets();
    let mut pages = 0;
    for entry in std::fs::read_dir(STORES).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let page = std::fs::read_to_string(&path).unwrap();
        for example in examples(&page, secrets.path()) {
            if !example.starts_with("# landfall.toml") {
                continue;
            }
            let config = read(&example, &[]).unwrap_or_else(|wrong| panic!("{path:?}: {wrong}"));
            assert_eq!(config.watcher.buckets[0].name, "sensors", "{path:?}");
            pages += 1;
        }
    }
    assert!(pages >= 7, "{pages}");
}
