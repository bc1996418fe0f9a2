//! How settings are read.

mod profiles;
mod readme;
mod refused;

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::profile::{Budget, Column, Header, Sensor};
use super::*;

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, Wrong> {
    let variables = variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Config::read(Path::new("landfall.toml"), text, variables)
}

fn line(text: &str, variables: &[(&str, &str)]) -> String {
    match read(text, variables) {
        Ok(_) => format!("accepted: {text} {variables:?}"),
        Err(wrong) => wrong.to_string(),
    }
}

#[test]
fn nothing_set_is_a_whole_configuration() {
    let config = read("", &[]).unwrap();
    assert_eq!(config.nats.url, "nats://127.0.0.1:4222");
    assert_eq!(config.notifier.delay, Duration::from_secs(600));
}

#[test]
fn the_environment_goes_before_the_file() {
    let config = read(
        "[nats]\nurl = \"nats://file:4222\"\nreplicas = 3\n[service]\nslots = 4\n",
        &[
            ("LANDFALL_NATS__URL", "tls://variable:4222"),
            ("LANDFALL_SERVICE__TRIES", "9"),
            ("LANDFALL_SERVICE__LISTEN", "[::1]:9000"),
            ("LANDFALL_NOTIFIER__SMTP__PORT", "25"),
            ("LANDFALL_NOTIFIER__DELAY", "10s"),
            ("LANDFALL_NOTIFIER__TO", "a@example.org, b@example.org"),
            ("LANDFALL_OBJECTS__PATH_STYLE", "false"),
            ("LANDFALL_MOVER__TARGET_BUCKET", ""),
            ("LANDFALL_SERVICE__LOG", "json"),
            (
                "LANDFALL_WATCHER__BUCKETS",
                "[{ name = \"in\", prefixes = [\"a/\"] }]",
            ),
        ],
    )
    .unwrap();
    assert_eq!(config.nats.url, "tls://variable:4222");
    assert_eq!(config.nats.replicas, 3);
    assert_eq!(config.service.slots, 4);
    assert_eq!(config.service.tries, 9);
    assert_eq!(config.service.listen.to_string(), "[::1]:9000");
    assert_eq!(config.service.log, service::Log::Json);
    assert_eq!(config.notifier.smtp.port, 25);
    assert_eq!(config.notifier.delay, Duration::from_secs(10));
    assert_eq!(config.notifier.to, ["a@example.org", "b@example.org"]);
    assert!(!config.objects.path_style);
    assert_eq!(config.mover.target_bucket, None);
    assert_eq!(config.watcher.buckets[0].prefixes, ["a/"]);
}

#[test]
fn lengths_of_time_are_read_and_shown_as_people_write_them() {
    const HOUR: u64 = 3600;
    for (text, seconds, shown) in [
        ("90s", 90, "1m 30s"),
        ("1h 30m", HOUR + 30 * 60, "1h 30m"),
        ("7d", 7 * 24 * HOUR, "7d"),
        ("1w", 7 * 24 * HOUR, "7d"),
        ("36 hours", 36 * HOUR, "1d 12h"),
    ] {
        let config = read("", &[("LANDFALL_NOTIFIER__DELAY", text)]).unwrap();
        assert_eq!(config.notifier.delay.as_secs(), seconds);
        let line = format!("delay = \"{shown}\"");
        assert!(config.shown().contains(&line), "{}", config.shown());
    }
    for text in ["-1s", "1 month", "90", "soon", ""] {
        let line = line("", &[("LANDFALL_NOTIFIER__DELAY", text)]);
        assert!(line.contains("is no length of time"), "{line}");
    }
}

#[test]
fn a_secret_that_looks_like_something_else_stays_what_it_is() {
    for secret in ["0123", "true", "1e5", "[a]", "{b}", "\"c\"", "a,b", " d "] {
        let config = read("", &[("LANDFALL_NATS__PASSWORD", secret)]).unwrap();
        assert_eq!(config.nats.password.unwrap().expose(), secret);
    }
}

#[test]
fn a_secret_may_lie_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let file = file.to_str().unwrap();
    let text = format!("[nats]\npassword = {{ file = \"{file}\" }}\n");
    let config = read(&text, &[]).unwrap();
    assert_eq!(config.nats.password.unwrap().expose(), "s3cret");
    // In the environment too, also over a plain one of the file.
    let config = read(
        "[nats]\npassword = \"plain\"\n",
        &[("LANDFALL_NATS__PASSWORD__FILE", file)],
    )
    .unwrap();
    assert_eq!(config.nats.password.unwrap().expose(), "s3cret");
}

#[test]
fn secrets_are_not_shown() {
    let config = read(
        "[nats]\npassword = \"s3cret\"\n[watcher]\ntokens = [\"s3cret\"]\n\
         [objects]\naccess_key = \"key\"\nsecret_key = \"s3cret\"\n\
         [notifier.smtp]\nuser = \"u\"\npassword = \"s3cret\"\n",
        &[],
    )
    .unwrap();
    let shown = config.shown();
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(shown.matches("\"***\"").count(), 5, "{shown}");
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn wrong_secrets_are_not_shown_either() {
    for text in [
        "[nats]\npassword = 5303\n",
        "[nats]\npassword = { fiel = \"5303\" }\n",
        "[nats]\npassword = [\"5303\"]\n",
        "[watcher]\ntokens = [5303]\n",
        "[nats]\npassword = \"5303\n",
        "[nats]\nurl = \"nats://user:5303@host:4222\"\n",
    ] {
        let line = line(text, &[]);
        assert!(!line.starts_with("accepted"), "{line}");
        assert!(!line.contains("5303"), "{line}");
    }
}

#[test]
fn what_is_shown_can_be_read_again() {
    let config = read(
        "[notifier]\ndelay = \"1h 30m\"\nto = [\"a@example.org\"]\n\
         [[notifier.routes]]\nname = \"r\"\nkey = \"**/x\"\nto = []\ndelay = \"5m\"\n\
         [[notifier.routes]]\nname = \"s\"\noutcome = \"failed\"\nto = []\n\
         [[watcher.buckets]]\nname = \"in\"\n\
         [[profiles]]\nname = \"wide\"\nkey = \"wide/*\"\nsensor = \"file_name\"\ntime = 1\nbudget = 7\n\
         values = [2, { column = \"c\", metric = \"m\" }]\n\
         [[profiles]]\nname = \"fixed\"\nkey = \"fixed/*\"\nsensor = { fixed = \"s1\" }\nheader = \"no\"\ntime = 1\n\
         budget = \"0.5%\"\ndelimiter = \"\\t\"\n\
         [[profiles]]\nname = \"column\"\nsensor = { column = 2 }\nmetric = \"m\"\n",
        &[],
    )
    .unwrap();
    let shown = config.shown();
    let again = read(&shown, &[]).unwrap_or_else(|wrong| panic!("{wrong}\n{shown}"));
    assert_eq!(again.shown(), shown);
    assert_eq!(again.profiles, config.profiles);
    assert_eq!(again.profiles[0].sensor, Sensor::FileName);
    assert_eq!(again.profiles[0].budget, Budget::Lines(7));
    assert_eq!(again.profiles[1].header, Header::No);
    assert_eq!(again.profiles[1].delimiter, '\t');
    assert_eq!(
        again.profiles[2].sensor,
        Sensor::Column(Column::Position(2))
    );
    assert_eq!(
        again.notifier.routes[0].delay,
        Some(Duration::from_secs(300))
    );
    assert_eq!(again.notifier.routes[1].delay, None);
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let wrong = Config::load(Some(&PathBuf::from("/nowhere/landfall.toml"))).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "cannot read /nowhere/landfall.toml: No such file or directory (os error 2)"
    );
}

proptest! {
    #[test]
    fn any_text_of_a_variable_is_the_text_of_its_setting(text in "[^\0]{1,40}") {
        let config = read("", &[("LANDFALL_OBJECTS__REGION", &text)]).unwrap();
        prop_assert_eq!(config.objects.region, text);
    }

    #[test]
    fn any_number_of_a_variable_is_the_number_of_its_setting(number in 1_usize..=10_000) {
        let text = number.to_string();
        let config = read("", &[("LANDFALL_SERVICE__SLOTS", &text)]).unwrap();
        prop_assert_eq!(config.service.slots, number);
    }

    #[test]
    fn any_list_of_a_variable_is_the_list_of_its_setting(
        list in prop::collection::vec("[a-z*./ -]{1,8}", 0..5),
    ) {
        let list: Vec<String> = list.iter().map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()).collect();
        let plain = read("", &[("LANDFALL_WATCHER__IGNORE", &list.join(", "))]).unwrap();
        prop_assert_eq!(&plain.watcher.ignore, &list);
        let array = format!("{list:?}");
        let array = read("", &[("LANDFALL_WATCHER__IGNORE", &array)]).unwrap();
        prop_assert_eq!(&array.watcher.ignore, &list);
    }

    #[test]
    fn whatever_is_wrong_is_one_line(text in "[\\[\\]a-z= \"\n]{0,40}", value in "\\PC{0,20}") {
        let variables = [("LANDFALL_NATS__ACK_WAIT", value.as_str())];
        if let Err(wrong) = read(&text, &variables) {
            prop_assert_eq!(wrong.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn lengths_of_time_survive_being_shown(seconds in 1_u64..6_000_000, millis in 0_u64..1000) {
        let mut config = Config::default();
        config.notifier.delay = Duration::from_millis(seconds * 1000 + millis);
        let again = read(&config.shown(), &[]).unwrap();
        prop_assert_eq!(again.notifier.delay, config.notifier.delay);
    }
}

#[test]
fn a_bucket_may_have_settings_of_its_own() {
    let config = read(
        "[watcher]\nsweep_every = \"10m\"\nstuck_after = \"1h\"\nignore = [\"*.tmp\"]\n\
         [[watcher.buckets]]\nname = \"plain\"\n\
         [[watcher.buckets]]\nname = \"own\"\nsweep_every = \"1m\"\nstuck_after = \"5m\"\n\
         ignore = [\"*.bak\"]\n",
        &[],
    )
    .unwrap();
    let watcher = config.watcher;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!(watcher.sweep_every("plain"), minutes(10));
    assert_eq!(watcher.sweep_every("own"), minutes(1));
    assert_eq!(watcher.stuck_after("plain"), minutes(60));
    assert_eq!(watcher.stuck_after("own"), minutes(5));
    for (bucket, key, ignored) in [
        ("plain", "in/a.tmp", true),
        ("plain", "in/a.bak", false),
        ("own", "in/a.tmp", false),
        ("own", "in/a.bak", true),
        // One that nobody watches, as of a backfill.
        ("other", "in/a.tmp", true),
    ] {
        assert_eq!(watcher.ignores(bucket, key), ignored, "{bucket}/{key}");
    }
}
