//! Running the command, and an installation for it to meet.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jiff::Timestamp;
use proto::event::{Arrived, FoundBy};
use proto::{Data, Event, File, FileId, User, Version, subject};
use runtime::Config;
use servers::{Nats, nats};
use tempfile::TempDir;

/// The command, in a folder of its own and with nothing of this process's settings.
pub(crate) fn landfall(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LANDFALL_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).args(arguments);
    command
}

/// Runs it to its end.
pub(crate) async fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = landfall(folder, arguments);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

/// What it printed to standard output.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it printed to standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// NATS with its streams, and `landfall.toml` in a folder.
pub(crate) struct Place {
    pub(crate) nats: Nats,
    pub(crate) config: PathBuf,
    pub(crate) folder: TempDir,
}

impl Place {
    /// As an operator sees it; `more` is added to the configuration.
    pub(crate) async fn new(more: &str) -> Self {
        let place = Self::bare(User::Operator, more).await;
        let text = place.configuration(User::Setup, more);
        runtime::setup(&Config::read(&place.config, &text, []).unwrap())
            .await
            .unwrap();
        place
    }

    /// As `user` sees it, and nothing is set up.
    pub(crate) async fn bare(user: User, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nats");
        let nats = Nats::start(&path, nats::Options::default()).await;
        let place = Self {
            nats: nats.unwrap(),
            config: folder.path().join("landfall.toml"),
            folder,
        };
        std::fs::write(&place.config, place.configuration(user, more)).unwrap();
        place
    }

    fn configuration(&self, user: User, more: &str) -> String {
        format!(
            "{more}\n[nats]\nurl = \"{}\"\nuser = \"{user}\"\npassword = \"{}\"\n[store]\nfolder = \"{}\"\n",
            self.nats.url(),
            self.nats.password(user).unwrap(),
            self.folder.path().join("data").display(),
        )
    }

    /// Says what `user` would say; answers when that is stored.
    pub(crate) async fn say(&self, user: User, data: Data) -> u64 {
        let password = self.nats.password(user).unwrap().to_owned();
        let client = async_nats::ConnectOptions::with_user_and_password(user.to_string(), password)
            .custom_inbox_prefix(user.inbox())
            .connect(self.nats.url())
            .await
            .unwrap();
        let event = Event::new(user, data, Timestamp::now());
        let (file, _) = event.about();
        let subject = subject::files(file.id, event.data.what(), &file.profile);
        let payload = serde_json::to_vec(&event).unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let stored = jetstream.publish(subject, payload.into()).await.unwrap();
        stored.await.unwrap().sequence
    }
}

/// A file as the watcher describes it.
pub(crate) fn file(key: &str, version: Version, size: u64) -> File {
    File {
        id: FileId::of("sensors", key, &version),
        bucket: "sensors".to_owned(),
        key: key.to_owned(),
        order: version.last_modified,
        version,
        size,
        content_type: None,
        content_encoding: None,
        profile: "default".to_owned(),
    }
}

pub(crate) fn arrived(key: &str) -> Data {
    let version = Version::new("abc", Timestamp::now(), None);
    Data::Arrived(Arrived {
        file: file(key, version, 1_234),
        replay: 0,
        found_by: FoundBy::Notification,
    })
}
