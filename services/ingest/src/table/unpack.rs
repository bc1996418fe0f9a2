//! Plain bytes out of an object's bytes: unpacks gzip, which is told by its first two bytes and
//! not by the object's name.

use flate2::{Decompress, FlushDecompress, Status};

use super::Stop;

/// What gzip begins with.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Unpacked bytes at a time.
const PIECE: usize = 64 * 1024;

/// Unpacks what it is given, however that was cut.
#[derive(Debug)]
pub struct Unpack {
    state: State,
    /// Unpacked bytes that are too many.
    most: u64,
}

#[derive(Debug)]
enum State {
    /// Too few bytes yet to tell.
    Unknown(Vec<u8>),
    Plain,
    Gzip(Box<Gzip>),
}

#[derive(Debug)]
struct Gzip {
    inflate: Decompress,
    piece: Vec<u8>,
    /// Whether a member is complete, and no other has begun.
    between: bool,
    members: u64,
    /// Bytes handed over: never more than may be.
    unpacked: u64,
}

impl Unpack {
    /// Gives up where gzip unpacks to more than `most` bytes.
    pub fn new(most: u64) -> Self {
        Self {
            state: State::Unknown(vec![]),
            most,
        }
    }

    /// Whether the bytes so far are gzip.
    pub fn is_gzip(&self) -> bool {
        matches!(self.state, State::Gzip(_))
    }

    /// Takes the next bytes and hands over what they unpack to.
    pub fn push(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match &mut self.state {
            State::Plain => each(bytes),
            State::Gzip(gzip) => gzip.push(bytes, self.most, each),
            State::Unknown(head) => {
                head.extend_from_slice(bytes);
                if head.len() < MAGIC.len() {
                    return Ok(());
                }
                let head = std::mem::take(head);
                self.state = if head.starts_with(&MAGIC) {
                    State::Gzip(Box::new(Gzip::new()))
                } else {
                    State::Plain
                };
                self.push(&head, each)
            }
        }
    }

    /// Hands over what is left, and checks that nothing is missing.
    pub fn finish(&mut self, each: &mut impl FnMut(&[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
        match &mut self.state {
            State::Unknown(head) => each(&std::mem::take(head)),
            State::Plain => Ok(()),
            State::Gzip(gzip) if gzip.between => Ok(()),
            State::Gzip(_) => Err(unreadable(
                "its gzip data ends too early: the file was cut off, upload it again",
            )),
        }
    }
}

impl Gzip {
    fn new() -> Self {
        Self {
            inflate: Decompress::new_gzip(15),
            piece: vec![0; PIECE],
            between: false,
            members: 0,
            unpacked: 0,
        }
    }

    fn push(
        &mut self,
        mut bytes: &[u8],
        most: u64,
        each: &mut impl FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        loop {
            if self.between {
                match bytes.first() {
                    None => return Ok(()),
                    Some(first) if *first != MAGIC[0] => return Err(trailing()),
                    Some(_) => self.inflate.reset(true),
                }
                self.between = false;
            }
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let result = self
                .inflate
                .decompress(bytes, &mut self.piece, FlushDecompress::None);
            let taken = usize::try_from(self.inflate.total_in() - read).unwrap_or(bytes.len());
            let filled = usize::try_from(self.inflate.total_out() - written).unwrap_or(PIECE);
            bytes = &bytes[taken..];
            // However the bytes are cut, all that comes before an error is handed over.
            let room = usize::try_from(most - self.unpacked).unwrap_or(usize::MAX);
            let kept = filled.min(room);
            self.unpacked += kept as u64;
            each(&self.piece[..kept])?;
            if kept < filled {
                return Err(Stop::Unreadable(format!(
                    "its gzip data unpacks to more than {most} bytes, which is too many for its \
                     size ([ingest] gzip_ratio, [ingest] unpacked)"
                )));
            }
            let status = result.map_err(|_| self.damaged())?;
            if status == Status::StreamEnd {
                self.between = true;
                self.members += 1;
            } else if bytes.is_empty() && filled < self.piece.len() || taken == 0 && filled == 0 {
                return Ok(());
            }
        }
    }

    fn damaged(&self) -> Stop {
        if self.members > 0 && self.inflate.total_out() == 0 {
            trailing()
        } else {
            unreadable("its gzip data is damaged: upload the file again")
        }
    }
}

fn trailing() -> Stop {
    unreadable("other bytes follow the end of its gzip data")
}

fn unreadable(reason: &str) -> Stop {
    Stop::Unreadable(reason.to_owned())
}
