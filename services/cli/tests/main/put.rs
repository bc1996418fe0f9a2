use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use objects::{Head, Objects};
use proto::event::{
    Arrived, DeadLetter, Failed, FoundBy, Ingested, Location, MailOutcome, MoveOutcome, Moved,
    Notified, Report,
};
use proto::{Data, File, User, Version};
use runtime::Config;
use servers::SeaweedFs;
use servers::seaweedfs::Options;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::landfall::{Place, file, landfall, run, stderr, stdout};

struct Storage {
    place: Place,
    objects: Objects,
    _store: SeaweedFs,
    _folder: TempDir,
}

impl Storage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            buckets: vec!["sensors".to_owned()],
            ..Options::default()
        };
        let store = SeaweedFs::start(folder.path(), options).await.unwrap();
        let more = format!(
            "[objects]\nendpoint = \"{}\"\naccess_key = \"{}\"\nsecret_key = \"{}\"\n\
             [[watcher.buckets]]\nname = \"sensors\"\n",
            store.endpoint(),
            store.access_key(),
            store.secret_key()
        );
        let place = Place::new(&more).await;
        let config = Config::load(Some(&place.config)).unwrap();
        Self {
            objects: Objects::new(&config.objects).await.unwrap(),
            place,
            _store: store,
            _folder: folder,
        }
    }

    fn folder(&self) -> &Path {
        self.place.folder.path()
    }

    fn put(&self, arguments: &[&str]) -> JoinHandle<Output> {
        let folder = self.folder().to_owned();
        let mut all = vec!["put".to_owned()];
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        tokio::spawn(async move {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            run(&folder, &all).await
        })
    }

    /// Waits until an object is there.
    async fn appears(&self, key: &str) -> Head {
        let looking = async {
            loop {
                if let Some(head) = self.objects.head("sensors", key).await.unwrap() {
                    return head;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), looking)
            .await
            .expect("it appears")
    }

    async fn arrives(&self, key: &str) -> File {
        let head = self.appears(key).await;
        let file = file(key, head.version, head.size);
        let arrived = Arrived {
            file: file.clone(),
            replay: 0,
            found_by: FoundBy::Notification,
        };
        self.place.say(User::Watcher, Data::Arrived(arrived)).await;
        file
    }
}

#[tokio::test]
async fn a_file_larger_than_a_part_arrives_byte_for_byte() {
    let storage = Storage::new().await;
    // Two parts and a piece, of which no two bytes' neighbourhoods are alike.
    let content: Vec<u8> = (0..9_000_000u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(storage.folder().join("large.bin"), &content).unwrap();
    let output = storage
        .put(&["large.bin", "--key", "elsewhere/l a+ü.bin"])
        .await
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "large.bin is sensors/elsewhere/l a+ü.bin (36.0 MB)\n"
    );
    assert!(
        stderr(&output).contains("nobody watches this prefix"),
        "{}",
        stderr(&output)
    );
    let key = "elsewhere/l a+ü.bin";
    let head = storage.appears(key).await;
    let body = storage
        .objects
        .get("sensors", key, &head.version, head.size)
        .await;
    let (mut body, mut read) = (body.unwrap(), Vec::new());
    while let Some(bytes) = body.chunk().await.unwrap() {
        read.extend_from_slice(&bytes);
    }
    assert!(read == content, "{} bytes of {}", read.len(), content.len());
}

#[tokio::test]
async fn it_waits_until_every_file_has_ended_well() {
    let storage = Storage::new().await;
    std::fs::write(storage.folder().join("a.csv"), "a").unwrap();
    std::fs::write(storage.folder().join("b.csv"), "b").unwrap();
    let put = storage.put(&["a.csv", "b.csv", "--wait"]);
    let say = |user, data| storage.place.say(user, data);
    for key in ["incoming/b.csv", "incoming/a.csv"] {
        let file = storage.arrives(key).await;
        assert!(!put.is_finished());
        let report = Report {
            read: 7,
            stored: 7,
            ..Report::default()
        };
        let ingested = Ingested {
            file: file.clone(),
            replay: 0,
            report: report.clone(),
            replayed: None,
        };
        say(User::Ingest, Data::Ingested(ingested)).await;
        let destination = Location {
            bucket: "sensors".to_owned(),
            key: format!("processed/{key}"),
        };
        let moved = Moved {
            file: file.clone(),
            replay: 0,
            outcome: MoveOutcome::Archived,
            destination: Some(destination),
            rejected: None,
            report,
            replayed: None,
        };
        say(User::Mover, Data::Moved(moved)).await;
        let notified = Notified {
            file,
            replay: 0,
            outcome: MailOutcome::Nobody,
            route: None,
            message_id: None,
            receivers: vec![],
            answer: None,
            tries: 0,
        };
        say(User::Notifier, Data::Notified(notified)).await;
    }
    let output = put.await.unwrap();
    let said = stdout(&output);
    assert!(output.status.success(), "{said}{}", stderr(&output));
    for line in [
        "ingested   incoming/a.csv  7 readings stored",
        "moved      incoming/a.csv  to sensors/processed/incoming/a.csv",
        "notified   incoming/b.csv  no route wants a mail",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[tokio::test]
async fn it_waits_no_longer_than_it_is_told_to_and_says_what_for() {
    let storage = Storage::new().await;
    std::fs::write(storage.folder().join("a.csv"), "a").unwrap();
    std::fs::write(storage.folder().join("b.csv"), "b").unwrap();
    let put = storage.put(&["a.csv", "--wait=ingested"]);
    let file = storage.arrives("incoming/a.csv").await;
    let report = Report {
        read: 1,
        stored: 1,
        ..Report::default()
    };
    let ingested = Ingested {
        file,
        replay: 0,
        report,
        replayed: None,
    };
    let said = Data::Ingested(ingested);
    storage.place.say(User::Ingest, said).await;
    let output = put.await.unwrap();
    let said = stdout(&output);
    assert!(output.status.success(), "{said}{}", stderr(&output));
    assert!(said.contains("1 reading stored"), "{said}");

    let put = storage.put(&["b.csv", "--wait", "--timeout", "2s"]);
    storage.arrives("incoming/b.csv").await;
    let output = put.await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let said = stderr(&output);
    assert!(
        said.starts_with("landfall: waited for 2s: incoming/b.csv: `arrived` at "),
        "{said}"
    );
    assert!(said.ends_with(", ingest is next\n"), "{said}");

    let output = storage.put(&["b.csv", "--timeout", "2s"]).await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[tokio::test]
async fn a_file_that_fails_ends_it_with_1() {
    let storage = Storage::new().await;
    std::fs::write(storage.folder().join("a.csv"), "a").unwrap();
    let put = storage.put(&["a.csv", "--wait"]);
    let file = storage.arrives("incoming/a.csv").await;
    let failed = Failed {
        file,
        replay: 0,
        step: User::Ingest,
        reason: "it is too hot".to_owned(),
        dead_letter: DeadLetter {
            stream: "DEAD".to_owned(),
            sequence: 3,
        },
        replayed: None,
    };
    storage.place.say(User::Ingest, Data::Failed(failed)).await;
    let output = put.await.unwrap();
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = "failed     incoming/a.csv  ingest gave up: it is too hot (dead letter 3 in DEAD)";
    assert!(said.contains(line), "{said}");
}

#[tokio::test]
async fn a_file_that_was_uploaded_over_before_it_arrived_ends_it_with_1() {
    let storage = Storage::new().await;
    std::fs::write(storage.folder().join("a.csv"), "a").unwrap();
    let put = storage.put(&["a.csv", "--wait"]);
    let first = storage.appears("incoming/a.csv").await;
    // What came before it under its key is no rival.
    let older = Version::new("older", Timestamp::UNIX_EPOCH, None);
    let before = Arrived {
        file: file("incoming/a.csv", older, 1),
        replay: 0,
        found_by: FoundBy::Sweep,
    };
    storage
        .place
        .say(User::Watcher, Data::Arrived(before))
        .await;
    let at = Location {
        bucket: "sensors".to_owned(),
        key: "incoming/a.csv".to_owned(),
    };
    let other = Bytes::from_static(b"other");
    let none = BTreeMap::new();
    storage.objects.put(&at, other, None, &none).await.unwrap();
    let second = storage.arrives("incoming/a.csv").await;
    assert_ne!(first.version, second.version);
    let output = put.await.unwrap();
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = "incoming/a.csv  another version of this key arrived in its place\n";
    assert_eq!(said.matches(line).count(), 1, "{said}");
}

#[tokio::test]
async fn who_stops_reading_does_not_keep_a_file_from_its_upload() {
    let storage = Storage::new().await;
    let names: Vec<String> = (0..30).map(|number| format!("{number}.csv")).collect();
    for name in &names {
        std::fs::write(storage.folder().join(name), name).unwrap();
    }
    let mut arguments = vec!["put"];
    arguments.extend(names.iter().map(String::as_str));
    let mut command = landfall(storage.folder(), &arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    assert!(ended.await.unwrap().success());
    for name in &names {
        let key = format!("incoming/{name}");
        let there = storage.objects.head("sensors", &key).await.unwrap();
        assert!(there.is_some(), "{key}");
    }
}

#[tokio::test]
async fn a_key_that_the_store_takes_for_a_path_elsewhere_is_refused_in_words() {
    let storage = Storage::new().await;
    std::fs::write(storage.folder().join("a.csv"), "a").unwrap();
    for key in ["incoming/../x.csv", "incoming/./x.csv"] {
        let output = storage.put(&["a.csv", "--key", key]).await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = format!(
            "landfall: the store takes no key with `.` or `..` between its slashes: give {key} \
             another --key\n"
        );
        assert_eq!(stderr(&output), said);
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let storage = Storage::new().await;
    std::fs::write(storage.folder().join("a.csv"), "a").unwrap();
    let output = storage
        .put(&["a.csv", "--bucket", "nothere"])
        .await
        .unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no bucket `nothere`"), "{said}");
}
