//! The configuration of a `landfall dev`: what somebody wishes, and over it what is so here.

use std::collections::BTreeSet;
use std::path::Path;

use proto::User;
use runtime::Config;
use toml::{Table, Value};

use crate::failure::Failure;

/// Production's default is 10 minutes.
const DELAY: &str = "10s";

/// What somebody wishes: profiles, routes, limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    table: Table,
    delay: Option<String>,
}

/// Where the servers are, and what they want to hear.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    pub(crate) nats: String,
    pub(crate) operator: String,
    pub(crate) endpoint: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) mail: u16,
    pub(crate) watcher: u16,
    pub(crate) token: String,
}

impl Wishes {
    /// Reads the file that is named, if one is.
    pub(crate) fn read(file: Option<&Path>, delay: Option<&str>) -> Result<Self, Failure> {
        let table = match file {
            None => Table::new(),
            Some(file) => table(file).map_err(Failure::Usage)?,
        };
        let wishes = Self {
            table,
            delay: delay.map(str::to_owned),
        };
        let delay = format!("notifier.delay = {:?}", delay.unwrap_or(DELAY));
        Config::read(Path::new("--delay"), &delay, [])
            .map_err(|_| Failure::Usage("--delay: expected a period like 10s or 10m".to_owned()))?;
        Ok(wishes)
    }

    /// The settings of the file that are not in force here: they are about other servers than
    /// those that are started.
    pub(crate) fn set_aside(&self) -> Vec<String> {
        let mut here = self.table.clone();
        connect(&mut here, &Connections::default(), Path::new(""));
        let mut aside = Vec::new();
        for (section, settings) in &self.table {
            let here = here.get(section).and_then(Value::as_table);
            for (setting, value) in settings.as_table().into_iter().flatten() {
                if here.and_then(|here| here.get(setting)) != Some(value) {
                    aside.push(format!("{section}.{setting}"));
                }
            }
        }
        aside
    }

    /// The buckets to make: those that are watched, and those that files are filed in.
    pub(crate) fn buckets(&self) -> anyhow::Result<Vec<String>> {
        let config = self.config()?;
        let watched = config.watcher.buckets.iter();
        let watched = watched.map(|bucket| bucket.name.as_str());
        let filed = config.all_places().into_iter().map(|place| place.bucket);
        let all: BTreeSet<String> = watched.chain(filed).map(str::to_owned).collect();
        Ok(all.into_iter().collect())
    }

    /// What is watched, as the store's filer names it.
    pub(crate) fn watched_paths(&self) -> anyhow::Result<Vec<String>> {
        let watched = self.config()?.watcher.buckets.into_iter();
        let paths = watched.flat_map(|bucket| {
            let path = move |prefix| format!("/buckets/{}/{prefix}", bucket.name);
            bucket.prefixes.into_iter().map(path)
        });
        Ok(paths.collect())
    }

    fn config(&self) -> anyhow::Result<Config> {
        super::written(Path::new("--config"), &self.effective(None, Path::new("")))
    }

    /// The text of the effective configuration. It is the view of a person with the command line:
    /// each service is given its own user and password beside it.
    pub(crate) fn effective(&self, connections: Option<&Connections>, folder: &Path) -> String {
        let mut table = self.table.clone();
        if let Some(delay) = &self.delay {
            set(section_of(&mut table, "notifier"), "delay", delay.as_str());
        }
        let mut bucket = Table::new();
        bucket.insert("name".to_owned(), "sensors".into());
        for (section, setting, value) in [
            ("notifier", "delay", DELAY.into()),
            ("notifier", "from", "Landfall <landfall@localhost>".into()),
            ("notifier", "to", vec!["you@localhost"].into()),
            ("watcher", "buckets", Value::Array(vec![bucket.into()])),
            ("service", "drain", "5s".into()),
        ] {
            let section = section_of(&mut table, section);
            section.entry(setting).or_insert(value);
        }
        let Some(connections) = connections else {
            return table.to_string();
        };
        connect(&mut table, connections, folder);
        table.to_string()
    }
}

/// Sets everything that is about where the servers are.
fn connect(table: &mut Table, connections: &Connections, folder: &Path) {
    let data = folder.join("data").to_string_lossy().into_owned();
    let nats = section_of(table, "nats");
    set(nats, "url", connections.nats.as_str());
    set(nats, "user", User::Operator.name());
    set(nats, "password", connections.operator.as_str());
    set(nats, "replicas", 1);
    nats.remove("ca_file");
    let objects = section_of(table, "objects");
    set(objects, "endpoint", connections.endpoint.as_str());
    set(objects, "access_key", connections.access_key.as_str());
    set(objects, "secret_key", connections.secret_key.as_str());
    set(objects, "region", "us-east-1");
    set(objects, "path_style", true);
    let store = section_of(table, "store");
    set(store, "kind", "sqlite");
    set(store, "folder", data);
    let watcher = section_of(table, "watcher");
    set(
        watcher,
        "listen",
        format!("127.0.0.1:{}", connections.watcher),
    );
    set(watcher, "tokens", vec![connections.token.as_str()]);
    let mut smtp = Table::new();
    set(&mut smtp, "host", "127.0.0.1");
    set(&mut smtp, "port", i64::from(connections.mail));
    set(&mut smtp, "tls", "none");
    set(section_of(table, "notifier"), "smtp", smtp);
    section_of(table, "service").remove("listen");
}

/// Reads a configuration file that must be right by itself.
fn table(file: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Config::read(file, &text, []).map_err(|wrong| wrong.to_string())?;
    text.parse()
        .map_err(|error: toml::de::Error| error.message().to_owned())
}

fn set(section: &mut Table, setting: &str, value: impl Into<Value>) {
    section.insert(setting.to_owned(), value.into());
}

/// The section's table. The configuration was read before, so it is one if it is there.
fn section_of<'a>(table: &'a mut Table, section: &str) -> &'a mut Table {
    let entry = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    if !entry.is_table() {
        *entry = Value::Table(Table::new());
    }
    match entry {
        Value::Table(section) => section,
        _ => unreachable!("it was made a table above"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    fn connections() -> Connections {
        Connections {
            nats: "nats://127.0.0.1:1".to_owned(),
            operator: "o".to_owned(),
            endpoint: "http://127.0.0.1:2".to_owned(),
            access_key: "a".to_owned(),
            secret_key: "s".to_owned(),
            mail: 3,
            watcher: 4,
            token: "t".to_owned(),
        }
    }

    fn wishes(text: &str, delay: Option<&str>) -> Wishes {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Wishes::read(Some(file.path()), delay).unwrap()
    }

    fn effective(text: &str, delay: Option<&str>) -> (Config, Vec<String>) {
        let wishes = wishes(text, delay);
        let text = wishes.effective(Some(&connections()), Path::new("/folder"));
        let config = Config::read(Path::new("x"), &text, []).unwrap();
        (config, wishes.buckets().unwrap())
    }

    #[test]
    fn without_wishes_it_watches_sensors_and_waits_ten_seconds() {
        let (config, buckets) = effective("", None);
        assert_eq!(buckets, ["sensors"]);
        assert_eq!(config.watcher.buckets[0].prefixes, ["incoming/"]);
        assert_eq!(config.notifier.delay, Duration::from_secs(10));
        assert_eq!(config.nats.user.as_deref(), Some("operator"));
        assert_eq!(config.store.folder, Path::new("/folder/data"));
    }

    #[test]
    fn profiles_and_buckets_are_kept_and_connections_are_not() {
        let (config, buckets) = effective(
            r#"
            [nats]
            url = "tls://nats.example.org"
            [objects]
            endpoint = "https://s3.example.org"
            [watcher]
            buckets = [{ name = "lab", prefixes = [""] }]
            [mover]
            target_bucket = "archive"
            [notifier]
            delay = "3s"
            to = ["lab@example.org"]
            smtp = { host = "mail.example.org", user = "u", password = "p" }
            [[profiles]]
            name = "dust"
            delimiter = ";"
            values = ["P1", "P2"]
            "#,
            None,
        );
        assert_eq!(buckets, ["archive", "lab"]);
        assert_eq!(config.profiles[0].name, "dust");
        assert_eq!(config.notifier.delay, Duration::from_secs(3));
        assert_eq!(config.notifier.to, ["lab@example.org"]);
        assert_eq!(config.notifier.smtp.host, "127.0.0.1");
        assert_eq!(config.notifier.smtp.user, None);
        assert_eq!(config.nats.url, "nats://127.0.0.1:1");
        assert_eq!(
            config.objects.endpoint.as_deref(),
            Some("http://127.0.0.1:2")
        );
    }

    #[test]
    fn what_is_set_aside_is_known_by_its_name() {
        let aside = |text| wishes(text, None).set_aside();
        assert!(aside("").is_empty());
        let kept = "[nats]\nreplicas = 1\n[notifier]\nto = [\"a@example.org\"]\n";
        assert!(aside(kept).is_empty());
        let text = r#"
            nats = { url = "tls://nats.example.org", ack_wait = "20s" }
            notifier = { delay = "3s", smtp = { host = "mail.example.org" } }
            service = { listen = "127.0.0.1:9090", slots = 3 }
        "#;
        let expected = ["nats.url", "notifier.smtp", "service.listen"];
        assert_eq!(aside(text), expected);
    }

    #[test]
    fn the_store_tells_of_what_is_watched_and_of_nothing_else() {
        let paths = |text| wishes(text, None).watched_paths().unwrap();
        assert_eq!(paths(""), ["/buckets/sensors/incoming/"]);
        let two =
            r#"watcher.buckets = [{ name = "lab", prefixes = ["a/", "b/"] }, { name = "x" }]"#;
        assert_eq!(
            paths(two),
            ["/buckets/lab/a/", "/buckets/lab/b/", "/buckets/x/incoming/"]
        );
    }

    #[test]
    fn the_command_lines_delay_goes_before_the_configurations() {
        let (config, _) = effective("notifier = { delay = \"1h\" }", Some("2s"));
        assert_eq!(config.notifier.delay, Duration::from_secs(2));
        let wrong = Wishes::read(None, Some("soon"));
        assert!(matches!(wrong, Err(Failure::Usage(_))));
    }

    #[test]
    fn a_wrong_file_is_named_with_its_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"[nats]\nurll = 1\n").unwrap();
        let Err(Failure::Usage(wrong)) = Wishes::read(Some(file.path()), None) else {
            panic!("it is accepted");
        };
        assert!(wrong.contains("urll"), "{wrong}");
        assert!(
            wrong.contains(&format!("{}:2", file.path().display())),
            "{wrong}"
        );
    }
}
