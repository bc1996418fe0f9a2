//! Reads the copies of ingested files again, and holds their readings against the database.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};

use anyhow::Context;
use jiff::Timestamp;
use objects::{Body, Error, Objects};
use proto::{FileId, Version};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::books::{Key, Readings, Retracted, Scratch};
use crate::event::{Counts, Place};
use crate::recount::{Counted, Recount, Stamps, Standing, standing};
use crate::table::{self, Profile, Reading};

/// What is to be counted again.
pub(crate) struct Job {
    pub(crate) file: FileId,
    pub(crate) key: String,
    /// Where it lies, which version that is, and how many bytes it has.
    pub(crate) place: Place,
    pub(crate) version: Version,
    pub(crate) size: u64,
    /// None for a file that was refused: its bytes are summed up, no more.
    pub(crate) ingested: Option<Ingested>,
}

/// How it was ingested.
pub(crate) struct Ingested {
    pub(crate) said: Counts,
    pub(crate) profile: Result<Profile, String>,
    pub(crate) latest: Timestamp,
    pub(crate) stamps: Stamps,
}

/// A file that was retracted.
pub(crate) struct Withdrawn {
    /// Of its order time.
    pub(crate) second: i64,
    /// Its copy, and each profile by which it was read, with the latest time that it took then; none
    /// where that is not known any more.
    pub(crate) read: Option<(Job, Vec<(Profile, Timestamp)>)>,
}

/// The readings of retracted files, where the database does not tell.
pub(crate) struct Withdrawals {
    /// Each with the latest order second.
    readings: Scratch,
    /// The order seconds of files whose readings are not known.
    unknown: BTreeSet<i64>,
}

/// What a count holds on to.
pub(crate) struct Counter<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) readings: &'a dyn Readings,
    /// The order time of every known file.
    pub(crate) orders: &'a HashMap<FileId, Timestamp>,
    /// How many readings in the database each file wrote.
    pub(crate) rows: &'a HashMap<FileId, crate::facts::Rows>,
    /// Order seconds of files that were retracted.
    pub(crate) retracted: &'a BTreeSet<i64>,
    /// These files, in the order of their order times.
    pub(crate) withdrawn: &'a [Withdrawn],
    /// Their readings, once they are wanted.
    pub(crate) withdrawals: OnceCell<Withdrawals>,
    pub(crate) handle: &'a Handle,
}

impl Counter<'_> {
    /// Counts one file. Blocks its thread. What cannot be read is told in the answer.
    pub(crate) fn count(&self, job: &Job) -> anyhow::Result<Recount> {
        let said = job.ingested.as_ref().map(|ingested| ingested.said.clone());
        Ok(Recount {
            said: said.unwrap_or_default(),
            counted: match self.open(job)? {
                Ok(mut copy) => {
                    let counted = self.read(job, &mut copy);
                    if let Some(away) = copy.away {
                        return Err(away.into());
                    }
                    counted?
                }
                Err(reason) => Err(reason),
            },
        })
    }

    fn open(&self, job: &Job) -> anyhow::Result<Result<Copy<'_>, String>> {
        let Place { bucket, key } = &job.place;
        let body = self.objects.get(bucket, key, &job.version, job.size);
        let body = match self.handle.block_on(body) {
            Ok(body) => body,
            Err(error @ (Error::Away(_) | Error::Denied(_))) => return Err(error.into()),
            Err(error) => return Ok(Err(error.to_string())),
        };
        Ok(Ok(Copy {
            body,
            handle: self.handle,
            piece: io::Cursor::default(),
            bytes: 0,
            sum: Sha256::new(),
            away: None,
        }))
    }

    fn read(&self, job: &Job, copy: &mut Copy<'_>) -> anyhow::Result<Result<Counted, String>> {
        let scratch = Scratch::new()?;
        let mut counted = Counted::default();
        if let Some(ingested) = &job.ingested {
            let profile = match &ingested.profile {
                Ok(profile) => profile,
                Err(reason) => return Ok(Err(reason.clone())),
            };
            let put = |reading: Reading<'_>| {
                let key = (reading.sensor, reading.metric, reading.time);
                scratch.put(key, reading.value.to_bits())
            };
            match table::read(&mut *copy, profile, &job.key, ingested.latest, put) {
                Ok(tally) => {
                    counted.accepted = tally.accepted;
                    counted.rejected = tally.rejected;
                }
                Err(error) => return Ok(Err(format!("{error:#}"))),
            }
        }
        // What follows the table's end counts as well.
        if let Err(error) = io::copy(copy, &mut io::sink()) {
            return Ok(Err(error.to_string()));
        }
        counted.bytes = copy.bytes;
        let digest = copy.sum.clone().finalize();
        counted.sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(ingested) = &job.ingested {
            self.compare(job.file, ingested.stamps, &scratch, &mut counted)?;
        }
        Ok(Ok(counted))
    }

    /// Holds every reading of the file against the database, and the other way round.
    fn compare(
        &self,
        file: FileId,
        stamps: Stamps,
        scratch: &Scratch,
        counted: &mut Counted,
    ) -> anyhow::Result<()> {
        let order = |file| self.orders.get(&file).copied();
        let mut own = 0;
        scratch.each(&mut |key, value| {
            counted.distinct += 1;
            let row = self.readings.at(key)?;
            own += u64::from(row.is_some_and(|row| row.file == file));
            let sample = match standing(file, stamps, value, row.as_ref(), order) {
                Standing::Own | Standing::Later => return Ok(()),
                // A file that came later had it, and was retracted.
                Standing::Missing if self.is_retracted(key, stamps)? => return Ok(()),
                Standing::Missing => &mut counted.missing,
                Standing::Differing => &mut counted.differing,
                Standing::Older => &mut counted.older,
                Standing::Misdated => &mut counted.misdated,
            };
            sample.add(|| match row {
                Some(row) => format!(
                    "{} is {} there and {} in the file",
                    words(key),
                    f64::from_bits(row.value),
                    f64::from_bits(value)
                ),
                None => format!("{} = {}", words(key), f64::from_bits(value)),
            });
            Ok(())
        })?;
        if self.rows.get(&file).map_or(0, |rows| rows.count) > own {
            self.readings.of(file, &mut |key| {
                if scratch.get(key)?.is_none() {
                    counted.strays.add(|| words(key));
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Counter<'_> {
    /// Whether a reading with these stamps is not there because one of a retracted file was.
    fn is_retracted(&self, key: Key<'_>, stamps: Stamps) -> anyhow::Result<bool> {
        let later = |second: i64| second * 1_000_000 + 999_999 >= stamps.first;
        Ok(match self.readings.retracted(key)? {
            Retracted::No => false,
            Retracted::At(written) => {
                let second = written.div_euclid(1_000_000);
                written >= stamps.first && self.retracted.contains(&second)
            }
            Retracted::Perhaps => {
                let withdrawals = self.withdrawals()?;
                let second = withdrawals.readings.get(key)?;
                second.is_some_and(|second| later(second.cast_signed()))
                    || withdrawals.unknown.iter().any(|second| later(*second))
            }
        })
    }

    fn withdrawals(&self) -> anyhow::Result<&Withdrawals> {
        if let Some(withdrawals) = self.withdrawals.get() {
            return Ok(withdrawals);
        }
        let mut withdrawals = Withdrawals {
            readings: Scratch::new()?,
            unknown: BTreeSet::new(),
        };
        for withdrawn in self.withdrawn {
            if !self.reread(withdrawn, &withdrawals.readings)? {
                withdrawals.unknown.insert(withdrawn.second);
            }
        }
        Ok(self.withdrawals.get_or_init(|| withdrawals))
    }

    /// Puts the readings of a retracted file in; answers whether it has all of them.
    fn reread(&self, withdrawn: &Withdrawn, into: &Scratch) -> anyhow::Result<bool> {
        let Some((job, reads)) = &withdrawn.read else {
            return Ok(false);
        };
        for (profile, latest) in reads {
            let Ok(mut copy) = self.open(job)? else {
                return Ok(false);
            };
            let put = |reading: Reading<'_>| {
                let key = (reading.sensor, reading.metric, reading.time);
                into.put(key, withdrawn.second.cast_unsigned())
            };
            let read = table::read(&mut copy, profile, &job.key, *latest, put);
            if let Some(away) = copy.away {
                return Err(away.into());
            }
            if read.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn words((sensor, metric, time): Key<'_>) -> String {
    let time = Timestamp::from_millisecond(time)
        .map_or_else(|_| format!("{time} ms"), |time| format!("{time:.3}"));
    format!(
        "{} of `{}` at {time}",
        metric.escape_debug(),
        sensor.escape_debug()
    )
}

/// A copy's bytes, for a thread that may block; sums them up on the way.
struct Copy<'a> {
    body: Body,
    handle: &'a Handle,
    piece: io::Cursor<Vec<u8>>,
    bytes: u64,
    sum: Sha256,
    /// What keeps the store from answering, if anything does: nothing to do with the copy.
    away: Option<Error>,
}

impl Read for Copy<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let next = match self.handle.block_on(self.body.chunk()) {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(0),
                Err(error) => {
                    let reason = error.to_string();
                    if matches!(error, Error::Away(_) | Error::Denied(_)) {
                        self.away = Some(error);
                    }
                    return Err(io::Error::other(reason));
                }
            };
            self.bytes += next.len() as u64;
            self.sum.update(&next);
            self.piece = io::Cursor::new(next.to_vec());
        }
    }
}

/// Reads a profile as ingest's journal keeps it.
pub(crate) fn profile(canonical: Option<&Vec<u8>>, hash: &str) -> Result<Profile, String> {
    let read = || {
        let json = canonical.context("ingest's journal does not have it")?;
        Ok::<_, anyhow::Error>(serde_json::from_slice(json)?)
    };
    read().map_err(|error| format!("its profile {hash} cannot be read: {error:#}"))
}
