//! How data files are laid out: see docs/decisions/0007-layout-of-files.md.

use std::collections::HashSet;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use asof_model::Result;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::SEQ;
use crate::failure::Failure;

/// The most rows in a file.
pub(crate) const ROWS_PER_FILE: usize = 1 << 20;
/// Rows in a row group: small enough to be skipped, large enough to be scanned at speed.
pub(crate) const ROWS_PER_GROUP: usize = 1 << 17;
/// Bytes in one, where rows are wide: it is held in memory until it is written.
pub(crate) const BYTES_PER_GROUP: usize = 64 << 20;
/// Rows in a page, the least that can be read of a column.
const ROWS_PER_PAGE: usize = 1 << 11;

/// A page that compression does not bring below this share of its size is written as it is: to decompress it would take longer than
/// to read what was saved.
const WORTH_COMPRESSING: f64 = 0.85;

/// Rows by which it is judged whether the values of a column repeat.
const SAMPLE: usize = 1 << 12;

/// The properties of a file whose first row group has these rows.
pub(crate) fn properties(schema: &Schema, first: &[RecordBatch]) -> Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        // A page of the second version may say of itself that it is not compressed; floats hardly ever are.
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_data_page_v2_compression_ratio_threshold(WORTH_COMPRESSING)
        .set_encoding(Encoding::PLAIN)
        // The caller cuts row groups.
        .set_max_row_group_row_count(None)
        .set_data_page_row_count_limit(ROWS_PER_PAGE)
        .set_write_batch_size(ROWS_PER_PAGE)
        .set_created_by(concat!("asof ", env!("CARGO_PKG_VERSION")).to_owned());
    let sample = sample(first);
    for (at, field) in schema.fields().iter().enumerate() {
        let dictionary = field.name() != SEQ
            && match field.data_type() {
                // Values that hardly repeat: a dictionary would be as large as they are, and slow to read through.
                DataType::Float32 | DataType::Float64 | DataType::Timestamp(_, _) => false,
                _ => repeat(first, &sample, at).map_err(Failure::Arrow)?,
            };
        if !dictionary {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false);
        }
    }
    Ok(properties.build())
}

/// Places all over the rows: batch, and row in it.
fn sample(rows: &[RecordBatch]) -> Vec<(usize, usize)> {
    let total: usize = rows.iter().map(RecordBatch::num_rows).sum();
    let stride = total.div_ceil(SAMPLE).max(1);
    let places = rows.iter().enumerate().flat_map(|(at, batch)| (0..batch.num_rows()).map(move |row| (at, row)));
    places.step_by(stride).collect()
}

/// Whether values of the column are found in several rows, judged by a sample: at most half as many different values as
/// rows.
fn repeat(rows: &[RecordBatch], places: &[(usize, usize)], column: usize) -> Result<bool, ArrowError> {
    let Some(first) = rows.first() else { return Ok(true) };
    let arrays: Vec<_> = rows.iter().map(|batch| batch.column(column).as_ref()).collect();
    let sample: ArrayRef = interleave(&arrays, places)?;
    let converter = RowConverter::new(vec![SortField::new(first.column(column).data_type().clone())])?;
    let values = converter.convert_columns(&[sample])?;
    Ok(2 * values.iter().collect::<HashSet<_>>().len() <= places.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn only_values_that_repeat_get_a_dictionary() {
        let numbers = |of: fn(i64) -> i64| Arc::new((0..20_000).map(of).collect::<Int64Array>()) as ArrayRef;
        let texts = |of: fn(i64) -> i64| {
            Arc::new((0..20_000).map(|n| Some(of(n).to_string())).collect::<StringArray>()) as ArrayRef
        };
        let rows = RecordBatch::try_from_iter([
            ("id", numbers(|n| n)),
            ("sorted", numbers(|n| n / 100)),
            ("few", texts(|n| n % 7)),
            ("many", texts(|n| n)),
        ])
        .unwrap();
        // However the rows are cut.
        for cut in [1, 500, 20_000] {
            let rows: Vec<_> = (0..20_000).step_by(cut).map(|at| rows.slice(at, cut)).collect();
            let properties = properties(&rows[0].schema(), &rows).unwrap();
            let dictionary = |name| properties.dictionary_enabled(&ColumnPath::from(name));
            assert_eq!(["id", "sorted", "few", "many"].map(dictionary), [false, true, true, false]);
        }
    }
}
