//! Every length in an Arrow IPC stream, held against the size of the file before anything is decoded.
//!
//! The decoder allocates what a message claims; a few flipped bits then claim exabytes and the process aborts. So the
//! messages are walked first: metadata and bodies must lie within the file, buffers within their body, and what
//! buffers unpack to and how many rows they claim must be of a size that the bytes can account for.

use std::io::{Read, Seek, SeekFrom};

use arrow::ipc::{Message, MessageHeader, RecordBatch, root_as_message};

/// What all buffers of a batch may unpack to, in bytes.
const MAX_UNPACKED: u64 = 2 << 30;
const MAGIC: &[u8; 6] = b"ARROW1";
const CONTINUATION: u32 = u32::MAX;
/// Before each compressed buffer: the length it unpacks to, or -1 where it is as it is.
const PREFIX: u64 = 8;

/// Where in the file the stream lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Checks a stream, or the stream that a file holds.
pub(super) fn check(mut input: impl Read + Seek, is_file: bool) -> Result<Span, String> {
    let size = input.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
    let span = if is_file { within_file(&mut input, size)? } else { Span { start: 0, end: size } };
    let mut at = span.start;
    loop {
        input.seek(SeekFrom::Start(at)).map_err(|e| e.to_string())?;
        let left = span.end - at;
        // An end without the mark of the end is an end, too: writers that stream may just stop between messages.
        if left < 4 {
            return if left == 0 && at > span.start { Ok(span) } else { Err("it ends within a message".to_owned()) };
        }
        let (mut length, mut head) = (word(&mut input)?, 4);
        if length == CONTINUATION {
            if left < 8 {
                return Err("it ends within a message".to_owned());
            }
            (length, head) = (word(&mut input)?, 8);
        }
        if length == 0 {
            return if at > span.start { Ok(span) } else { Err("it holds no schema".to_owned()) };
        }
        let length = u64::from(length);
        if length > left - head {
            return Err(format!("a message at byte {at} claims {length} bytes, and {} are left", left - head));
        }
        let mut metadata = vec![0; length as usize];
        input.read_exact(&mut metadata).map_err(|e| e.to_string())?;
        let message = root_as_message(&metadata).map_err(|e| format!("a damaged message at byte {at}: {e}"))?;
        let body = at + head + length;
        let body_length = body_length(&message, span.end - body)?;
        match message.header_type() {
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or("a batch without content")?;
                check_batch(&mut input, &batch, body, body_length)?;
            }
            MessageHeader::DictionaryBatch => {
                let batch = message.header_as_dictionary_batch().and_then(|d| d.data());
                check_batch(&mut input, &batch.ok_or("a dictionary without content")?, body, body_length)?;
            }
            _ => {}
        }
        at = body + body_length;
    }
}

fn within_file(input: &mut (impl Read + Seek), size: u64) -> Result<Span, String> {
    let mut end = [0; 10];
    if size < 8 + 10 {
        return Err("it is too short".to_owned());
    }
    input.seek(SeekFrom::Start(size - 10)).and_then(|_| input.read_exact(&mut end)).map_err(|e| e.to_string())?;
    let (footer, magic) = end.split_at(4);
    if magic != MAGIC {
        return Err("it has no footer: was it cut off?".to_owned());
    }
    let footer = u64::from(u32::from_le_bytes([footer[0], footer[1], footer[2], footer[3]]));
    let end = match (size - 10).checked_sub(footer) {
        Some(end) if end >= 8 => end,
        _ => return Err("its footer claims more bytes than there are".to_owned()),
    };
    // Some writers fill up to eight bytes after the first magic, some to sixty-four.
    let mut start = 8;
    input.seek(SeekFrom::Start(start)).map_err(|e| e.to_string())?;
    while start + 8 <= end && (word(input)?, word(input)?) == (0, 0) {
        start += 8;
    }
    Ok(Span { start, end })
}

fn word(input: &mut impl Read) -> Result<u32, String> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes).map_err(|e| e.to_string())?;
    Ok(u32::from_le_bytes(bytes))
}

fn body_length(message: &Message<'_>, left: u64) -> Result<u64, String> {
    match u64::try_from(message.bodyLength()) {
        Ok(length) if length <= left => Ok(length),
        _ => Err(format!("a message claims a body of {} bytes, and {left} are left", message.bodyLength())),
    }
}

fn check_batch(
    input: &mut (impl Read + Seek),
    batch: &RecordBatch<'_>,
    body: u64,
    body_length: u64,
) -> Result<(), String> {
    let mut unpacked = 0u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let (offset, length) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length()));
        let (Ok(offset), Ok(length)) = (offset, length) else {
            return Err("a buffer with a negative place".to_owned());
        };
        if offset.checked_add(length).is_none_or(|end| end > body_length) {
            return Err("a buffer lies outside its message".to_owned());
        }
        let mut claimed = length;
        if batch.compression().is_some() && length >= PREFIX {
            let mut prefix = [0; PREFIX as usize];
            let at = SeekFrom::Start(body + offset);
            input.seek(at).and_then(|_| input.read_exact(&mut prefix)).map_err(|e| e.to_string())?;
            claimed = match i64::from_le_bytes(prefix) {
                -1 => length - PREFIX,
                claimed => u64::try_from(claimed).map_err(|_| "a buffer unpacks to a negative length")?,
            };
        }
        unpacked = unpacked.saturating_add(claimed);
    }
    if unpacked > MAX_UNPACKED {
        return Err(format!("a batch unpacks to {unpacked} bytes, and at most {MAX_UNPACKED} are let in"));
    }
    // No column takes less than a bit per row, and a dataset has at least one: its timestamp.
    let rows = batch.length();
    let counts = batch.nodes().into_iter().flatten().map(|node| node.length()).chain([rows]);
    for count in counts {
        if u64::try_from(count).is_ok_and(|count| count <= unpacked.saturating_mul(8)) {
            continue;
        }
        return Err(format!("a batch claims {count} values in {unpacked} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, RecordBatch as Rows, StringArray};
    use arrow::ipc::writer::{FileWriter, StreamWriter};
    use std::io::Cursor;
    use std::sync::Arc;

    fn rows() -> Rows {
        let numbers = Arc::new(Int64Array::from_iter_values(0..100));
        let texts = Arc::new(StringArray::from_iter_values((0..100).map(|i| i.to_string())));
        Rows::try_from_iter([("n", numbers as _), ("t", texts as _)]).unwrap()
    }

    fn stream() -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &rows().schema()).unwrap();
        writer.write(&rows()).unwrap();
        writer.into_inner().unwrap()
    }

    fn file() -> Vec<u8> {
        let mut writer = FileWriter::try_new(Vec::new(), &rows().schema()).unwrap();
        writer.write(&rows()).unwrap();
        writer.into_inner().unwrap()
    }

    #[test]
    fn what_is_whole_passes() {
        assert_eq!(check(Cursor::new(stream()), false), Ok(Span { start: 0, end: stream().len() as u64 }));
        assert_eq!(check(Cursor::new(file()), true).map(|s| s.start % 8), Ok(0));
        let unfinished = &stream()[..stream().len() - 8];
        assert!(check(Cursor::new(unfinished), false).is_ok());
    }

    #[test]
    fn what_is_cut_off_does_not() {
        let (stream, file) = (stream(), file());
        for length in 0..stream.len() - 8 {
            // The schema alone is a stream of no batches.
            let result = check(Cursor::new(&stream[..length]), false);
            assert!(result.is_err() || length % 8 == 0, "{length}");
        }
        for length in 0..file.len() {
            assert!(check(Cursor::new(&file[..length]), true).is_err(), "{length}");
        }
    }

    /// Whatever bytes are damaged, what passes can be decoded or is refused, without a huge allocation or a panic.
    #[test]
    fn damage_is_refused_or_harmless() {
        let whole = stream();
        for at in 0..whole.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                if check(Cursor::new(&damaged), false).is_ok() {
                    let decode = || {
                        let reader = arrow::ipc::reader::StreamReader::try_new(Cursor::new(&damaged), None)?;
                        reader.map(|batch| batch.map(|b| b.num_rows())).sum::<Result<usize, _>>()
                    };
                    let _ = std::panic::catch_unwind(decode);
                }
            }
        }
    }
}
