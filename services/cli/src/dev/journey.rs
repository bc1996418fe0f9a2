//! One file's way through everything, shown while it happens and looked at when it has ended.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use objects::Objects;
use proto::event::{Location, MailOutcome, MoveOutcome, Report};
use proto::{Data, Event, File};
use runtime::text::counted;
use servers::mail::Mail;

use super::installation::Installation;
use super::talk::Talk;
use crate::files::{Files, Seen};
use crate::options::{self, Shape};
use crate::output::{self, plain};
use crate::put::{self, Sent};
use crate::record::Record;
use crate::{describe, sample};

/// How long a file may take, the mail's delay apart.
const PATIENCE: Duration = Duration::from_secs(180);

/// Rows of a made-up file: about an hour of four sensors.
const ROWS: u64 = 100;

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) enum Load {
    /// A made-up file.
    Sample,
    /// Somebody's own, under this key if one is given.
    File(PathBuf, Option<String>),
}

/// A file's way that has ended.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) record: Record,
    /// Whether the whole way worked; if not, why.
    pub(crate) outcome: anyhow::Result<()>,
    /// A sensor of it, where it was made up.
    pub(crate) sensor: Option<String>,
}

impl Load {
    /// A file that must be there.
    pub(crate) fn file(path: &Path, key: Option<String>) -> Result<Self, String> {
        match std::fs::metadata(path) {
            Ok(about) if about.is_file() => Ok(Self::File(path.to_owned(), key)),
            Ok(_) => Err(format!("{} is not a file", path.display())),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }
}

/// Sends a file, shows what happens to it, and looks whether all of it is true. Ends when its mail
/// has come.
pub(crate) async fn travel(
    installation: &Installation,
    load: Load,
    talk: &Talk,
) -> anyhow::Result<Journey> {
    let config = &installation.config;
    let mut files = Files::connect(config).await?;
    let objects = Objects::new(&config.objects).await?;
    let (bucket, prefix) = put::target(config, None).map_err(|wrong| anyhow!(wrong))?;
    let (path, key, sensor) = match load {
        Load::File(path, key) => (path, key, None),
        Load::Sample => {
            let (path, sensor) = make(installation)?;
            (path, None, sensor)
        }
    };
    let key = match key {
        Some(key) => key,
        None => put::key(&prefix, &path).map_err(|wrong| anyhow!(wrong))?,
    };
    if let Some(why) = put::unwatched(config, &bucket, &key) {
        bail!("{bucket}/{}: {why}", plain(&key));
    }
    let to = Location { bucket, key };
    let size = std::fs::metadata(&path)?.len();
    talk.note(&format!(
        "uploading {} ({}) to {}/{}",
        plain(&output::short(&path)),
        runtime::text::size(size),
        to.bucket,
        plain(&to.key),
    ));
    let sent = put::put(&objects, &path, size, to, |_| ()).await?;
    let deadline = config.notifier.delay + PATIENCE;
    let way = tokio::time::timeout(deadline, follow(&mut files, &sent, config, talk));
    let (record, said) = way
        .await
        .map_err(|_| anyhow!("the file's way has not ended after {deadline:?}"))??;
    let outcome = look(installation, &objects, &said, talk).await;
    Ok(Journey {
        record,
        outcome,
        sensor,
    })
}

/// Makes a file up, and names a sensor of it.
fn make(installation: &Installation) -> anyhow::Result<(PathBuf, Option<String>)> {
    let now = Timestamp::now();
    let folder = installation.folder().join("samples");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("sample-{}.csv", now.strftime("%Y%m%dT%H%M%SZ")));
    let options = options::Sample {
        seed: now.as_second().unsigned_abs(),
        rows: ROWS,
        shape: Shape::Plain,
        // The readings of the last hour.
        from: Timestamp::from_second(now.as_second() - 70 * 60)?,
        output: None,
    };
    let mut text = Vec::new();
    sample::write(&mut text, &options)?;
    std::fs::write(&path, &text)?;
    let text = String::from_utf8_lossy(&text);
    let sensor = text.lines().nth(1).and_then(|row| row.split(',').next());
    Ok((path, sensor.map(str::to_owned)))
}

/// What was said of the file, by step.
#[derive(Debug, Default)]
struct Said {
    file: Option<File>,
    events: Vec<Event>,
}

async fn follow(
    files: &mut Files,
    sent: &Sent,
    config: &runtime::Config,
    talk: &Talk,
) -> anyhow::Result<(Record, Said)> {
    let position = files.position();
    let mut record: Option<Record> = None;
    let mut said = Said::default();
    loop {
        let seen = files.next().await?;
        let Seen {
            event: Ok(event),
            sequence,
            stored,
            ..
        } = seen
        else {
            continue;
        };
        let (file, _) = event.about();
        match &mut record {
            Some(record) if record.id == file.id => record.add(&event, stored),
            None if sent.is(&event.data, sequence, position) => {
                said.file = Some(file.clone());
                record = Some(Record::begin(&event, stored));
            }
            _ => continue,
        }
        talk.note(&describe::line(&event, stored, talk.is_coloured()));
        match &event.data {
            Data::Moved(data) if data.rejected.is_none() => {
                talk.note(&waiting(config.notifier.delay));
            }
            _ => {}
        }
        let last = describe::is_last(&event.data);
        said.events.push(event);
        if last && let Some(record) = record.take() {
            return Ok((record, said));
        }
    }
}

fn waiting(delay: Duration) -> String {
    let delay = SignedDuration::try_from(delay).unwrap_or_default();
    format!("its mail goes out after {delay:#} (production's default is 10 minutes)")
}

/// Looks whether what was said is so. The first thing that is not is the error.
async fn look(
    installation: &Installation,
    objects: &Objects,
    said: &Said,
    talk: &Talk,
) -> anyhow::Result<()> {
    let file = said.file.as_ref().context("it has not arrived")?;
    let (mut report, mut destination, mut mail) = (None, None, None);
    for event in &said.events {
        match &event.data {
            Data::Ingested(data) => report = Some(&data.report),
            Data::Rejected(data) => {
                mail_of(installation, said, talk)?;
                bail!("the file was rejected: {}", plain(&data.reason));
            }
            Data::Moved(data) if data.outcome == MoveOutcome::Archived => {
                destination = data.destination.as_ref();
            }
            Data::Notified(data) if data.outcome == MailOutcome::Accepted => mail = Some(data),
            Data::Arrived(_) => {}
            data => bail!(
                "{} ({})",
                plain(&describe::happened(data)),
                data.what().token()
            ),
        }
    }
    stored(
        installation,
        file,
        report.context("it was not ingested")?,
        talk,
    )
    .await?;
    filed(
        objects,
        file,
        destination.context("it was not filed away")?,
        talk,
    )
    .await?;
    mail.context("no mail was sent")?;
    mail_of(installation, said, talk)
}

async fn stored(
    installation: &Installation,
    file: &File,
    report: &Report,
    talk: &Talk,
) -> anyhow::Result<()> {
    let readings = runtime::readings(&installation.config.store).await?;
    let count = readings.count(file.id).await?;
    ensure!(
        count == report.stored,
        "the database has {} of the file, and {} are said to be stored",
        counted(count, "reading"),
        report.stored
    );
    talk.good(&format!(
        "the database has the file's {}",
        counted(count, "reading")
    ));
    Ok(())
}

async fn filed(
    objects: &Objects,
    file: &File,
    destination: &Location,
    talk: &Talk,
) -> anyhow::Result<()> {
    let copy = objects.head(&destination.bucket, &destination.key).await?;
    let copy = copy.with_context(|| format!("{} is not there", destination.key))?;
    ensure!(
        copy.size == file.size,
        "the copy has {} of {}",
        counted(copy.size, "byte"),
        file.size
    );
    let source = objects.head(&file.bucket, &file.key).await?;
    let still = source.is_some_and(|source| source.version == file.version);
    ensure!(!still, "{} is still there", plain(&file.key));
    let (bucket, key) = (&destination.bucket, plain(&destination.key));
    talk.good(&format!("the file is {bucket}/{key}"));
    Ok(())
}

/// Shows the mail about the file.
fn mail_of(installation: &Installation, said: &Said, talk: &Talk) -> anyhow::Result<()> {
    let id = said.events.iter().find_map(|event| match &event.data {
        Data::Notified(data) => data.message_id.as_deref(),
        _ => None,
    });
    let id = id.context("its mail has no Message-ID")?;
    let is_it = |mail: &&Mail| {
        let header = mail.headers.get("Message-ID");
        header.is_some_and(|header| header.contains(id.trim_matches(['<', '>'])))
    };
    let mails = servers::mail::read(&installation.mails)?;
    let found: Vec<&Mail> = mails.iter().filter(is_it).collect();
    let [mail] = found[..] else {
        let found = counted(found.len() as u64, "mail");
        bail!("the mail server has {found} {id}, not one");
    };
    let text = installation.mails.join(format!("{:04}.txt", mail.number));
    talk.good("the mail came:");
    let shown = std::fs::read_to_string(&text)?;
    let lines: Vec<String> = shown
        .lines()
        .map(|line| format!("    {}", plain(line)))
        .collect();
    talk.block(&lines.join("\n"));
    Ok(())
}
