//! What a file is: by its name, else by its first bytes.

use std::io::{self, Read};

use crate::ingest::Format;

/// How many bytes the content is judged by.
const HEAD: usize = 4096;

/// A format with all that is needed to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Parquet,
    /// With what separates the fields.
    Csv(u8),
    JsonLines,
    ArrowFile,
    ArrowStream,
}

impl Encoding {
    /// Whether values are texts, whose types the table decides.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Encoding::Csv(_) | Encoding::JsonLines)
    }
}

/// What wraps other files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    Gzip,
    Zip,
}

/// The first bytes of a file.
pub(super) fn head(mut file: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

pub(super) fn wrapping(head: &[u8]) -> Option<Wrapping> {
    match head {
        [0x1f, 0x8b, ..] => Some(Wrapping::Gzip),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(Wrapping::Zip),
        _ => None,
    }
}

/// The format that was said, or that the name says, or that the content shows.
pub(super) fn encoding(said: Option<Format>, name: &str, head: &[u8]) -> Option<Encoding> {
    let (format, separator) = match said {
        Some(format) => (format, by_name(name).map_or(b',', |(_, separator)| separator)),
        None => by_name(name).or_else(|| by_content(head))?,
    };
    Some(match format {
        Format::Parquet => Encoding::Parquet,
        Format::Csv => Encoding::Csv(separator),
        Format::JsonLines => Encoding::JsonLines,
        Format::ArrowIpc if head.starts_with(b"ARROW1") => Encoding::ArrowFile,
        Format::ArrowIpc => Encoding::ArrowStream,
    })
}

/// Whether a file of this name, in an archive, is meant to be read.
pub(super) fn known_name(name: &str) -> bool {
    by_name(name.strip_suffix(".gz").unwrap_or(name)).is_some()
}

fn by_name(name: &str) -> Option<(Format, u8)> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match extension.as_str() {
        "parquet" | "pq" => (Format::Parquet, b','),
        "csv" => (Format::Csv, b','),
        "tsv" | "tab" => (Format::Csv, b'\t'),
        "jsonl" | "ndjson" | "json" => (Format::JsonLines, b','),
        "arrow" | "arrows" | "ipc" | "feather" => (Format::ArrowIpc, b','),
        _ => return None,
    })
}

fn by_content(head: &[u8]) -> Option<(Format, u8)> {
    if head.starts_with(b"PAR1") {
        return Some((Format::Parquet, b','));
    }
    if head.starts_with(b"ARROW1") || head.starts_with(&[0xff; 4]) {
        return Some((Format::ArrowIpc, b','));
    }
    // The head may end within a character.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('{') {
        return Some((Format::JsonLines, b','));
    }
    let header = text.lines().next()?;
    let plain = !header.is_empty() && !header.chars().any(|c| c.is_control() && c != '\t');
    plain.then(|| (Format::Csv, if header.contains('\t') && !header.contains(',') { b'\t' } else { b',' }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_first_and_the_content_else() {
        let check = |name: &str, head: &[u8], expected| assert_eq!(encoding(None, name, head), expected, "{name}");
        check("a.CSV", b"", Some(Encoding::Csv(b',')));
        check("a.tsv", b"", Some(Encoding::Csv(b'\t')));
        check("a.parquet", b"a,b", Some(Encoding::Parquet));
        check("a.feather", b"ARROW1\0\0", Some(Encoding::ArrowFile));
        check("a.arrows", &[0xff; 8], Some(Encoding::ArrowStream));
        check("data", b"PAR1", Some(Encoding::Parquet));
        check("data", b"ARROW1", Some(Encoding::ArrowFile));
        check("data.txt", b"\xef\xbb\xbf {\"a\": 1}", Some(Encoding::JsonLines));
        check("data.txt", b"a\tb\n1\t2", Some(Encoding::Csv(b'\t')));
        check("data.txt", "a,ä".as_bytes().split_last().unwrap().1, Some(Encoding::Csv(b',')));
        check("data", b"\x00\x01", None);
        check("data", b"\xff\xfe", None);
        check("data", b"", None);
        assert_eq!(encoding(Some(Format::Csv), "a.parquet", b"PAR1"), Some(Encoding::Csv(b',')));
    }
}
