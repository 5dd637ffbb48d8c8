//! CSV, RFC 4180: a header line, fields in quotes where needed, a quote doubled in quotes.
//!
//! Our own splitter, because it must know what others forget: the line of every row, whether a field was quoted (a
//! quoted text is never null), a quote that is never closed. A line ends with LF, CRLF or CR; empty lines are
//! skipped, unless there is only one column.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};

use asof_model::Result;

use super::{MAX_RECORD, Raw, Reader, Texts, file, row};
use crate::failure::of_file;
use crate::ingest::infer::Seen;
use crate::ingest::refusal::{Refusal, Row};
use crate::ingest::source::Piece;
use crate::ingest::survey::{Candidate, FileColumns};

/// The most bytes of text in a batch.
const BATCH_BYTES: usize = 4 << 20;

pub(super) fn survey(piece: &Piece, separator: u8, null: &[String], types: bool) -> Result<FileColumns> {
    let mut csv = open(piece, separator, null, 1)?;
    let mut seen = vec![Seen::default(); csv.header.len()];
    let mut rows = None;
    if types {
        while csv.records.next()? {
            csv.records.check_fields(csv.header.len())?;
            for (index, seen) in seen.iter_mut().enumerate() {
                if let Some(text) = csv.records.value(index, &csv.header, &csv.null)? {
                    seen.text(text);
                }
            }
        }
        rows = Some(csv.records.row);
    }
    let columns = csv.header.into_iter().zip(seen.into_iter().map(Candidate::Texts)).collect();
    Ok(FileColumns { file: piece.shown.clone(), columns, rows })
}

pub(super) fn open(piece: &Piece, separator: u8, null: &[String], batch: usize) -> Result<CsvReader> {
    buffered(piece, separator, null, batch, 1 << 16)
}

/// With so many bytes read at once, which must make no difference.
fn buffered(piece: &Piece, separator: u8, null: &[String], batch: usize, bytes: usize) -> Result<CsvReader> {
    let mut records = Records::new(piece, separator, bytes)?;
    let empty = || Refusal::Unreadable { file: piece.shown.clone(), why: "is empty, not even a header".to_owned() };
    if !records.next()? {
        return Err(empty().into());
    }
    records.row = 0;
    let header = (0..records.fields.len())
        .map(|index| Ok(records.text(index, &[])?.trim().to_owned()))
        .collect::<Result<Vec<_>, Refusal>>()?;
    records.single = header.len() == 1;
    let texts = Texts::new(header.len());
    Ok(CsvReader { records, header, null: null.to_vec(), texts, batch })
}

pub(super) struct CsvReader {
    records: Records,
    header: Vec<String>,
    null: Vec<String>,
    texts: Texts,
    batch: usize,
}

impl Reader for CsvReader {
    fn next(&mut self) -> Result<Option<Raw>> {
        while self.texts.rows() < self.batch && self.texts.bytes() < BATCH_BYTES && self.records.next()? {
            self.records.check_fields(self.header.len())?;
            for (index, column) in self.texts.columns.iter_mut().enumerate() {
                column.append_option(self.records.value(index, &self.header, &self.null)?);
            }
            self.texts.lines.push(self.records.line);
        }
        Ok(if self.texts.rows() == 0 { None } else { Some(self.texts.take()) })
    }
}

/// Where a field ends in the record's bytes, and whether it was quoted.
#[derive(Clone, Copy)]
struct Field {
    end: usize,
    quoted: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Before the first byte of a field.
    Start,
    Plain,
    Quoted,
    /// After a quote within quotes: the end of the field, or half of a doubled quote.
    Quote,
}

/// What to do with a byte.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Keep,
    Skip,
    /// A quote opens a field.
    Open,
    /// A quote closes it, unless another one follows.
    Close,
    EndField,
    EndRecord,
    Wrong,
}

impl State {
    fn step(self, byte: u8, newline: bool, separator: u8) -> Step {
        match self {
            State::Quoted if byte == b'"' => Step::Close,
            State::Quoted => Step::Keep,
            // The second of a doubled quote is the text's.
            State::Quote if byte == b'"' => Step::Keep,
            State::Start if byte == b'"' => Step::Open,
            _ if newline => Step::EndRecord,
            _ if byte == separator => Step::EndField,
            State::Quote => Step::Wrong,
            State::Start | State::Plain => Step::Keep,
        }
    }
}

/// The records of a file, one at a time.
struct Records {
    input: BufReader<File>,
    piece: Piece,
    separator: u8,
    /// The bytes of all fields of the record, one after the other.
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// The data row, from 1.
    row: u64,
    /// The line where the record begins, from 1.
    line: u64,
    next_line: u64,
    /// The last byte was a CR that ended a line: an LF that follows belongs to it.
    after_cr: bool,
    /// There is one column, so an empty line is a null.
    single: bool,
}

impl Records {
    fn new(piece: &Piece, separator: u8, bytes: usize) -> Result<Self> {
        let mut file = file(piece)?;
        let mut mark = [0; 3];
        let marked = file.read_exact(&mut mark).is_ok() && mark == *b"\xef\xbb\xbf";
        if !marked {
            file.rewind().map_err(of_file(&piece.path))?;
        }
        let input = BufReader::with_capacity(bytes, file);
        Ok(Records {
            input,
            piece: piece.clone(),
            separator,
            bytes: Vec::new(),
            fields: Vec::new(),
            row: 0,
            line: 1,
            next_line: 1,
            after_cr: false,
            single: false,
        })
    }

    /// Moves to the next record; false at the end.
    fn next(&mut self) -> Result<bool> {
        loop {
            if !self.advance()? {
                return Ok(false);
            }
            let blank = self.bytes.is_empty() && self.fields.len() == 1 && !self.fields[0].quoted;
            if !blank || self.single {
                self.row += 1;
                return Ok(true);
            }
        }
    }

    fn advance(&mut self) -> Result<bool> {
        self.bytes.clear();
        self.fields.clear();
        self.line = self.next_line;
        let (mut state, mut quoted, mut any) = (State::Start, false, false);
        loop {
            let chunk = self.input.fill_buf().map_err(of_file(&self.piece.path))?;
            if chunk.is_empty() {
                return match state {
                    State::Quoted => Err(self.malformed("a quote is never closed").into()),
                    _ if !any => Ok(false),
                    _ => {
                        self.fields.push(Field { end: self.bytes.len(), quoted });
                        Ok(true)
                    }
                };
            }
            // Bytes are kept in runs: `from` is where the run that is not copied yet begins.
            let (mut used, mut from, mut ended, mut wrong) = (chunk.len(), 0, false, None);
            for (at, &byte) in chunk.iter().enumerate() {
                let newline = byte == b'\n' || byte == b'\r';
                if state == State::Plain && byte != self.separator && !newline {
                    continue;
                }
                let step = if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                    // The other half of a line's end, which only counts where it is part of a text.
                    if state == State::Quoted { Step::Keep } else { Step::Skip }
                } else {
                    if newline {
                        self.next_line += 1;
                        self.after_cr = byte == b'\r';
                    }
                    state.step(byte, newline, self.separator)
                };
                any |= step != Step::Skip;
                if step == Step::Keep {
                    if state == State::Start {
                        state = State::Plain;
                    } else if state == State::Quote {
                        state = State::Quoted;
                    }
                    continue;
                }
                self.bytes.extend_from_slice(&chunk[from..at]);
                from = at + 1;
                match step {
                    Step::Keep | Step::Skip => {}
                    Step::Open => (state, quoted) = (State::Quoted, true),
                    Step::Close => state = State::Quote,
                    Step::EndField => {
                        self.fields.push(Field { end: self.bytes.len(), quoted });
                        (state, quoted) = (State::Start, false);
                    }
                    Step::EndRecord => {
                        self.fields.push(Field { end: self.bytes.len(), quoted });
                        ended = true;
                    }
                    Step::Wrong => wrong = Some("text after a closing quote"),
                }
                if ended || wrong.is_some() {
                    used = at + 1;
                    break;
                }
            }
            if !ended && wrong.is_none() {
                self.bytes.extend_from_slice(&chunk[from..]);
            }
            self.input.consume(used);
            if self.bytes.len() > MAX_RECORD {
                wrong = Some("the record is longer than 16 MiB: is a quote never closed?");
            }
            if let Some(why) = wrong {
                return Err(self.malformed(why).into());
            }
            if ended {
                return Ok(true);
            }
        }
    }

    fn malformed(&self, why: &str) -> Refusal {
        // The record that is being read, which is not counted yet.
        Refusal::Malformed { at: row(&self.piece.shown, self.row + 1, self.line), why: why.to_owned() }
    }

    fn at(&self) -> Row {
        row(&self.piece.shown, self.row, self.line)
    }

    fn check_fields(&self, expected: usize) -> Result<(), Refusal> {
        match self.fields.len() {
            found if found == expected => Ok(()),
            found => Err(Refusal::Fields { at: self.at(), found, expected }),
        }
    }

    /// The text of a field.
    fn text(&self, index: usize, header: &[String]) -> Result<&str, Refusal> {
        let start = index.checked_sub(1).map_or(0, |before| self.fields[before].end);
        std::str::from_utf8(&self.bytes[start..self.fields[index].end])
            .map_err(|_| Refusal::NotUtf8 { at: self.at(), column: header.get(index).cloned() })
    }

    /// The value of a field: null where it is empty or says so, unquoted.
    fn value(&self, index: usize, header: &[String], null: &[String]) -> Result<Option<&str>, Refusal> {
        let text = self.text(index, header)?;
        let is_null = !self.fields[index].quoted && (text.is_empty() || null.iter().any(|n| n == text));
        Ok((!is_null).then_some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::source::Encoding;
    use std::io::Write as _;

    /// The line of a record, and its values.
    type Record<'a> = (u64, &'a [Option<&'a str>]);

    /// All records, or the message of the error.
    fn check(content: &[u8], expected: Result<&[Record<'_>], &str>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let piece = Piece { shown: "a.csv".into(), path: file.path().into(), encoding: Encoding::Csv(b','), source: 0 };
        let read = |bytes| -> Result<Vec<(u64, Vec<Option<String>>)>> {
            let mut csv = buffered(&piece, b',', &["NA".to_owned()], 2, bytes)?;
            let mut all = Vec::new();
            while csv.records.next()? {
                csv.records.check_fields(csv.header.len())?;
                let values = (0..csv.header.len())
                    .map(|i| Ok(csv.records.value(i, &csv.header, &csv.null)?.map(str::to_owned)))
                    .collect::<Result<_>>()?;
                all.push((csv.records.line, values));
            }
            Ok(all)
        };
        let expected = expected.map_err(str::to_owned).map(|rows| {
            rows.iter().map(|(line, values)| (*line, values.iter().map(|v| v.map(str::to_owned)).collect())).collect()
        });
        for bytes in [1, 2, 3, 5, 1 << 16] {
            let found = read(bytes).map_err(|e| e.message().to_owned());
            assert_eq!(found, expected, "{} in pieces of {bytes}", String::from_utf8_lossy(content));
        }
    }

    #[test]
    fn records_are_split_as_rfc_4180_says() {
        check(b"a,b\n1,2\n", Ok(&[(2, &[Some("1"), Some("2")])]));
        check(b"\xef\xbb\xbfa,b\r\n1,2", Ok(&[(2, &[Some("1"), Some("2")])]));
        check(b"a,b\r1,2\r3,4\r", Ok(&[(2, &[Some("1"), Some("2")]), (3, &[Some("3"), Some("4")])]));
        check(b"a,b\n\n1,2\n\n", Ok(&[(3, &[Some("1"), Some("2")])]));
        check(b"a\n1\n\n2\n", Ok(&[(2, &[Some("1")]), (3, &[None]), (4, &[Some("2")])]));
        check(
            b"a,b\n\"x\r\ny\",\"say \"\"hi\"\"\"\n5\" pipe,z\n",
            Ok(&[(2, &[Some("x\r\ny"), Some("say \"hi\"")]), (4, &[Some("5\" pipe"), Some("z")])]),
        );
        check(b"a\r\n1\r\n", Ok(&[(2, &[Some("1")])]));
        check(b"a,b\n", Ok(&[]));
    }

    #[test]
    fn what_is_quoted_is_never_null() {
        check(b"a,b\n,\"\"\nNA,\"NA\"\n", Ok(&[(2, &[None, Some("")]), (3, &[None, Some("NA")])]));
    }

    #[test]
    fn what_is_no_record_says_where_and_why() {
        check(b"", Err("a.csv: is empty, not even a header"));
        check(b"a,b\n1,2\n1\n", Err("a.csv: row 2, line 3: 1 fields, and the header has 2"));
        check(b"a,b\n1,2,3\n", Err("a.csv: row 1, line 2: 3 fields, and the header has 2"));
        check(b"a,b\n1,\"2\n", Err("a.csv: row 1, line 2: a quote is never closed"));
        check(b"a,b\n1,\"2\"3\n", Err("a.csv: row 1, line 2: text after a closing quote"));
        check(b"a,b\n1,\xff\n", Err("a.csv: row 1, line 2, column `b`: not valid UTF-8"));
    }
}
