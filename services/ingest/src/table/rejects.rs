//! Refused rows: as they stood, ready to be corrected and uploaded again, and beside them a list
//! that says what is wrong with each.

use std::borrow::Cow;

use proto::event::Reject;
use runtime::text::{count, is_formula};

use super::Stop;
use super::layout::Layout;
use super::record::Record;
use super::refusal::{Reason, Refusal, shown};

/// How many refused rows an event and a mail show.
const FIRST: usize = 5;

/// First line of the list.
const COLUMNS: &str = "file,line,column,value,reason\n";

/// The refused rows of one file. Those that do not fit any more are counted, and the list's last
/// row says so: nothing is dropped in silence, and the file itself holds them all.
#[derive(Debug)]
pub struct Rejects {
    /// The file's key, as it stands in the list.
    file: String,
    most: usize,
    /// Bytes that are reserved.
    room: usize,
    header: Vec<u8>,
    rows: Vec<u8>,
    list: String,
    first: Vec<Reject>,
    /// The line of a row that takes all that follow along: the first of `first`.
    open_quote: Option<u64>,
    kept: u64,
    /// How many rows did not fit, and the line of the first.
    beyond: Option<(u64, u64)>,
}

impl Rejects {
    /// Keeps up to `most` bytes of the rows and the list of the file with this key, for `room` of
    /// which memory was reserved.
    pub fn new(key: &str, most: usize, room: usize) -> Self {
        Self {
            file: quoted(key),
            most,
            room,
            header: vec![],
            rows: vec![],
            list: String::new(),
            first: vec![],
            open_quote: None,
            kept: 0,
            beyond: None,
        }
    }

    /// Notes the header, so that the rows can be uploaded as they are.
    pub fn header(&mut self, record: &Record<'_>) {
        put_line(&mut self.header, record);
    }

    /// Notes a row. The list says more of each than many a row has bytes.
    pub fn put(
        &mut self,
        record: &Record<'_>,
        refusal: Refusal,
        layout: &Layout,
    ) -> Result<(), Stop> {
        if let Some((rows, _)) = &mut self.beyond {
            *rows += 1;
            if refusal.reason == Reason::OpenQuote {
                self.show(rejected(record, refusal, layout), refusal);
            }
            return Ok(());
        }
        let reject = rejected(record, refusal, layout);
        let entry = self.entry(&reject);
        let bytes = self.rows.len() + record.raw.len() + self.list.len() + entry.len();
        if bytes > self.most {
            self.beyond = Some((1, record.line));
        } else if bytes > self.room {
            return Err(Stop::Outgrown);
        } else {
            put_line(&mut self.rows, record);
            self.list.push_str(&entry);
            self.kept += 1;
        }
        self.show(reject, refusal);
        Ok(())
    }

    /// Keeps it among those that are shown, if there is room: what explains others goes first.
    fn show(&mut self, reject: Reject, refusal: Refusal) {
        if refusal.reason == Reason::OpenQuote {
            self.open_quote = Some(reject.line);
            self.first.insert(0, reject);
            self.first.truncate(FIRST);
        } else if self.first.len() < FIRST {
            self.first.push(reject);
        }
    }

    fn entry(&self, reject: &Reject) -> String {
        format!(
            "{},{},{},{},{}\n",
            self.file,
            reject.line,
            quoted(reject.column.as_deref().unwrap_or_default()),
            quoted(&reject.value),
            quoted(&reject.reason),
        )
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept == 0 && self.beyond.is_none()
    }

    /// The line of a row with a quote that is never closed, if there is one: the first of
    /// [`Self::first`].
    pub fn open_quote(&self) -> Option<u64> {
        self.open_quote
    }

    /// The first few, and before them one that takes the rest of the file along.
    pub fn first(&self) -> &[Reject] {
        &self.first
    }

    /// The rows with the file's header, if it had one: what is put beside the list.
    pub fn rows(&self) -> Vec<u8> {
        [&self.header[..], &self.rows].concat()
    }

    /// The list.
    pub fn list(&self) -> String {
        let mut list = format!("{COLUMNS}{}", self.list);
        if let Some((rows, line)) = self.beyond {
            let reason = format!(
                "{} refused from this line on; what is not kept here is in the file ([ingest] \
                 refused_rows)",
                match rows {
                    1 => "1 more row was".to_owned(),
                    rows => format!("{} more rows were", count(rows)),
                }
            );
            list.push_str(&format!("{},{line},,,{}\n", self.file, quoted(&reason)));
        }
        list
    }
}

fn rejected(record: &Record<'_>, refusal: Refusal, layout: &Layout) -> Reject {
    Reject {
        line: record.line,
        column: refusal.column.map(|at| layout.column(at)),
        value: shown(match refusal.column {
            Some(at) => record.cell(at),
            None => record.raw,
        }),
        reason: refusal.reason.to_string(),
    }
}

/// A row as it stood. A line feed ends it where the file had nothing or a line feed.
fn put_line(lines: &mut Vec<u8>, record: &Record<'_>) {
    lines.extend_from_slice(record.raw);
    lines.extend_from_slice(if record.crlf { b"\r\n" } else { b"\n" });
}

/// A cell of the list. What a spreadsheet would take for a formula gets an apostrophe before it.
fn quoted(cell: &str) -> String {
    let cell = if is_formula(cell) {
        Cow::from(format!("'{cell}"))
    } else {
        Cow::from(cell)
    };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.into_owned()
    }
}
