//! Rows as the bytes of a journal's entry: an Arrow IPC stream, without the order of acceptance, which follows from the
//! entry's number. Written and read only here; the store's own checksums are behind it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use asof_model::{Error, Result};
use asof_offline::SEQ;
use asof_online::Entry;

/// The bytes of some rows.
pub(super) fn encode(rows: &RecordBatch) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, rows.schema_ref()).map_err(Error::internal)?;
    writer.write(rows).and_then(|()| writer.finish()).map_err(Error::internal)?;
    drop(writer);
    Ok(bytes)
}

/// The rows of an entry, with their order of acceptance behind.
pub(super) fn decode(entry: &Entry) -> Result<RecordBatch> {
    let mut reader = StreamReader::try_new(entry.bytes.as_slice(), None).map_err(Error::internal)?;
    let rows = reader.next().ok_or_else(|| Error::internal("an entry of a journal holds no rows"))?;
    let rows = rows.map_err(Error::internal)?;
    let count = i64::try_from(rows.num_rows()).map_err(Error::internal)?;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(entry.last - count + 1..=entry.last));
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(SEQ, DataType::Int64, false)));
    let columns = rows.columns().iter().cloned().chain([numbers]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::internal)
}
