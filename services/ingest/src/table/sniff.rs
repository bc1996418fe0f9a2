//! What a file is that is no CSV, told by its first bytes, so that it gets one clear line instead
//! of thousands of refused rows.

/// How many bytes are looked at.
pub const HEAD: usize = 512;

/// First bytes that no CSV begins with.
const MAGIC: [(&[u8], &str); 23] = [
    (b"\x1f\x8b", "gzip inside of gzip"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"BZh91AY&SY", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xff\x06\x00\x00sNaPpY", "Snappy"),
    (b"%PDF-", "PDF"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"Obj\x01", "Avro"),
    (b"ARROW1\x00", "Arrow"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"CDF\x01", "NetCDF"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x7fELF", "a program"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
];

/// First bytes that a sensor's name may have too (`PAR1` measures light): they tell something only
/// where bytes follow that no text has.
const LETTERS: [(&[u8], &str); 3] = [
    (b"PAR1", "Parquet"),
    (b"ORC", "ORC"),
    (b"GIF8", "a GIF image"),
];

/// What the first bytes of a file look like, if that is surely not CSV.
pub fn other_than_csv(head: &[u8]) -> Option<&'static str> {
    let head = &head[..head.len().min(HEAD)];
    let known = |list: &[(&[u8], &'static str)]| {
        let found = list.iter().find(|(magic, _)| head.starts_with(magic));
        found.map(|(_, what)| *what)
    };
    let letters = || {
        let text = !head.iter().any(is_control);
        known(&LETTERS).filter(|_| !text)
    };
    known(&MAGIC)
        .or_else(letters)
        .or_else(|| markup(head))
        .or_else(|| binary(head))
}

/// Markup and JSON: what comes where an error page or an export was uploaded.
fn markup(head: &[u8]) -> Option<&'static str> {
    let text = head.trim_ascii_start();
    let begins = |with: &str| {
        text.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    let second = text
        .get(1..)
        .and_then(|rest| rest.trim_ascii_start().first());
    match text.first()? {
        b'<' if begins("<!doctype html") || begins("<html") || begins("<head") => Some("HTML"),
        b'<' if begins("<?xml") || begins("<!") => Some("XML"),
        b'<' if text.windows(2).any(|two| matches!(two, b"</" | b"/>")) => Some("XML or HTML"),
        b'{' if matches!(second, Some(b'"' | b'}')) => Some("JSON"),
        b'[' if matches!(second, Some(b'{' | b'[' | b']')) => Some("JSON"),
        _ => None,
    }
}

fn binary(head: &[u8]) -> Option<&'static str> {
    let zeros = |from: usize| {
        let half = head.iter().skip(from).step_by(2);
        half.clone().filter(|byte| **byte == 0).count() * 2 > half.len()
    };
    if head.len() >= 4 && zeros(0) != zeros(1) {
        return Some("UTF-16");
    }
    // A damaged line among good ones is refused by itself; this is for what is not text at all.
    let controls = head.iter().filter(|byte| is_control(byte)).count();
    (controls >= 4 && controls * 50 > head.len()).then_some("a binary file")
}

/// Bytes that text does not have.
fn is_control(byte: &u8) -> bool {
    *byte < b' ' && !matches!(*byte, b'\t' | b'\n' | b'\r' | 0x1b)
}
