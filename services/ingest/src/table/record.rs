//! CSV records out of bytes that come in pieces.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::Stop;
use super::refusal::open_quote;

/// More columns than a table has: bounds the memory of a line that is all delimiters.
const MOST_COLUMNS: usize = 65_536;

/// Cuts bytes into records. Keeps nothing but the record that is not complete yet.
#[derive(Debug)]
pub struct Records {
    csv: Reader,
    longest: usize,
    /// Cells of the record so far, unquoted, one after the other.
    cells: Vec<u8>,
    written: usize,
    /// Where each of them ends.
    ends: Vec<usize>,
    ended: usize,
    /// The record so far, as it stands in the file, where it began in an earlier piece.
    carried: Vec<u8>,
    /// Whether a record has begun.
    begun: bool,
    /// Line in which the record begins, from 1.
    line: u64,
    /// Whether the last line ended with a carriage return: a line feed then belongs to it.
    after_return: bool,
}

/// One record: a line of the file, or several where a quoted cell holds line breaks.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its first line in the file, from 1.
    pub line: u64,
    /// How many lines it takes.
    pub lines: u64,
    /// As it stands in the file, without its line end.
    pub raw: &'a [u8],
    /// Whether its line ended with a carriage return.
    pub crlf: bool,
    /// Whether the file ended inside a quote.
    pub open_quote: bool,
    cells: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    /// How many cells it has.
    pub fn width(&self) -> usize {
        self.ends.len()
    }

    /// A cell by its position from 0, unquoted, without surrounding blanks; empty if there is
    /// none.
    pub fn cell(&self, at: usize) -> &'a [u8] {
        let start = if at == 0 {
            0
        } else {
            match self.ends.get(at - 1) {
                Some(end) => *end,
                None => return &[],
            }
        };
        let end = self.ends.get(at).copied().unwrap_or(start);
        trim(&self.cells[start..end])
    }

    /// The same record, cut at another delimiter, if that makes a record of it.
    pub fn cut_at<T>(&self, delimiter: u8, read: impl Fn(&Record<'_>) -> T) -> Option<T> {
        let mut records = Records::new(delimiter, self.raw.len());
        let mut first = None;
        let mut take = |record: &Record<'_>| {
            first.get_or_insert_with(|| {
                read(&Record {
                    line: self.line,
                    ..*record
                })
            });
            Ok(())
        };
        records.push(self.raw, &mut take).ok()?;
        records.finish(&mut take).ok()?;
        first
    }

    /// Whether no cell holds anything: what spreadsheets leave below a table.
    pub fn is_blank(&self) -> bool {
        trim(self.cells).is_empty()
    }
}

/// Without surrounding blanks. Nearly every cell has none, so that is looked at first.
fn trim(cell: &[u8]) -> &[u8] {
    match (cell.first(), cell.last()) {
        (Some(first), Some(last)) if *first > b' ' && *last > b' ' => cell,
        _ => cell.trim_ascii(),
    }
}

impl Records {
    /// For cells separated by `delimiter`, and records of at most `longest` bytes.
    pub fn new(delimiter: u8, longest: usize) -> Self {
        let mut csv = ReaderBuilder::new().delimiter(delimiter).build();
        // csv-core drops a byte order mark if its first input happens to hold one whole. The mark
        // is off already; a second one must not be read differently by the way bytes were cut.
        csv.read_record(b"\n", &mut [0; 4], &mut [0; 4]);
        Self {
            csv,
            longest,
            cells: vec![0; 256],
            written: 0,
            ends: vec![0; 32],
            ended: 0,
            carried: vec![],
            begun: false,
            line: 1,
            after_return: false,
        }
    }

    /// The line that is being read.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Takes the next bytes and hands over every record that they complete.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        each: &mut impl FnMut(&Record<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        // An empty input would tell csv-core that the file ends.
        if bytes.is_empty() {
            return Ok(());
        }
        loop {
            if !self.begun {
                bytes = self.skip_line_ends(bytes);
                if bytes.is_empty() {
                    return Ok(());
                }
                self.begun = true;
            }
            let Some(taken) = self.read_one(bytes)? else {
                self.carried.extend_from_slice(bytes);
                return Ok(());
            };
            self.hand_over(&bytes[..taken], each)?;
            bytes = &bytes[taken..];
        }
    }

    /// Hands over the last record, if the file ends without a line end.
    pub fn finish(
        &mut self,
        each: &mut impl FnMut(&Record<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if !self.begun {
            return Ok(());
        }
        // A line feed ends the record, but for one inside of a quote: that it belongs to.
        let (mut beyond, mut last) = ([0; 2], [0; 2]);
        let (result, .., mut ends) = self.csv.read_record(b"\n", &mut beyond, &mut last);
        let open_quote = result != ReadRecordResult::Record;
        if open_quote {
            (_, _, _, ends) = self.csv.read_record(&[], &mut [], &mut last);
        }
        self.ends.truncate(self.ended);
        // The end of the last cell is all that was missing.
        self.ends.extend((0..ends).map(|_| self.written));
        self.ended += ends;
        let record = Record {
            line: self.line,
            lines: 1 + line_breaks(&self.carried),
            raw: &self.carried,
            crlf: false,
            open_quote,
            cells: &self.cells[..self.written],
            ends: &self.ends[..self.ended],
        };
        self.begun = false;
        each(&record)
    }

    /// Goes over line ends between records: they end the line before, or are empty lines.
    fn skip_line_ends<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut at = 0;
        loop {
            match bytes.get(at) {
                Some(b'\n') if self.after_return => self.after_return = false,
                Some(b'\n') => self.line += 1,
                Some(b'\r') => {
                    self.line += 1;
                    self.after_return = true;
                }
                Some(_) => {
                    self.after_return = false;
                    return &bytes[at..];
                }
                None => return &[],
            }
            at += 1;
        }
    }

    /// Reads on in the record that has begun. Answers how many bytes completed it, or none if it
    /// takes all of them and more.
    fn read_one(&mut self, bytes: &[u8]) -> Result<Option<usize>, Stop> {
        let mut taken = 0;
        loop {
            let (result, read, written, ended) = self.csv.read_record(
                &bytes[taken..],
                &mut self.cells[self.written..],
                &mut self.ends[self.ended..],
            );
            taken += read;
            self.written += written;
            self.ended += ended;
            let complete = result == ReadRecordResult::Record;
            if self.carried.len() + taken - usize::from(complete) > self.longest {
                return Err(self.too_long(&bytes[..taken]));
            }
            match result {
                ReadRecordResult::Record => return Ok(Some(taken)),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return Ok(None),
                ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ended >= MOST_COLUMNS => {
                    return Err(Stop::Unreadable(format!(
                        "line {} has more than {MOST_COLUMNS} columns",
                        self.line
                    )));
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    fn hand_over(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(&Record<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let whole = if self.carried.is_empty() {
            bytes
        } else {
            self.carried.extend_from_slice(bytes);
            &self.carried
        };
        let (end, raw) = whole.split_last().unwrap_or((&b'\n', &[]));
        // Without quotes, nothing but the delimiters is missing from the cells.
        let quoted = self.written + self.ended - 1 != raw.len();
        let lines = 1 + if quoted { line_breaks(raw) } else { 0 };
        let record = Record {
            line: self.line,
            lines,
            raw,
            crlf: *end == b'\r',
            open_quote: false,
            cells: &self.cells[..self.written],
            ends: &self.ends[..self.ended],
        };
        let answer = each(&record);
        self.line += lines;
        self.after_return = *end == b'\r';
        (self.written, self.ended, self.begun) = (0, 0, false);
        self.carried.clear();
        answer
    }

    /// Only in a quote does a record go on in the next line.
    fn too_long(&self, bytes: &[u8]) -> Stop {
        let (line, longest) = (self.line, self.longest);
        let bytes = &bytes[..longest - self.carried.len()];
        let quoted = line_breaks(&self.carried) + line_breaks(bytes) > 0;
        Stop::Unreadable(if quoted {
            let quote = open_quote(line);
            format!("{quote}, or not within {longest} bytes ([ingest] longest_line)")
        } else {
            format!("line {line} is longer than {longest} bytes ([ingest] longest_line)")
        })
    }
}

/// Line breaks inside of a record, as an editor counts them.
fn line_breaks(raw: &[u8]) -> u64 {
    let mut breaks = 0;
    let mut after_return = false;
    for byte in raw {
        breaks += u64::from(*byte == b'\r' || (*byte == b'\n' && !after_return));
        after_return = *byte == b'\r';
    }
    breaks
}
