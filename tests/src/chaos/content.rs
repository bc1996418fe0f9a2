//! What is uploaded.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::sample;

/// Files of one run share a few sensors, and all begin at the same time: so they hold the same
/// readings with other values, and which of them win depends on the order of the uploads.
const SENSORS: u64 = 5;

/// How the files of the run are read.
pub(super) const PROFILE: &str =
    "[[profiles]]\nname = \"chaos\"\nvalues = [\"value\"]\nbudget = \"5%\"";

/// The content of one upload. `number` tells it from every other of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(super) number: u64,
    pub(super) rows: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Good,
    /// One row of it cannot be taken, which its profile allows.
    OneBadRow,
    /// Too many of its rows cannot.
    Broken,
    Gzip,
    /// It ends before its gzip does.
    HalfGzip,
    /// No text at all.
    Noise,
    Empty,
}

impl Content {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let sensor = format!("chaos-{}", self.number % SENSORS);
        #[expect(clippy::cast_precision_loss, reason = "there are not that many")]
        let first = self.number as f64;
        let mut text = sample::csv(&sensor, self.rows, first);
        match self.kind {
            Kind::Good => {}
            Kind::OneBadRow => text += &format!("{sensor},yesterday,{}\n", self.number),
            Kind::Broken => {
                for row in 0..self.rows {
                    text += &format!("{sensor},no time {row},{}\n", self.number);
                }
            }
            Kind::Gzip => return gzip(&text),
            Kind::HalfGzip => {
                let mut bytes = gzip(&text);
                bytes.truncate(bytes.len() / 2);
                return bytes;
            }
            Kind::Noise => {
                let mut random = fastrand::Rng::with_seed(self.number);
                return (0..4 * self.rows).map(|_| random.u8(..)).collect();
            }
            Kind::Empty => return vec![],
        }
        text.into_bytes()
    }
}

impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {} ({} rows)", self.kind, self.number, self.rows)
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(text.as_bytes());
    let whole = written.and_then(|()| encoder.finish());
    whole.expect("a vector can be written to")
}
