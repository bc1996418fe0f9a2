//! Reading a file: the bytes from the store, the pass over them on a thread of its own.

use bytes::Bytes;
use objects::{Body, Error, Objects};
use proto::event::Vanished;
use runtime::Trouble;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::memory::{Ask, Memory, Share};
use crate::table::{Pass, Rules, Seen, Stop, Terms, unpack};
use crate::way::Way;
use crate::writer::{Behind, Writer};

/// Plain files up to so many bytes are read on the async thread: that takes less than to hand
/// them over would, and holds nobody up.
const SMALL: u64 = 64 * 1024;
/// Pieces on their way to the pass.
const PIECES: usize = 4;

/// Where a file is read from.
pub struct Source<'a> {
    /// The store.
    pub objects: &'a Objects,
    /// The budget that all files share.
    pub memory: &'a Memory,
    /// The file, and where its bytes are.
    pub way: &'a Way,
}

/// What a pass saw, with the memory that it takes.
pub struct Held {
    /// What it saw.
    pub seen: Seen,
    _share: Share,
}

/// What is sent to a pass on another thread. The end is told, so that a read that breaks off is
/// not taken for a file that ends.
enum Piece {
    Bytes(Bytes),
    End,
}

impl Source<'_> {
    /// Reads the file from beginning to end; with a `writer`, the parts that are completed on the
    /// way are written. The last part is never written here. `Err` within `Ok`: it vanished.
    pub async fn read(
        &self,
        rules: &Rules,
        terms: &Terms,
        writer: Option<&Writer>,
    ) -> Result<Result<Held, Vanished>, Trouble> {
        for ask in [Ask::Usual, Ask::Bounded, Ask::Most] {
            match self.try_read(rules, terms, writer, ask).await {
                Ok(held) => return Ok(Ok(held)),
                Err(End::Vanished(how)) => return Ok(Err(how)),
                // What was reserved is given back by now.
                Err(End::Outgrown) => {}
                Err(End::Trouble(trouble)) => return Err(trouble),
            }
        }
        Err(Trouble::Retry {
            reason: "a file takes more memory than any may; this is an error of ingest".to_owned(),
        })
    }

    async fn try_read(
        &self,
        rules: &Rules,
        terms: &Terms,
        writer: Option<&Writer>,
        ask: Ask,
    ) -> Result<Held, End> {
        let Way { file, origin, .. } = self.way;
        let (size, at) = (file.size, &origin.at);
        let mut body = self
            .objects
            .get(&at.bucket, &at.key, &origin.version, size)
            .await?;
        let first = body.chunk().await?.unwrap_or_default();
        let gzip = first.starts_with(&unpack::MAGIC);
        // The rest stays with the store until there is memory for it.
        let share = self.memory.ask(ask, size, gzip, terms).await;
        let pass = Pass::new(rules.clone(), terms, share.room, &file.key);
        let seen = if size <= SMALL && !gzip && writer.is_none() {
            here(pass, first, &mut body).await?
        } else {
            elsewhere(pass, first, &mut body, writer.cloned()).await?
        };
        Ok(Held {
            seen,
            _share: share,
        })
    }
}

/// Runs a pass on this thread.
async fn here(mut pass: Pass, first: Bytes, body: &mut Body) -> Result<Seen, End> {
    let mut next = Some(first);
    while let Some(bytes) = next {
        if !pass.push(&bytes, &mut |_| Ok(()))? {
            break;
        }
        next = body.chunk().await?;
    }
    Ok(pass.finish(&mut |_| Ok(()))?)
}

/// Runs a pass on a thread of its own.
async fn elsewhere(
    pass: Pass,
    first: Bytes,
    body: &mut Body,
    writer: Option<Writer>,
) -> Result<Seen, End> {
    let (pieces, received) = mpsc::channel(PIECES);
    let handle = Handle::current();
    let thread = tokio::task::spawn_blocking(move || match writer {
        None => Ok(run(pass, received, |_| Ok(()))),
        Some(writer) => {
            let mut behind = Behind::new(writer, handle);
            let mut trouble = None;
            let seen = run(pass, received, |part| {
                behind.take(part).map_err(|error| {
                    trouble = Some(error);
                    Stop::Aborted
                })
            });
            trouble.map_or(Ok(()), Err)?;
            behind.finish()?;
            Ok(seen)
        }
    });
    let fed = feed(first, body, &pieces).await;
    // Without the end, a pass that still waits for more gives up.
    drop(pieces);
    let result: Result<_, Trouble> = thread.await.map_err(|error| Trouble::Retry {
        reason: format!("reading a file ended early: {error}"),
    })?;
    fed?;
    Ok(result??)
}

/// Sends the pieces of a body, until it ends or nobody wants more.
async fn feed(first: Bytes, body: &mut Body, pieces: &mpsc::Sender<Piece>) -> Result<(), End> {
    let mut next = Some(first);
    while let Some(bytes) = next {
        if pieces.send(Piece::Bytes(bytes)).await.is_err() {
            return Ok(());
        }
        next = body.chunk().await?;
    }
    // Nobody there: the pass ended before the file did.
    let _ = pieces.send(Piece::End).await;
    Ok(())
}

fn run(
    mut pass: Pass,
    mut pieces: mpsc::Receiver<Piece>,
    mut taker: impl FnMut(&mut crate::table::Part) -> Result<(), Stop>,
) -> Result<Seen, Stop> {
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Bytes(bytes)) => {
                if !pass.push(&bytes, &mut taker)? {
                    break;
                }
            }
            Some(Piece::End) => break,
            None => return Err(Stop::Aborted),
        }
    }
    drop(pieces);
    pass.finish(&mut taker)
}

/// Why a read ends without a result.
enum End {
    Vanished(Vanished),
    Outgrown,
    Trouble(Trouble),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Vanished(how) => Self::Vanished(how),
            error => Self::Trouble(error.into()),
        }
    }
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        let reason = match stop {
            Stop::Outgrown => return Self::Outgrown,
            Stop::Unreadable(reason) => reason,
            Stop::Aborted => "reading a file was broken off".to_owned(),
        };
        Self::Trouble(Trouble::Retry { reason })
    }
}
