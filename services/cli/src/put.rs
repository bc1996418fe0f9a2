//! `landfall put`

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use objects::{Objects, Uploaded};
use proto::event::Location;
use proto::{Data, File, FileId, What};
use runtime::Config;
use runtime::text::{counted, size};

use crate::describe;
use crate::failure::Failure;
use crate::files::{Files, Seen};
use crate::follow;
use crate::options::{self, Until};
use crate::output::{self, plain};
use crate::vigil::Vigil;

/// Files that are under way at once.
const AT_ONCE: usize = 8;

/// Uploads files, and waits for the end of their ways if asked to.
pub(crate) async fn run(config: &Config, options: options::Put) -> Result<(), Failure> {
    let plan = plan(config, &options).map_err(Failure::Usage)?;
    // From before the first upload, so that nothing of it is missed.
    let files = match options.wait {
        Some(until) => Some((Files::connect(config).await?, until)),
        None => None,
    };
    let objects = Objects::new(&config.objects)
        .await
        .map_err(Failure::failed)?;
    let sent = upload(&objects, plan).await?;
    match files {
        Some((files, until)) => {
            let vigil = Vigil::new(files.client(), options.timeout);
            wait(&objects, files, sent, until, vigil).await
        }
        None => Ok(()),
    }
}

/// A local file and where it goes.
#[derive(Debug)]
struct Planned {
    file: PathBuf,
    size: u64,
    to: Location,
}

/// An uploaded file.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Where it is.
    pub(crate) to: Location,
    /// Which version of it.
    pub(crate) version: Uploaded,
    /// When the upload began.
    pub(crate) began: Timestamp,
}

impl Sent {
    /// Whether this is another version's `arrived` under the same key, said after the upload had
    /// begun.
    fn is_rival(&self, data: &Data, sequence: u64, position: u64) -> bool {
        let Data::Arrived(arrived) = data else {
            return false;
        };
        arrived.file.bucket == self.to.bucket
            && arrived.file.key == self.to.key
            && sequence >= position
            && !self.is(data, sequence, position)
    }

    /// Whether this will never arrive, now that `rival` has: it was uploaded over before the
    /// watcher had looked. What the store has there tells, whatever the clocks say; where that is
    /// neither of the two (moved on already), the times do.
    async fn is_lost_to(&self, rival: &File, objects: &Objects) -> bool {
        let there = objects.head(&self.to.bucket, &self.to.key).await;
        match there.ok().flatten().map(|head| head.version) {
            Some(version) if version == rival.version => true,
            Some(version) if version.etag == self.version.etag => {
                version.id != self.version.version_id
            }
            _ => rival.version.last_modified.as_second() >= self.began.as_second(),
        }
    }

    /// Whether this is its `arrived`, at `sequence` of a stream that was at `position` when the
    /// upload began. Byte-identical uploads within a second are one file, so an event just
    /// before the upload may be its own.
    pub(crate) fn is(&self, data: &Data, sequence: u64, position: u64) -> bool {
        let Data::Arrived(arrived) = data else {
            return false;
        };
        let file = &arrived.file;
        file.bucket == self.to.bucket
            && file.key == self.to.key
            && file.version.etag == self.version.etag
            && file.version.id == self.version.version_id
            && (sequence >= position
                || file.version.last_modified.as_second() >= self.began.as_second())
    }
}

fn plan(config: &Config, options: &options::Put) -> Result<Vec<Planned>, String> {
    if options.key.is_some() && options.files.len() > 1 {
        return Err("--key is for a single file".to_owned());
    }
    let (bucket, prefix) = target(config, options.bucket.as_deref())?;
    let mut plan = Vec::new();
    for file in &options.files {
        let shown = file.display();
        let about = std::fs::metadata(file).map_err(|error| format!("{shown}: {error}"))?;
        if !about.is_file() {
            return Err(format!("{shown} is not a file"));
        }
        let key = match &options.key {
            Some(key) => key.clone(),
            None => key(&prefix, file)?,
        };
        plan.push(Planned {
            file: file.clone(),
            size: about.len(),
            to: Location {
                bucket: bucket.clone(),
                key,
            },
        });
    }
    each_has_a_key_of_its_own(&plan)?;
    for Planned { to, .. } in &plan {
        if let Some(why) = unwatched(config, &to.bucket, &to.key) {
            let note = format!("{}/{}: {why}", to.bucket, plain(&to.key));
            if options.wait.is_some() {
                return Err(format!(
                    "{note}; without --wait it is uploaded all the same"
                ));
            }
            eprintln!("{note}");
        }
    }
    Ok(plan)
}

/// Of two uploads under one key, the store keeps one.
fn each_has_a_key_of_its_own(plan: &[Planned]) -> Result<(), String> {
    let mut taken: HashMap<&str, &Path> = HashMap::new();
    for Planned { file, to, .. } in plan {
        if let Some(other) = taken.insert(&to.key, file) {
            return Err(format!(
                "{} and {} would both be {}/{}: upload them one by one, each with a --key of its \
                 own",
                plain(&other.to_string_lossy()),
                plain(&file.to_string_lossy()),
                to.bucket,
                plain(&to.key)
            ));
        }
    }
    Ok(())
}

/// The bucket, and the prefix under which files arrive in it.
pub(crate) fn target(config: &Config, bucket: Option<&str>) -> Result<(String, String), String> {
    let watched = &config.watcher.buckets;
    let found = match bucket {
        None => watched.first(),
        Some(name) => watched.iter().find(|bucket| bucket.name == name),
    };
    match (found, bucket) {
        (Some(found), _) => {
            let prefix = found.prefixes.first().cloned().unwrap_or_default();
            Ok((found.name.clone(), prefix))
        }
        (None, Some(name)) => Ok((name.to_owned(), "incoming/".to_owned())),
        (None, None) => Err(
            "no bucket is watched: give --bucket, or set `watcher.buckets` in the configuration"
                .to_owned(),
        ),
    }
}

/// Why nobody takes notice of an object, if nobody does.
pub(crate) fn unwatched(config: &Config, bucket: &str, key: &str) -> Option<&'static str> {
    let watcher = &config.watcher;
    let name = key.rsplit('/').next().unwrap_or(key);
    match watcher
        .buckets
        .iter()
        .find(|watched| watched.name == bucket)
    {
        None => Some("nobody watches this bucket (`watcher.buckets`)"),
        Some(watched)
            if !watched
                .prefixes
                .iter()
                .any(|prefix| key.starts_with(prefix)) =>
        {
            Some("nobody watches this prefix (`watcher.buckets`)")
        }
        Some(_) if name.is_empty() => Some("a key that ends in `/` is no file"),
        Some(_) if watcher.ignores(bucket, key) => {
            Some("such a name is not taken for a file (`watcher.ignore`)")
        }
        Some(_) => None,
    }
}

/// Where a file goes under a prefix.
pub(crate) fn key(prefix: &str, file: &Path) -> Result<String, String> {
    let name = file.file_name().and_then(|name| name.to_str());
    match name {
        Some(name) => Ok(format!("{prefix}{name}")),
        None => Err(format!(
            "{}: the name is not UTF-8; give --key",
            file.display()
        )),
    }
}

async fn upload(objects: &Objects, plan: Vec<Planned>) -> Result<Vec<Sent>, Failure> {
    let bar = bar(plan.iter().map(|planned| planned.size).sum());
    let mut uploads = futures::stream::iter(plan)
        .map(|planned| {
            let bar = bar.clone();
            async move {
                send(objects, &planned, &bar)
                    .await
                    .map(|sent| (planned, sent))
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut all = Vec::new();
    while let Some(done) = uploads.next().await {
        let (planned, sent) = done.inspect_err(|_| bar.abandon())?;
        let line = format!(
            "{} is {}/{} ({})",
            plain(&planned.file.to_string_lossy()),
            sent.to.bucket,
            plain(&sent.to.key),
            size(planned.size)
        );
        bar.suspend(|| output::report(&line))?;
        all.push(sent);
    }
    bar.finish_and_clear();
    Ok(all)
}

async fn send(objects: &Objects, planned: &Planned, bar: &ProgressBar) -> anyhow::Result<Sent> {
    let Planned { file, size, to } = planned;
    put(objects, file, *size, to.clone(), |bytes| bar.inc(bytes)).await
}

/// Uploads one file.
pub(crate) async fn put(
    objects: &Objects,
    file: &Path,
    size: u64,
    to: Location,
    progress: impl Fn(u64),
) -> anyhow::Result<Sent> {
    let began = Timestamp::now();
    let source = tokio::fs::File::open(file)
        .await
        .with_context(|| format!("cannot read {}", file.display()))?;
    let content_type = content_type(file);
    let uploaded = objects.upload(&to, source, size, content_type, progress);
    let version = uploaded.await.map_err(|error| refused(error, &to.key))?;
    Ok(Sent { to, version, began })
}

/// Some stores take keys for paths, and say no more than 400 of those that lead elsewhere.
fn refused(error: objects::Error, key: &str) -> anyhow::Error {
    let dots = key.split('/').any(|part| part == "." || part == "..");
    match error {
        objects::Error::Refused(_) | objects::Error::BadKey(_) if dots => anyhow::anyhow!(
            "the store takes no key with `.` or `..` between its slashes: give {} another --key",
            plain(key)
        ),
        error => error.into(),
    }
}

fn content_type(file: &Path) -> Option<&'static str> {
    match file.extension()?.to_str()? {
        "csv" => Some("text/csv"),
        "gz" => Some("application/gzip"),
        _ => None,
    }
}

/// Bytes of all files; on a terminal only.
fn bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(bytes);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A file that has arrived and is waited for.
struct Way {
    key: String,
    good: bool,
    /// What happened last, and when.
    last: (What, Timestamp),
}

/// Prints what happens to the files until each has come as far as is waited for.
async fn wait(
    objects: &Objects,
    mut files: Files,
    mut sent: Vec<Sent>,
    until: Until,
    mut vigil: Vigil,
) -> Result<(), Failure> {
    let coloured = output::stdout_is_coloured();
    let position = files.position();
    let mut waiting: HashMap<FileId, Way> = HashMap::new();
    let mut well = true;
    if let Some(began) = sent.iter().map(|sent| sent.began).min() {
        let second = Timestamp::from_second(began.as_second()).unwrap_or(began);
        let rewound = vigil.outlast(files.rewind(second), || next(&sent, &waiting));
        rewound.await?;
    }
    while !sent.is_empty() || !waiting.is_empty() {
        let seen = vigil
            .outlast(files.next(), || next(&sent, &waiting))
            .await?;
        let Seen {
            event: Ok(event),
            sequence,
            stored,
            ..
        } = &seen
        else {
            continue;
        };
        let (file, _) = event.about();
        let before = sent.len();
        sent.retain(|sent| !sent.is(&event.data, *sequence, position));
        let last = (event.data.what(), *stored);
        if sent.len() < before {
            let way = Way {
                key: file.key.clone(),
                good: true,
                last,
            };
            waiting.insert(file.id, way);
        }
        let rival = |sent: &Sent| sent.is_rival(&event.data, *sequence, position);
        if let Some(found) = sent.iter().position(rival)
            && sent[found].is_lost_to(file, objects).await
        {
            let Sent { to, .. } = sent.swap_remove(found);
            let key = plain(&to.key);
            let line = format!("{key}  another version of this key arrived in its place");
            output::report(&line)?;
            well = false;
        }
        let Some(way) = waiting.get_mut(&file.id) else {
            continue;
        };
        way.good &= describe::is_good(&event.data);
        way.last = last;
        vigil.heard();
        let line = follow::line(&seen, coloured);
        output::report(&line)?;
        if is_reached(until, &event.data) {
            well &= waiting.remove(&file.id).is_none_or(|way| way.good);
        }
    }
    if well { Ok(()) } else { Err(Failure::Told) }
}

/// Whether a file has come as far as is waited for, or will not.
fn is_reached(until: Until, data: &Data) -> bool {
    describe::is_last(data)
        || match until {
            Until::Ingested => matches!(data, Data::Ingested(_) | Data::Rejected(_)),
            Until::Moved => matches!(data, Data::Moved(_)),
            Until::End => false,
        }
}

/// For what and whom some of the files wait.
fn next(sent: &[Sent], waiting: &HashMap<FileId, Way>) -> String {
    const SHOWN: usize = 3;
    let unseen = sent
        .iter()
        .map(|sent| format!("{}: nothing yet, the watcher is next", plain(&sent.to.key)));
    let seen = waiting.values().map(|way| {
        let (what, stored) = way.last;
        let whose = match what {
            What::Arrived => "ingest",
            What::Ingested | What::Rejected => "the mover",
            _ => "the notifier",
        };
        format!(
            "{}: `{}` at {}, {whose} is next",
            plain(&way.key),
            what.token(),
            describe::time_of_day(stored)
        )
    });
    let mut lines: Vec<String> = unseen.chain(seen).take(SHOWN).collect();
    let more = (sent.len() + waiting.len()).saturating_sub(SHOWN);
    if more > 0 {
        lines.push(counted(more as u64, "more file"));
    }
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let text = "[[watcher.buckets]]\nname = \"lab\"\nprefixes = [\"in/\", \"more/\"]\n";
        Config::read(Path::new("x"), text, []).unwrap()
    }

    #[test]
    fn files_go_to_the_first_prefix_of_the_first_bucket_unless_told() {
        let (bucket, prefix) = target(&config(), None).unwrap();
        assert_eq!((bucket.as_str(), prefix.as_str()), ("lab", "in/"));
        let (bucket, prefix) = target(&config(), Some("other")).unwrap();
        assert_eq!((bucket.as_str(), prefix.as_str()), ("other", "incoming/"));
        assert!(target(&Config::default(), None).is_err());
        assert_eq!(key("in/", Path::new("/a/b c.csv")).unwrap(), "in/b c.csv");
    }

    #[test]
    fn what_nobody_would_ever_take_notice_of_is_known_before() {
        let config = config();
        for (bucket, key, watched) in [
            ("lab", "in/a.csv", true),
            ("lab", "more/a/b.csv", true),
            ("lab", "processed/a.csv", false),
            ("lab", "in/a/", false),
            ("lab", "in/a.csv.tmp", false),
            ("lab", "in/.hidden", false),
            ("other", "in/a.csv", false),
        ] {
            let why = unwatched(&config, bucket, key);
            assert_eq!(why.is_none(), watched, "{bucket}/{key}: {why:?}");
        }
    }

    #[test]
    fn two_files_under_one_key_are_refused_by_both_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "x").unwrap();
            path
        };
        let put = |files: Vec<PathBuf>| options::Put {
            files,
            bucket: None,
            key: None,
            wait: None,
            timeout: None,
        };
        let (one, two, three) = (file("a/data.csv"), file("b/data.csv"), file("b/other.csv"));
        assert_eq!(
            plan(
                &config(),
                &put(vec![one.clone(), three.clone(), two.clone()])
            )
            .unwrap_err(),
            format!(
                "{} and {} would both be lab/in/data.csv: upload them one by one, each with a \
                 --key of its own",
                one.display(),
                two.display()
            )
        );
        assert_eq!(plan(&config(), &put(vec![one, three])).unwrap().len(), 2);
    }

    #[test]
    fn an_upload_knows_its_own_arrival() {
        let event = proto::example::all()
            .into_iter()
            .map(|(_, event)| event)
            .find(|event| matches!(event.data, Data::Arrived(_)))
            .unwrap();
        let (file, _) = event.about();
        let sent = |etag: &str, began: Timestamp| Sent {
            to: Location {
                bucket: file.bucket.clone(),
                key: file.key.clone(),
            },
            version: Uploaded {
                etag: etag.to_owned(),
                version_id: file.version.id.clone(),
            },
            began,
        };
        let uploaded = file.version.last_modified;
        let later = uploaded + jiff::SignedDuration::from_secs(2);
        let etag = &file.version.etag;
        assert!(sent(etag, uploaded).is(&event.data, 7, 7));
        assert!(
            sent(etag, later).is(&event.data, 7, 7),
            "a clock that goes ahead"
        );
        assert!(
            sent(etag, uploaded).is(&event.data, 6, 7),
            "one of the same second"
        );
        assert!(
            !sent(etag, later).is(&event.data, 6, 7),
            "an earlier upload"
        );
        assert!(
            !sent("other", uploaded).is(&event.data, 7, 7),
            "another content"
        );
    }
}
