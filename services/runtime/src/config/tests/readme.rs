//! What the README shows as configuration is one.

use super::*;

const README: &str = include_str!("../../../../../README.md");

/// Its blocks of TOML, with the secrets' folder where there is one.
fn examples(secrets: &Path) -> Vec<String> {
    README
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .map(|example| example.replace("/run/secrets", &secrets.display().to_string()))
        .collect()
}

#[test]
fn every_example_is_accepted_and_sets_what_it_says() {
    let secrets = tempfile::tempdir().unwrap();
    for name in ["nats", "s3", "scylla", "webhook", "smtp"] {
        std::fs::write(secrets.path().join(name), "a secret of some length").unwrap();
    }
    let examples = examples(secrets.path());
    let configs: Vec<Config> = examples
        .iter()
        .map(|example| read(example, &[]).unwrap_or_else(|wrong| panic!("{wrong} in {example}")))
        .collect();
    let [profiles, places, settings] = &configs[..] else {
        panic!("{} examples", configs.len());
    };
    let names: Vec<&str> = profiles.profiles.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["nab", "luftdaten"]);
    assert_eq!(places.mover.target_bucket.as_deref(), Some("archive"));
    assert_eq!(settings.watcher.buckets[0].name, "sensors");
    assert_eq!(settings.notifier.routes[0].to, ["lab@example.org"]);
}
